"""What happened to a case, line by line, as its doctors read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from diagnoses.models import CaseEvent

EVENTS = {
    "submitted": _("Sent by the patient"),
    "imported": _("Brought here from another portal"),
    "checked": _("The computer has looked"),
    "unscored": _("The computer gave no view"),
    "to_doctors": _("Passed to the doctors"),
    "told_more": _("The patient told more"),
    "requeued": _("Sent to the computer again"),
    "read_first": _("Read by"),
    "signed": _("Signed by"),
    "signature_undone": _("Signature taken back by"),
    "amended": _("Amended by"),
    "withdrawn": _("Withdrawn by the patient"),
    "wrote": _("Message by"),
    "retake_asked": _("New photo asked for by"),
    "retaken": _("New photo sent by the patient"),
    "question_closed": _("Needs no answer, says"),
    "opinion_asked": _("A colleague was asked by"),
    "read_again": _("Read again by"),
    "share_asked": _("A doctor of another clinic was asked by"),
    "share_agreed": _("The patient agreed that the other clinic’s doctor reads it"),
    "share_refused": _("The patient did not agree that another clinic’s doctor reads it"),
    "share_ended": _("Closed to the other clinic’s doctor by"),
    "outcome_recorded": _("Outcome recorded by"),
    "letter_written": _("Letter written by"),
    "told_in_person": _("The patient was told by"),
    "visit_yes": _("The patient has seen the doctor"),
    "visit_not_yet": _("The patient has not seen the doctor yet"),
    "visit_no_appointment": _("The patient could not get an appointment"),
    "visit_decided_not": _("The patient decided not to see a doctor"),
}
VISITS = frozenset({"visit_yes", "visit_not_yet", "visit_decided_not"})
# What was done by one doctor among several is said with the name.
BY_NAME = frozenset(
    {
        *("requeued", "read_first", "signed", "signature_undone", "amended"),
        *("wrote", "retake_asked", "question_closed"),
        *("opinion_asked", "read_again", "outcome_recorded", "letter_written"),
        *("share_asked", "share_ended", "told_in_person"),
    }
)


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line of the case's history. ``told`` is what the patient added, in their own words."""

    words: str
    at: datetime
    told: str


def event_lines(events: Sequence[CaseEvent]) -> list[EventLine]:
    """What happened, oldest first; nothing of what the computer found."""
    return [
        EventLine(
            f"{EVENTS[event.kind]} {event.actor}"
            if event.kind in BY_NAME
            else str(EVENTS[event.kind]),
            event.at,
            _told(event),
        )
        for event in events
        if event.kind in EVENTS
    ]


def _told(event: CaseEvent) -> str:
    """What a doctor should see at once of what the patient told since.

    Who got no appointment asks for help in the talk, and it stands there.
    """
    words = str(event.detail.get("what", ""))
    if event.kind in VISITS:
        return f"{EVENTS[event.kind]}. {words}".strip()
    return words if event.kind == "told_more" else ""

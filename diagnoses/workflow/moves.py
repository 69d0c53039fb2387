"""One legal move of a case as a compare-and-set, and the event that remembers it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Clinic, User
from diagnoses.models import Case, CaseEvent, Review
from diagnoses.states import MOVES, Moved, Status
from mlservice.engine.types import Tier

COLUMNS = {"signed_at", "signed_by", "tier", "risk", "answer_due_at"}


def move(case: Case, to: str, kind: str, actor: User | None, **changes: object) -> None:
    """One legal move as a compare-and-set; raises :class:`Moved` when somebody was first.

    ``changes`` that are columns of the case are written with it, the others go to the event.
    """
    columns = {k: v for k, v in changes.items() if k in COLUMNS}
    old = case.status
    legal = to in MOVES[old]
    moved = legal and Case.objects.filter(pk=case.pk, status=old).update(status=to, **columns)
    if not moved:
        case.refresh_from_db()
        raise too_late(case)
    case.status = to
    for name, value in columns.items():
        setattr(case, name, value)
    detail = {k: v for k, v in changes.items() if k not in columns}
    note(case, kind, actor, **detail)


def too_late(case: Case) -> Moved:
    if case.is_signed and case.signed_at:
        sentence = _("%(name)s signed this case on %(when)s.") % {
            "name": case.signed_by,
            "when": on(case.signed_at),
        }
        return Moved(sentence, case.signed_by, case.signed_at)
    if case.status == Status.CANCELLED:
        return Moved(_("The patient has withdrawn this case."), case.patient)
    return Moved(_("This case has moved on in the meantime. Please load the page again."))


def on(moment: datetime) -> str:
    """ "24 November at 17:00", as the reader's language says it; what follows "on"."""
    said = pgettext("a date, as Django writes it", "d F \\a\\t H:i")
    return date_format(timezone.localtime(moment), said)


def note(case: Case, kind: str, actor: User | None, **detail: object) -> CaseEvent:
    """What happened, and who did it: for a patient without a login, their carer."""
    hand = actor.reader if actor else None
    return CaseEvent.objects.create(case=case, kind=kind, actor=hand, detail=detail)


def about_case(case: Case) -> str:
    return f"case:{case.pk}"


def about_review(case: Case, review: Review) -> str:
    return f"{about_case(case)}#{review.pk}"


def answer_within(clinic: Clinic, tier: Tier) -> timedelta:
    hours = {
        Tier.RED: clinic.red_answer_hours,
        Tier.AMBER: clinic.amber_answer_hours,
        Tier.GREEN: clinic.green_answer_hours,
    }
    return timedelta(hours=hours[tier])

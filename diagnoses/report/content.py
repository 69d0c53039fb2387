"""What the report of a case says: the case page's own words and nothing that the page keeps back.

The answer first once it is signed. Whatever the computer said stands small behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from diagnoses import presenting, telling
from diagnoses.models import Case, Photo, Prediction, Review

PHOTOS = 12  # more than a form takes; a case that grew by retakes stays a few pages
MISSING = _("Some letters could not be printed here. They can be read in the case on the screen.")
# Words of a case that waits: nothing of the computer's is in them.
NOTHING_SAID = frozenset({"waiting", "held", "unscored"})


@dataclass(frozen=True, slots=True)
class Part:
    """One part under a heading. ``tone``: "answer" and "open" are boxes, "small" is fine print."""

    heading: str
    mark: str = ""
    tone: str = ""
    lines: tuple[str, ...] = ()
    strong: str = ""
    muted: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    pictures: bool = False  # the photos stand here


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the paper but the pictures' bytes."""

    title: str
    clinic: str
    language: str
    made: str
    page: str  # "Page {page} of {pages}"
    missing: str  # said where the font lacks a letter
    facts: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    photos: tuple[Photo, ...]
    captions: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """What the layout reads."""
        return {
            "title": self.title,
            "clinic": self.clinic,
            "language": self.language,
            "made": self.made,
            "page": self.page,
            "missing": self.missing,
            "facts": self.facts,
            "parts": [asdict(part) for part in self.parts],
        }


def report_of(case: Case, reader: User) -> Report:
    """The report of ``case`` as ``reader`` may have it.

    A doctor who has not read the case yet gets it without the computer's part, as on the desk.
    """
    review = presenting.answer_for_patient(case)
    open_to_reader = reader.answers_for(case.patient) or presenting.may_see_computer(case, reader)
    shown = telling.computer_part(case, review) if open_to_reader else None
    photos = tuple(case.photos.all()[:PHOTOS])
    now = presenting.dated(timezone.now())
    parts = (
        _answer(case, review),
        Part(gettext("What you sent"), pictures=True),
        _told(case),
        _computer(case, shown, review) if open_to_reader else None,
        _history(case, review),
        _receipt(shown),
        _use(case),
    )
    return Report(
        title=gettext("Report of case {reference}").format(reference=case.reference),
        clinic=case.clinic.name,
        language=(get_language() or "en").split("-")[0],
        made=gettext("Case {reference}, printed on {when}").format(
            reference=case.reference, when=now
        ),
        page=gettext("Page {page} of {pages}"),
        missing=str(MISSING),
        facts=_facts(case),
        parts=tuple(part for part in parts if part is not None),
        photos=photos,
        captions=captions_of(case, photos),
    )


def _facts(case: Case) -> tuple[tuple[str, str], ...]:
    facts = [
        (gettext("Name"), case.patient.name),
        *([(gettext("Sent by"), case.patient.carer.name)] if case.patient.carer else []),
        (gettext("Clinic"), case.clinic.name),
        (gettext("Case"), case.reference),
        (gettext("Place on the body"), case.place),
        (gettext("Sent on"), presenting.dated(case.submitted_at)),
    ]
    if case.lesion and case.lesion.name:
        facts.insert(-1, (gettext("You call it"), case.lesion.name))
    return tuple(facts)


def _answer(case: Case, review: Review | None) -> Part:
    if review is not None:
        return Part(
            presenting.patient_card(case).headline,
            mark=gettext("Your doctor’s answer"),
            tone="answer",
            lines=_paragraphs(review.advice),
            strong=telling.plan_of(review),
            facts=(
                (gettext("Signed by"), review.doctor.name),
                (gettext("Signed on"), presenting.dated(review.signed_at)),
            ),
            muted=(
                (gettext("This answer replaces the one given before."),)
                if case.status == Case.Status.AMENDED
                else ()
            ),
        )
    if case.status == Case.Status.CANCELLED:
        withdrawn = gettext("You withdrew this case. No doctor will answer it.")
        return Part(gettext("Withdrawn: there is no answer"), tone="open", lines=(withdrawn,))
    due = gettext("A doctor of your clinic will look at it. The answer is due by {due}.")
    return Part(
        gettext("Not signed yet: this is not an answer"),
        tone="open",
        lines=(
            gettext("When this was printed, no doctor had signed anything about this case."),
            due.format(due=presenting.dated(case.answer_due_at)),
        ),
    )


def captions_of(case: Case, photos: Iterable[Photo]) -> tuple[str, ...]:
    """What stands below each photo."""
    return tuple(_caption(case, photo) for photo in photos)


def _caption(case: Case, photo: Photo) -> str:
    kind = case.pack.photo_kind(photo.kind).text
    return gettext("{kind}, sent as it is").format(kind=kind) if photo.sent_anyway else kind


def _told(case: Case) -> Part | None:
    answers = tuple(telling.answers_of(case))
    return Part(gettext("What you told us"), facts=answers) if answers else None


def _computer(case: Case, shown: Prediction | None, review: Review | None) -> Part | None:
    """The card of the case's page, smaller than there; none where the page shows none."""
    if case.status == Case.Status.CANCELLED:
        return None
    card = presenting.machine_card(case) if review else presenting.patient_card(case)
    if card is None or (shown is None and card.key not in NOTHING_SAID):
        return None
    before = gettext("This stood here until the doctor answered. The doctor’s answer counts.")
    said = card.key not in NOTHING_SAID
    return Part(
        gettext("What the computer said before") if review else gettext("Where the case stands"),
        mark=gettext("From the computer, not a doctor") if said else "",
        tone="small",
        strong=card.headline,
        lines=card.body,
        muted=(*([card.label_line] if card.label_line else []), *([before] if review else [])),
        points=() if review else card.next_steps,
    )


def _history(case: Case, review: Review | None) -> Part:
    lines = telling.history(case, review)
    facts = [
        (presenting.dated(line.at), f"{line.text} “{line.words}”" if line.words else line.text)
        for line in lines
    ]
    return Part(gettext("What happened so far"), facts=tuple(facts), tone="small")


def _receipt(shown: Prediction | None) -> Part | None:
    if shown is None:
        return None
    heading = gettext("Receipt of the computer’s check")
    return Part(heading, tone="small", facts=tuple(telling.receipt_of(shown)))


def _use(case: Case) -> Part:
    return Part(
        gettext("What this is, and what it is not"),
        tone="small",
        lines=_paragraphs(case.pack.intended_use),
    )


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())

"""What a reader may be told of cases: decided here, once for all resources.

By the gate and the policy of the API: patients read the clinic's words of the computer's view, once
the clinic lets them; doctors its numbers, once they have read the case themselves. An answer is
there when it can no longer be taken back. Three statements, however many cases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from accounts.models import User
from diagnoses import gathered, presenting, telling
from diagnoses.gathered import EVENTS, FIRST_READINGS, PHOTOS, REMARKS, REVIEWS
from diagnoses.models import Case, CaseQuerySet, Photo, Prediction, Remark, Review

# Moves that tell nothing before their time. A signature counts from the moment it stands.
TELLING_MOVES = frozenset(
    {
        *("submitted", "imported", "to_doctors", "checked", "unscored", "requeued", "told_more"),
        *("retake_asked", "retaken", "withdrawn"),
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """One case as one reader may know it; ``answers`` stand, the newest last.

    ``base`` is the portal's address as the reader reached it, without a slash at its end.
    """

    case: Case
    reader: User
    base: str = ""
    answers: tuple[Review, ...] = ()
    view: Prediction | None = None

    @property
    def to_patient(self) -> bool:
        """Their own or whom they look after: words, and no numbers."""
        return self.reader.answers_for(self.case.patient)

    @property
    def answer(self) -> Review | None:
        return self.answers[-1] if self.answers else None

    @property
    def status(self) -> str:
        """FHIR's report code. What can still be taken back was not signed."""
        if self.case.is_signed and not self.answers:
            return Case.Status.PARTIAL.value
        return self.case.status

    @property
    def is_over(self) -> bool:
        return self.answer is not None or self.case.status == Case.Status.CANCELLED

    @property
    def photos(self) -> list[Photo]:
        return PHOTOS.of(self.case)

    @property
    def remarks(self) -> list[Remark]:
        return REMARKS.of(self.case)

    @property
    def photo_wanted(self) -> bool:
        """A doctor asked for a new photo that has not come."""
        asked = (one for one in self.remarks if one.kind == Remark.Kind.RETAKE_REQUEST)
        return self.case.is_open and any(not hasattr(one, "retake") for one in asked)

    @property
    def changed_at(self) -> datetime:
        """When there was last something new in it for this reader."""
        moments = [one.at for one in EVENTS.of(self.case) if one.kind in TELLING_MOVES]
        moments += [one.effective_at for one in self.answers]
        moments += [self.view.created_at] if self.view else []
        if not self.to_patient:  # whose own reading opened the view
            own = presenting.own_reading(self.case, self.reader)
            moments += [own.created_at] if own else []
        return max([self.case.submitted_at, *moments])


def cases_for(user: User) -> CaseQuerySet:
    """Whose cases there are at all. What is only shared is read on its page and not copied."""
    return Case.objects.told_to(user).select_related("lesion", "invitation__accepted_by")


def told(cases: CaseQuerySet, reader: User, base: str) -> list[Told]:
    """``cases``, already those of the reader, with what may be known of each."""
    parts = (PHOTOS, EVENTS, REVIEWS, FIRST_READINGS, REMARKS)
    found = [Told(case, reader, base, _standing(case)) for case in gathered.read(cases, *parts)]
    open_ = [one.case.pk for one in found if _may_see_the_view(one)]
    # What is closed to the reader is not even read.
    views = Prediction.objects.live().filter(case__in=open_).order_by("case", "-pk")
    newest = views.distinct("case").select_related("photo", "model_version")
    by_case = {view.case_id: view for view in newest.defer("embedding", "heat")}
    return [replace(one, view=by_case.get(one.case.pk)) for one in found]


def _standing(case: Case) -> tuple[Review, ...]:
    if not case.is_signed:
        return ()
    now = timezone.now()
    return tuple(one for one in REVIEWS.of(case) if not one.is_undone and one.effective_at <= now)


def _may_see_the_view(one: Told) -> bool:
    case = one.case
    if not one.to_patient:
        return presenting.may_see_computer(case, one.reader)
    shown = case.status not in (Case.Status.REGISTERED, Case.Status.CANCELLED)
    return shown and telling.may_be_shown(case, one.answer)

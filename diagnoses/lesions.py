"""A patient's marks over months: one line for each, one mark's history, two of its photos.

Everything is read at once, so that a page costs the same for one mark and for a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Exists, F, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from diagnoses import presenting, telling
from diagnoses.models import (
    Case,
    CaseEvent,
    CaseQuerySet,
    Lesion,
    Photo,
    Prediction,
    ReadMark,
    Remark,
    Review,
)
from diagnoses.presenting import Card


@dataclass(frozen=True, slots=True)
class Tile:
    """One mark on the list, told by its newest case; ``due`` is of the answer awaited first."""

    case: Case
    photo: UUID | None
    status: str
    times: int  # how often it was photographed
    due: datetime | None

    @property
    def name(self) -> str:
        """What the patient calls it."""
        return self.case.lesion.name if self.case.lesion else ""

    @property
    def answered(self) -> bool:
        return self.case.is_signed and self.due is None


@dataclass(frozen=True, slots=True)
class Moment:
    """One case in a mark's history, as its own page tells it now."""

    case: Case
    photos: list[Photo]
    status: str
    waiting: bool
    card: Card | None  # None once withdrawn
    review: Review | None
    plan: str


@dataclass(frozen=True, slots=True)
class Shot:
    """One photo to compare: ``says`` when it was taken and which kind it is."""

    photo: Photo
    kind: str

    @property
    def sent(self) -> datetime:
        return self.photo.case.submitted_at

    @property
    def says(self) -> str:
        return f"{presenting.dated(self.sent)}: {self.kind}"


# --- The list ------------------------------------------------------------------------------------


def tiles(patient: User, *, behind: str | None, size: int) -> tuple[list[Tile], UUID | None]:
    """The marks whose answer is awaited, then the others, newest first; what to ask on with.

    ``behind`` is the case the page before ended with, so a new one shifts nothing.
    """
    cases = _with_mark(patient, with_status(Case.objects.visible_to(patient)))
    if behind:
        cases = cases.filter(_behind(cases, behind))
    newest = cases.filter(~Exists(_newer(patient))).select_related("lesion")
    found = list(newest.order_by(F("waiting").desc(), "-submitted_at", "-pk")[: size + 1])
    shown = found[:size]
    return [_tile(case) for case in shown], shown[-1].pk if len(found) > size else None


def _tile(case: Case) -> Tile:
    seen: Any = case
    return Tile(case, seen.photo_id, telling.status_of(case), seen.times, seen.due)


def with_status(cases: CaseQuerySet) -> CaseQuerySet:
    """With what a line about a case needs, and nothing that costs a query for each."""
    events = CaseEvent.objects.filter(case=OuterRef("pk")).order_by("-pk")
    photos = Photo.objects.filter(case=OuterRef("pk")).order_by("created_at", "pk")
    requests = Remark.objects.filter(case=OuterRef("pk"), kind=Remark.Kind.RETAKE_REQUEST)
    by_doctors = ReadMark.objects.filter(case=OuterRef("pk")).exclude(person=F("case__patient"))
    own = ReadMark.objects.filter(case=OuterRef("case"), person=OuterRef("case__patient"))
    said = Remark.objects.by_doctors().filter(case=OuterRef("pk"))
    return cases.select_related("clinic", "doctor", "patient__carer").annotate(
        last_event=Subquery(events.values("pk")[:1]),
        answer=Subquery(_told().order_by("-pk").values("pk")[:1]),
        photo_id=Subquery(photos.values("pk")[:1]),
        photo_wanted=Exists(requests.filter(retake=None)),
        read_by_doctors=Subquery(by_doctors.order_by("-upto").values("upto")[:1]),
        new_words=Exists(said.filter(pk__gt=Coalesce(Subquery(own.values("upto")), 0))),
    )


def _told() -> models.QuerySet[Review]:
    """The answers to a case that the patient may read by now."""
    return Review.objects.standing().filter(case=OuterRef("pk"), effective_at__lte=timezone.now())


def _same_mark(patient: User) -> CaseQuerySet:
    """The cases about the mark of the case outside; a case without a mark stands for itself."""
    same = Q(lesion=OuterRef("lesion")) | Q(pk=OuterRef("pk"))
    return Case.objects.visible_to(patient).filter(same)


def _newer(patient: User) -> CaseQuerySet:
    later = Q(submitted_at__gt=OuterRef("submitted_at"))
    same_time = Q(submitted_at=OuterRef("submitted_at"), pk__gt=OuterRef("pk"))
    return _same_mark(patient).filter(later | same_time)


def _with_mark(patient: User, cases: CaseQuerySet) -> CaseQuerySet:
    """With what is to be told of the whole mark a case is about."""
    signed = Q(status__in=[Case.Status.FINAL, Case.Status.AMENDED])
    # While a signature can be undone the list does not tell that there is one.
    open_ = Q(status__in=[Case.Status.REGISTERED, Case.Status.PARTIAL]) | signed & ~Exists(_told())
    awaited = _same_mark(patient).filter(open_).order_by("answer_due_at")
    sent = _same_mark(patient).order_by().annotate(all=models.Value(1)).values("all")
    return cases.annotate(
        due=Subquery(awaited.values("answer_due_at")[:1]),
        waiting=models.Case(
            models.When(due=None, then=0), default=1, output_field=models.SmallIntegerField()
        ),
        times=Subquery(sent.annotate(n=models.Count("pk")).values("n")),
    )


def _behind(cases: CaseQuerySet, mark: str) -> Q:
    """Whatever stands behind that case in the list; nothing at all if it is not one's own."""
    try:
        last: Any = cases.filter(pk=UUID(mark)).first()
    except ValueError:
        last = None
    if last is None:
        return Q(pk__in=[])
    older = Q(submitted_at__lt=last.submitted_at)
    older |= Q(submitted_at=last.submitted_at, pk__lt=last.pk)
    return Q(waiting__lt=last.waiting) | Q(waiting=last.waiting) & older


# --- One mark ------------------------------------------------------------------------------------


def photos_of(lesion: UUID, patient: User) -> list[Photo]:
    """Every photo of it, of the newest case first; inside a case as they were sent."""
    mine = Photo.objects.visible_to(patient).filter(case__lesion=lesion)
    found = mine.select_related("case__lesion__patient")
    return list(found.order_by("-case__submitted_at", "-case_id", "created_at", "pk"))


def cases_of(
    lesion: Lesion, patient: User, *, behind: str | None, size: int
) -> tuple[list[Case], UUID | None]:
    """Its cases, newest first; what to ask on with. ``behind``: the one the page before ended
    with."""
    cases = with_all(Case.objects.visible_to(patient).filter(lesion=lesion))
    if behind:
        cases = cases.filter(_older_than(behind))
    found = list(cases.order_by("-submitted_at", "-pk")[: size + 1])
    return found[:size], found[size - 1].pk if len(found) > size else None


def _older_than(mark: str) -> Q:
    """What was sent before that case, found in the statement that asks."""
    try:
        key = UUID(mark)
    except ValueError:
        return Q(pk__in=[])
    sent = Subquery(Case.objects.filter(pk=key).values("submitted_at"))
    return Q(submitted_at__lt=sent) | Q(submitted_at=sent, pk__lt=key)


def moments(cases: Iterable[Case], photos: Sequence[Photo]) -> list[Moment]:
    """``cases``, read with :func:`with_all`, each with those of ``photos`` that are its own."""
    return [
        _moment(case, [photo for photo in photos if photo.case_id == case.pk]) for case in cases
    ]


def _moment(case: Case, photos: list[Photo]) -> Moment:
    seen: Any = case  # read with with_all
    review = seen.told[-1] if case.is_signed and seen.told else None
    prediction = seen.views[-1] if seen.views else None
    withdrawn = case.status == Case.Status.CANCELLED
    return Moment(
        case=case,
        photos=photos,
        status=telling.status_of(case),
        waiting=case.is_open or (case.is_signed and review is None),
        card=None if withdrawn else presenting.card_of(case, prediction, review),
        review=review,
        plan=telling.plan_of(review) if review else "",
    )


def with_all(cases: CaseQuerySet) -> CaseQuerySet:
    """With what a mark's history tells of each case."""
    told = Review.objects.standing().filter(effective_at__lte=timezone.now())
    views = Prediction.objects.live().defer("embedding", "heat")
    return (
        with_status(cases)
        .select_related("invitation__accepted_by")
        .prefetch_related(
            Prefetch("reviews", told.select_related("doctor").order_by("pk"), to_attr="told"),
            Prefetch("predictions", views.order_by("pk"), to_attr="views"),
        )
    )


def shots(photos: Iterable[Photo]) -> list[Shot]:
    """In the photos' order, each with its kind in the pack's words."""
    return [Shot(photo, photo.case.pack.photo_kind(photo.kind).text) for photo in photos]


def pair(taken: Sequence[Shot], left: str | None, right: str | None) -> tuple[Shot, Shot] | None:
    """The two to compare, of ``taken`` (newest case first); ``None`` where there are not two.

    Left out, they are the newest and the one before of the same kind. Raises
    :class:`LookupError` for what is not among them.
    """
    if len(taken) < 2:
        return None
    newer = _chosen(taken, right) if right else taken[0]
    older = _chosen(taken, left) if left else _before(taken, newer)
    return older, newer


def _chosen(taken: Sequence[Shot], key: str) -> Shot:
    for shot in taken:
        if str(shot.photo.pk) == key:
            return shot
    raise LookupError(key)


def _before(taken: Sequence[Shot], newer: Shot) -> Shot:
    others = [shot for shot in taken if shot.photo.case_id != newer.photo.case_id]
    earlier = [shot for shot in others if shot.sent <= newer.sent] or others
    alike = [shot for shot in earlier if shot.photo.kind == newer.photo.kind]
    rest = [shot for shot in taken if shot is not newer]
    return (alike or earlier or rest)[0]

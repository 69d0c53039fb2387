"""Everything a doctor has on the desk while reading one case.

Until the doctor's own first reading is in, nothing here comes from the computer but the tier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from diagnoses import claims, figures, gathered, ordering, presenting, talking, triage, worklist
from diagnoses.gathered import CLAIMS, PHOTOS, REVIEWS
from diagnoses.history import event_lines
from diagnoses.models import Case, Opened, Photo, Retake, Review
from diagnoses.views.evidence import Heatmap, no_view_because
from diagnoses.views.pictures import at_other_times
from diagnoses.worklist import Filters, Row
from mlservice.packs import Pack, Question

# How many cases stand in the narrow list beside the pictures, and how many of the patient's own.
UP_NEXT = 12
OTHERS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One question with what the patient said. ``open`` marks one without a real answer."""

    question: Question
    said: str
    open: bool
    points: int


@dataclass(frozen=True, slots=True)
class PhotoShown:
    """One picture; ``problems`` are what the upload's own check found wrong with it."""

    photo: Photo
    kind: str
    problems: str
    new: bool = False  # it came with the newest retake
    overlay: str = ""  # the address of a picture of the same frame to lay over it


@dataclass(frozen=True, slots=True)
class Checklist:
    """The pack's weighted checklist, worked out from the answers."""

    name: str
    source: str
    points: int
    urgent: bool
    answered: bool  # whether any of its questions is; without that no points say nothing


@dataclass(frozen=True, slots=True)
class Signed:
    """One signed answer in words. ``undone`` ones stay in the history."""

    review: Review
    diagnosis: str
    undone: bool
    about: presenting.About | None  # what patients can read about the diagnosis
    opened: Opened | None  # whether its patient knows it


def desk(case: Case, doctor: User, filters: Filters) -> dict[str, Any]:
    """The reading page's content, whoever asks for it: the page, a refused form, a lost race."""
    own_reading = presenting.own_reading(case, doctor)
    view = presenting.computer_view(case, doctor)
    history = signed_answers(case)
    standing = next((signed for signed in reversed(history) if not signed.undone), None)
    answers = answer_lines(case)
    events = gathered.EVENTS.of(case)
    row = Row.of(case)
    talk = talking.talk(case, doctor)
    return {
        "case": case,
        "pack": case.pack,
        "site": row.site,
        "figure": figures.of_case(case),
        "photos": photos_shown(case, talk.last_retake),
        "talk": talk,
        "newest_retake": talk.last_retake.pk if talk.last_retake else 0,
        "view_is_older": bool(view and talk.photo_came_after(view.prediction.created_at)),
        "late": row.late,
        "soon": row.soon,
        "answers": answers,
        "unanswered": [line for line in answers if line.open and line.question.kind != "text"],
        "checklist": checklist(case),
        "events": event_lines(events),
        "own_reading": own_reading,
        "own_reading_says": presenting.diagnosis_title(case.pack, own_reading.diagnosis)
        if own_reading
        else "",
        "own_is_in": presenting.own_is_in(case, doctor),
        "own_plan": Review.Plan(own_reading.plan).label if own_reading else "",
        "view": view,
        "no_view_because": no_view_because(case, events),
        "history": history,
        "standing": standing,
        "former": [signed for signed in reversed(history) if signed is not standing],
        "undo_seconds": _undo_seconds(standing, doctor),
        "filters": filters,
        **_beside(case, doctor, filters),
    }


def photos_shown(case: Case, newest: Retake | None) -> list[PhotoShown]:
    """Those of the newest retake first, then all others in their order."""
    shown = [_photo_shown(photo, case.pack, newest) for photo in PHOTOS.of(case)]
    return sorted(shown, key=lambda one: not one.new)


def _photo_shown(photo: Photo, pack: Pack, newest: Retake | None) -> PhotoShown:
    problems = [pack.quality[code].problem for code in photo.quality.get("reasons", [])]
    new = newest is not None and photo.retake_id == newest.pk
    return PhotoShown(photo, pack.photo_kind(photo.kind).text, " and ".join(problems), new)


def with_overlay(photos: list[PhotoShown], heatmap: Heatmap | None) -> list[PhotoShown]:
    """The same, where there is a heatmap for one of them."""
    return [
        replace(shown, overlay=heatmap.url) if heatmap and heatmap.photo == shown.photo else shown
        for shown in photos
    ]


def answer_lines(case: Case) -> list[AnswerLine]:
    """The pack's questions in their order, each with the patient's answer."""
    return [_answer_line(case, question) for question in case.pack.questions]


def _answer_line(case: Case, question: Question) -> AnswerLine:
    if question.kind == "text":
        said = str(case.answers.get(question.name, "")).strip()
        return AnswerLine(question, said, open=not said, points=0)
    values = triage.given(case.answers, question.name)
    chosen = [choice for choice in question.choices if choice.value in values]
    weights = case.pack.points.weights.get(question.name, {}) if case.pack.points else {}
    return AnswerLine(
        question,
        ", ".join(choice.text for choice in chosen),
        open=all(choice.unknown for choice in chosen),
        points=max((weights.get(choice.value, 0) for choice in chosen), default=0),
    )


def checklist(case: Case) -> Checklist | None:
    points = triage.points_of(case.pack, case.answers)
    rule = case.pack.points
    if rule is None or points is None:
        return None
    lines = (_answer_line(case, question) for question in case.pack.questions)
    answered = any(not line.open for line in lines if line.question.name in rule.weights)
    return Checklist(rule.name, rule.source, points, points >= rule.urgent_from, answered)


def signed_answers(case: Case) -> list[Signed]:
    """Every answer ever signed for this case, oldest first."""
    return [
        Signed(
            review,
            presenting.diagnosis_title(case.pack, review.diagnosis),
            undone=review.is_undone,
            about=presenting.about(case.pack, review.diagnosis) if review.diagnosis else None,
            opened=getattr(review, "opened", None),
        )
        for review in REVIEWS.of(case)
    ]


def _undo_seconds(standing: Signed | None, doctor: User) -> int:
    """For how long this doctor can still take the signature back; 0 when that is over."""
    if standing is None or standing.review.doctor_id != doctor.pk:
        return 0
    left = standing.review.effective_at - timezone.now()
    return max(0, math.ceil(left.total_seconds()))


def _beside(case: Case, doctor: User, filters: Filters) -> dict[str, Any]:
    """The head of the worklist, with the cases before and behind this one on it; the same mark
    before and after this case; the patient's other marks. One statement."""
    listed = worklist.listed(doctor, filters)
    mine = Case.objects.readable_by_doctor(doctor).filter(patient=case.patient_id)
    mine = mine.exclude(pk=case.pk).order_by("-submitted_at", "pk")
    same = mine.filter(lesion=case.lesion_id) if case.lesion_id else mine.none()
    rest = mine.exclude(lesion=case.lesion_id) if case.lesion_id else mine
    head = ordering.head(listed, UP_NEXT).values("pk")
    own = [cases.values("pk")[:OTHERS_SHOWN] for cases in (same, rest)]
    found = worklist.with_first_photo(Case.objects.filter(pk__in=head.union(*own, all=True)))
    found = found.annotate(is_listed=Exists(listed.filter(pk=OuterRef("pk"))))
    cases = gathered.read(found.urgent_first(), PHOTOS, CLAIMS)
    waiting: Any = [one for one in cases if vars(one)["is_listed"]][:UP_NEXT]
    others = [one for one in cases if one.patient_id == case.patient_id and one.pk != case.pk]
    others.sort(key=lambda one: one.submitted_at, reverse=True)
    marks = {case.lesion_id} - {None}
    earlier = [Row.of(one) for one in others if one.lesion_id in marks][:OTHERS_SHOWN]
    rows = [Row.of(one, claims.of_colleague(one, doctor)) for one in waiting]
    return {
        "earlier": earlier,
        "other_photos": at_other_times(earlier),
        "others": [Row.of(one) for one in others if one.lesion_id not in marks][:OTHERS_SHOWN],
        **_neighbours(case, rows),
    }


def _neighbours(case: Case, rows: list[Row]) -> dict[str, Any]:
    place = next((i for i, row in enumerate(rows) if row.case.pk == case.pk), None)
    behind = rows[place + 1 :] if place is not None else rows
    return {
        "up_next": rows,
        "next_case": worklist.next_of(behind),
        "previous_case": rows[place - 1].case if place else None,
    }

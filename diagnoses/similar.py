"""Signed cases of the same clinic whose pictures look alike to the network.

Likeness is the cosine between two embeddings of one network. It is of pictures, not of diseases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Cast
from django.utils.translation import gettext as _
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField

from accounts import audit
from accounts.models import User
from diagnoses import presenting
from diagnoses.gathered import OUTCOMES
from diagnoses.models import Case, Outcome, Precedent, Prediction, Review, SecondReading
from diagnoses.models.precedent import agreed
from diagnoses.workflow.precedents import unit

SHOWN = 6
LOOKED_AT = 2 * SHOWN  # some of them may not be shown to this very doctor
# Of any two pictures among 420 of HAM10000, seen by the shipped network, one in twenty pairs
# is closer than the first, one in four closer than the second.
VERY_ALIKE, ALIKE = 0.95, 0.83


@dataclass(frozen=True, slots=True)
class Similar:
    """One signed case beside the one being read; without a name, unless it is the same patient."""

    case: Case
    photo_id: UUID
    diagnosis: str  # a label's name; "" is none of the pack's
    plan: str  # a Review.Plan
    outcome: Outcome | None  # what it turned out to be, where that is known
    likeness: float  # 1 is the same picture
    same_patient: bool

    @property
    def diagnosis_in_words(self) -> str:
        return presenting.diagnosis_title(self.case.pack, self.diagnosis, short=True)

    @property
    def outcome_in_words(self) -> str:
        """How it is known, and what it is; "" where nothing is known."""
        if self.outcome is None:
            return ""
        label = self.outcome.diagnosis
        what = presenting.diagnosis_title(self.case.pack, label, short=True)
        return f"{self.outcome.get_source_display()}: {what if label else self.outcome.words}"

    @property
    def plan_in_words(self) -> str:
        return str(Review.Plan(self.plan).label)

    @property
    def floored(self) -> float:
        """To two decimals and never up: 0.829 does not pass for :data:`ALIKE`."""
        return math.floor(self.likeness * 100) / 100

    @property
    def likeness_in_words(self) -> str:
        if self.likeness >= VERY_ALIKE:
            return _("Very alike")
        return _("Alike") if self.likeness >= ALIKE else _("Not very alike")


def shown_to(case: Case, view: Prediction, doctor: User, *, where: str) -> list[Similar]:
    """:func:`similar_to`, written down: which cases were shown beside which."""
    found = similar_to(case, view, doctor)
    if found:
        beside = [str(one.case.pk) for one in found]
        audit.record(
            "similar.shown", actor=doctor, about=f"case:{case.pk}", cases=beside, where=where
        )
    return found


def similar_to(case: Case, view: Prediction, doctor: User) -> list[Similar]:
    """The signed cases most alike that ``doctor`` may read, nearest first; :data:`SHOWN` at most.

    None for a doctor of another clinic, none for a picture that shows nothing to compare, and none
    for a patient who took the consent back that comparing needs. None of the cases that ``doctor``
    has yet to read again, blind.
    """
    if doctor.clinic_id != case.clinic_id:
        return []
    embedding = unit(bytes(view.embedding))
    if embedding is None or not view.names_a_class:
        return []
    near = _distance(embedding)
    found: Any = (
        Precedent.objects.filter(
            pk__in=nearest(case, view, embedding), case__in=Case.objects.readable_by_doctor(doctor)
        )
        .exclude(case__in=SecondReading.objects.to_read_by(doctor).order_by().values("case"))
        .select_related("case", "prediction")
        .defer("embedding", "prediction__embedding", "prediction__heat")
        .with_answer()
        .annotate(distance=near, outcomes=OUTCOMES.column("case"))
    )
    ordered = sorted(found, key=lambda one: one.distance)[:SHOWN]
    return [_similar(case, one) for one in ordered]


def nearest(case: Case, view: Prediction, embedding: HalfVector) -> QuerySet[Precedent, Any]:
    """The keys of the nearest confirmed cases of the same clinic and network.

    Nothing but keys, so that the database looks for nothing else on the way through its index.
    """
    found = (
        Precedent.objects.confirmed()
        .filter(
            *agreed(case.patient_id),
            clinic=case.clinic_id,
            network=view.model_version.weights_hash,
            size=embedding.dimensions(),
        )
        .exclude(case=case)
        .order_by(_distance(embedding))
        .values("pk")
    )
    return found[:LOOKED_AT]


def _distance(embedding: HalfVector) -> CosineDistance:
    """As the index of its size has it."""
    stored = Cast("embedding", HalfVectorField(dimensions=embedding.dimensions()))
    return CosineDistance(stored, embedding)


def _similar(case: Case, one: Any) -> Similar:
    """``one``: a precedent with what the query added to it."""
    OUTCOMES.keep(one.case, one.outcomes)
    outcomes = OUTCOMES.of(one.case)
    return Similar(
        case=one.case,
        photo_id=one.prediction.photo_id,
        diagnosis=one.diagnosis,
        plan=one.plan,
        outcome=outcomes[-1] if outcomes else None,
        likeness=max(0.0, 1.0 - one.distance),
        same_patient=one.case.patient_id == case.patient_id,
    )

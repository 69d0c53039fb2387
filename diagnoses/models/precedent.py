"""Signed cases as the network sees them: what the cases that look alike are found among."""

from __future__ import annotations

from typing import ClassVar, Self

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Cast
from django.utils import timezone
from pgvector.django import HalfVectorField, HnswIndex

from accounts import wording
from accounts.models import Clinic, Consent
from diagnoses.models.case import Case
from diagnoses.models.reading import Review
from diagnoses.models.scoring import Prediction

# The shipped networks' embeddings have this size, and an index of its own; an index is of one size.
INDEXED_SIZE = 1280
# A row stays on one page of the database, so that a search need not fetch it from elsewhere.
LARGEST_SIZE = 3500
# Who took either back is no longer compared with others: a doctor may look, and so may a computer.
NEEDED = (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK)
SIGNED = (Case.Status.FINAL, Case.Status.AMENDED)


def agreed(patient: OuterRef | int) -> list[Exists]:
    """Whether a patient agrees to being compared, as conditions; ``people.has_consent`` in SQL."""
    given = Consent.objects.in_force().filter(user=patient)
    return [Exists(given.filter(kind=kind, version=wording.version(kind))) for kind in NEEDED]


class PrecedentQuerySet(models.QuerySet["Precedent"]):
    def confirmed(self) -> Self:
        """Answered for good, by a doctor, for somebody who still agrees to being compared."""
        signed = self.filter(case__status__in=SIGNED, case__patient__erased_at=None)
        # Asked of each row in turn. As EXISTS, PostgreSQL would gather every answer there is first.
        answered = signed.alias(answer=_newest_answer("pk")).filter(answer__isnull=False)
        return answered.filter(*agreed(OuterRef("case__patient")))

    def with_answer(self) -> Self:
        """Each with ``diagnosis`` and ``plan`` of the newest answer that cannot be undone."""
        answered = self.annotate(diagnosis=_newest_answer("diagnosis"), plan=_newest_answer("plan"))
        return answered.filter(diagnosis__isnull=False)


def _newest_answer(column: str) -> Subquery:
    answers = Review.objects.standing().filter(
        case=OuterRef("case"), effective_at__lte=timezone.now()
    )
    return Subquery(answers.order_by("-pk").values(column)[:1])


class Precedent(models.Model):
    """One signed case by its embedding; written by the workflow when a doctor signs.

    A row by itself says nothing of whether the case may be shown:
    :meth:`PrecedentQuerySet.confirmed` does, at the moment of asking.
    """

    case = models.OneToOneField(
        Case, models.PROTECT, primary_key=True, related_name="precedent", editable=False
    )
    clinic = models.ForeignKey(
        Clinic, models.PROTECT, related_name="+", editable=False, db_index=False
    )
    prediction = models.ForeignKey(
        Prediction, models.PROTECT, related_name="+", editable=False, db_index=False
    )
    # The hash of the weights: only what one network made of two pictures can be compared.
    network = models.CharField(max_length=64, editable=False)
    size = models.PositiveSmallIntegerField(editable=False)
    embedding = HalfVectorField(editable=False)  # of unit length

    objects = PrecedentQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            # Few cases of a clinic, or an embedding of another size: every one is looked at.
            models.Index(fields=["clinic", "network"], name="precedent_of_clinic"),
            HnswIndex(
                OpClass(
                    Cast(F("embedding"), HalfVectorField(dimensions=INDEXED_SIZE)),
                    name="halfvec_cosine_ops",
                ),
                condition=Q(size=INDEXED_SIZE),
                name="precedent_alike",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(size__gte=1, size__lte=LARGEST_SIZE), name="precedent_size_fits_a_page"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} as the computer sees it"

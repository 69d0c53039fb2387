"""What follows a reading: another doctor's, what it turned out to be, a letter to a specialist."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from diagnoses.models.case import Case
from diagnoses.models.reading import FirstReading, Review


class SecondReadingQuerySet(models.QuerySet["SecondReading"]):
    def open_to(self, doctor: User) -> Self:
        """About the cases this doctor may read, and the one question of each case that another
        clinic shares with them."""
        from diagnoses.models.share import CaseShare  # which knows this table

        if not doctor.is_reading_doctor:
            return self.none()
        shared = CaseShare.objects.in_force_for(doctor)
        return self.filter(Q(case__clinic=doctor.clinic_id) | Q(pk__in=shared.values("asked")))

    def to_read_by(self, doctor: User) -> Self:
        """What waits for this doctor: asked of them or of all, drawn, or to settle a difference.

        What was asked of a colleague who reads here no more is asked of all. Nobody reads the same
        case twice, and nothing shows while a signature can be undone.
        """
        others = SecondReading.objects.filter(review=OuterRef("review"), read_by=doctor)
        asked: Q = Q(why=SecondReading.Why.ASKED, case__status__in=_OPEN) & ~Q(asked_by=doctor)
        asked &= Q(doctor=None) | Q(doctor=doctor) | _left_behind()
        drawn: Q = ~Q(why=SecondReading.Why.ASKED) & ~Q(review__doctor=doctor)
        drawn &= Q(review__effective_at__lte=Now()) & Q(~Exists(others))
        waiting = self.open_to(doctor).filter(asked | drawn, read_at=None)
        return waiting.order_by("pk")


def _left_behind() -> Q:
    """Asked of a colleague who was suspended, or works elsewhere now."""
    from diagnoses.models.share import CaseShare  # which knows this table

    here = User.objects.reading_doctors().filter(
        pk=OuterRef("doctor"), clinic=OuterRef("case__clinic")
    )
    return ~Exists(here) & ~Exists(CaseShare.objects.filter(asked=OuterRef("pk")))


_OPEN = (Case.Status.REGISTERED, Case.Status.PARTIAL)


class SecondReading(models.Model):
    """Another doctor is to read a case, and, once they have, what they saw. Read blind.

    Because a colleague asks before they sign; because the draw chose it after the signature; or
    because the reading that was drawn differs from what was signed, and a third doctor settles it.
    """

    class Why(models.TextChoices):
        ASKED = "asked", _("A colleague asks")
        DRAWN = "drawn", _("Drawn to be read twice")
        DIFFER = "differ", _("Two readings differ")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="second_readings")
    why = models.CharField(max_length=8, choices=Why.choices)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    # Whom; null: anybody of the clinic.
    doctor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    question = models.TextField(max_length=1000, blank=True)
    # The signed answer that is read again; null where a colleague asks before there is one.
    review = models.ForeignKey(Review, models.PROTECT, null=True, related_name="second_readings")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    read_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    read_at = models.DateTimeField(null=True)
    diagnosis = models.CharField(max_length=40, blank=True)  # a label's name; "" is "no lesion"
    confidence = models.CharField(max_length=10, choices=FirstReading.CONFIDENCE, blank=True)
    plan = models.CharField(max_length=20, choices=Review.Plan.choices, blank=True)
    words = models.TextField(max_length=2000, blank=True)

    objects = SecondReadingQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(why="asked", asked_by__isnull=False, review=None)
                | Q(why__in=["drawn", "differ"], asked_by=None, review__isnull=False),
                name="second_reading_has_its_cause",
            ),
            models.CheckConstraint(
                condition=Q(read_by=None, read_at=None, confidence="", plan="")
                | Q(read_by__isnull=False, read_at__isnull=False) & ~Q(confidence="") & ~Q(plan=""),
                name="second_reading_is_whole_or_waits",
            ),
            models.UniqueConstraint(
                fields=["review", "why"],
                condition=Q(review__isnull=False),
                name="second_reading_once_per_answer",
            ),
            models.UniqueConstraint(
                fields=["case", "asked_by"],
                condition=Q(why="asked", read_at=None),
                name="second_reading_one_question_at_a_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["case"], condition=Q(read_at=None), name="second_reading_waits"),
        ]

    def __str__(self) -> str:
        return f"{self.get_why_display()}: {self.case_id}"

    @property
    def is_read(self) -> bool:
        return self.read_at is not None


class Outcome(models.Model):
    """What it turned out to be: the truth that doctors and computer are measured by. The newest
    one counts; none is ever changed."""

    class Source(models.TextChoices):
        HISTOLOGY = "histology", _("Histology")
        FOLLOW_UP = "follow_up", _("Follow-up")

    case = models.ForeignKey(Case, models.PROTECT, related_name="outcomes")
    source = models.CharField(max_length=10, choices=Source.choices)
    diagnosis = models.CharField(max_length=40, blank=True)  # a label's name; "" is none of them
    words = models.CharField(max_length=300, blank=True)
    found_on = models.DateField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(diagnosis="") | ~Q(words=""), name="outcome_says_something"
            ),
        ]

    def __str__(self) -> str:
        return f"outcome of {self.case_id}"


class Letter(models.Model):
    """A referral letter as a doctor wrote it; the paper is printed from it, the same each time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="letters")
    review = models.ForeignKey(Review, models.PROTECT, related_name="letters")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    addressee = models.CharField(max_length=200)
    words = models.TextField(max_length=4000)
    with_photos = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]

    def __str__(self) -> str:
        return f"letter about {self.case_id}"

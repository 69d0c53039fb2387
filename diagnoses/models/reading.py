"""What doctors said of a case: before the computer, and signed."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from diagnoses.models.case import Case


class FirstReading(models.Model):
    """A doctor's own reading before the computer's view opened. Never edited."""

    CONFIDENCE: ClassVar = [
        ("sure", _("Sure")),
        ("fairly", _("Fairly sure")),
        ("unsure", _("Unsure")),
    ]

    case = models.ForeignKey(Case, models.PROTECT, related_name="first_readings")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    diagnosis = models.CharField(max_length=40, blank=True)  # a label's name; "" is "no lesion"
    confidence = models.CharField(max_length=10, choices=CONFIDENCE)
    plan = models.CharField(max_length=20)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["case", "doctor"], name="first_reading_once_per_doctor"
            ),
        ]

    def __str__(self) -> str:
        return f"first reading of {self.case_id}"


class ReviewQuerySet(models.QuerySet["Review"]):
    def standing(self) -> Self:
        """Signed and not undone."""
        return self.filter(undoing=None)


class Review(models.Model):
    """A doctor's signed answer. Amending adds one; nothing is overwritten, ever."""

    class Plan(models.TextChoices):
        REASSURE = "reassure", _("No further action")
        RECHECK = "recheck", _("Photograph again later")
        SEE = "see", _("See in person")
        REFER_URGENT = "refer_urgent", _("Urgent referral")
        TREAT = "treat", _("Treatment")

    case = models.ForeignKey(Case, models.PROTECT, related_name="reviews")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="reviews")
    diagnosis = models.CharField(max_length=40, blank=True)  # a label's name; "" is "no lesion"
    plan = models.CharField(max_length=20, choices=Plan.choices)
    advice = models.TextField(max_length=4000)  # what the patient reads
    note = models.TextField(max_length=4000, blank=True)  # for colleagues
    recheck_days = models.PositiveSmallIntegerField(null=True)
    agrees = models.BooleanField(null=True)  # with the computer; null when it gave no view
    differs_because = models.CharField(max_length=300, blank=True)
    signed_at = models.DateTimeField(db_default=Now(), editable=False)
    effective_at = models.DateTimeField()  # when the ten seconds to undo are over

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [
            # What a sweep asks every minute: which urgent answers are old enough to ask after.
            models.Index(
                fields=["effective_at"], condition=Q(plan="refer_urgent"), name="review_urgent"
            ),
        ]

    def __str__(self) -> str:
        return f"answer to {self.case_id}"

    @property
    def is_undone(self) -> bool:
        return hasattr(self, "undoing")


class ReviewUndo(models.Model):
    """A signature taken back within ten seconds. The answer stays in the history, unsent."""

    review = models.OneToOneField(Review, models.PROTECT, related_name="undoing")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"undo of {self.review_id}"

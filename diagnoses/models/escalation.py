"""What waits too long: who was told of it, and which answers their patients have opened."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Clinic
from diagnoses.models.case import Case
from diagnoses.models.reading import Review


class Escalation(models.Model):
    """One step was taken for a case that waits too long: written with its notices, once.

    The sweep asks which cases have come to a step and have no row for it, so a step that fell into
    an hour when nothing ran is taken when something runs again.
    """

    class Step(models.TextChoices):
        DUE = "due", "Urgent and due soon: the doctors"
        LATE = "late", "Past its due time: the doctors"
        ADMINS = "admins", "Long past its due time: the admins"
        AGAIN = "again", "Urgent answer unread: its patient, once more"
        CALL = "call", "Urgent answer unread: its doctor, and a task for staff"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+")
    case = models.ForeignKey(Case, models.PROTECT, related_name="escalations")
    # The urgent answer that nobody opened; null for a case that has none yet.
    review = models.ForeignKey(Review, models.PROTECT, null=True, related_name="escalations")
    step = models.CharField(max_length=6, choices=Step.choices)
    about = models.CharField(max_length=120)  # its notices'; many late cases may share one
    told_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["case", "step"], condition=Q(review=None), name="escalation_once_per_case"
            ),
            models.UniqueConstraint(
                fields=["review", "step"],
                condition=Q(review__isnull=False),
                name="escalation_once_per_answer",
            ),
            models.CheckConstraint(
                condition=Q(step__in=["due", "late", "admins"], review=None)
                | Q(step__in=["again", "call"], review__isnull=False),
                name="escalation_has_its_cause",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["about"], name="escalation_about"),
            models.Index(fields=["step"], name="escalation_step"),
        ]

    def __str__(self) -> str:
        return f"{self.step} of {self.case_id}"


class Opened(models.Model):
    """Its patient knows a signed answer: they opened it, or somebody told them. Once."""

    class How(models.TextChoices):
        PAGE = "page", _("Opened by the patient")
        TOLD = "told", _("Told by")

    review = models.OneToOneField(Review, models.PROTECT, related_name="opened")
    # The patient or their carer; the doctor who told them.
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    how = models.CharField(max_length=4, choices=How.choices, default=How.PAGE)
    at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"answer {self.review_id}: {self.how}"

"""One case opened for a time to one doctor of another clinic, once its patient has agreed."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from diagnoses.models.again import SecondReading
from diagnoses.models.case import Case

# How long the patient has to answer, and from their yes on, how long it is open at most.
SHARED_FOR = timedelta(days=14)
# After the reading: long enough to see the computer's view, and to be asked what was meant.
SHARED_AFTER_READING = timedelta(days=7)


class CaseShareQuerySet(models.QuerySet["CaseShare"]):
    def in_force_for(self, doctor: User) -> Self:
        """What opens a case to ``doctor`` now, by the database's clock.

        Before their reading while the case waits for its answer, then also once it has one; never
        a case that was withdrawn.
        """
        waiting = Q(case__status__in=[Case.Status.REGISTERED, Case.Status.PARTIAL])
        answered = Q(case__status__in=[Case.Status.FINAL, Case.Status.AMENDED])
        open_ = self.filter(agreed_at__isnull=False, ended_at=None, ends_at__gt=Now())
        return open_.filter(waiting | answered & Q(asked__read_at__isnull=False), doctor=doctor)


class CaseShare(models.Model):
    """Who asked whom, whether the patient agreed, until when, and how it ended. Never deleted.

    ``asked`` is the question and, later, the reading; a question nobody answered goes with the end
    of its share.
    """

    class Why(models.TextChoices):
        """How it ended."""

        REFUSED = "refused", _("The patient did not agree")
        PATIENT = "patient", _("The patient took it back")
        CLINIC = "clinic", _("The clinic took it back")
        CONSENT = "consent", _("The patient took the consent to care back")
        WITHDRAWN = "withdrawn", _("The patient withdrew the case")
        ERASED = "erased", _("The patient’s account was erased")
        OVER = "over", _("Its time was over")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="shares")
    asked = models.OneToOneField(SecondReading, models.SET_NULL, null=True, related_name="share")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    shared_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    agreed_at = models.DateTimeField(null=True)
    agreed_by = models.ForeignKey(  # the patient, or who looks after them
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    why_ended = models.CharField(max_length=10, choices=Why.choices, blank=True)

    objects = CaseShareQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["case", "doctor"],
                condition=Q(ended_at=None),
                name="share_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(agreed_at=None, agreed_by=None)
                | Q(agreed_at__isnull=False, agreed_by__isnull=False),
                name="share_is_agreed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by=None, why_ended="")
                | Q(ended_at__isnull=False) & ~Q(why_ended=""),
                name="share_ends_for_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(doctor=F("shared_by")), name="share_is_with_somebody_else"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} shared with {self.doctor_id}"

    @property
    def is_over(self) -> bool:
        """Ended, or its time has run out."""
        return self.ended_at is not None or self.ends_at <= timezone.now()

    @property
    def is_read(self) -> bool:
        return self.asked is not None and self.asked.is_read

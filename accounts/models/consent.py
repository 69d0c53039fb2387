"""What people agreed to."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class ConsentQuerySet(models.QuerySet["Consent"]):
    def in_force(self) -> Self:
        return self.filter(withdrawn_at=None)


class Consent(models.Model):
    """What someone agreed to, in which wording, and when they took it back. Never deleted."""

    class Kind(models.TextChoices):
        CARE = "care", "Care: a doctor reads my photos and answers"
        COMPUTER_CHECK = "computer_check", "A computer checks my photos first"
        MESSAGES = "messages", "WhatsApp messages about my cases"
        RESEARCH = "research", "My photos may help to train and test the computer"
        FULL_REPORT = "full_report", "The doctor's answer itself by WhatsApp"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="consents")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    version = models.CharField(max_length=20)  # of the words in accounts/wording.py
    language = models.CharField(max_length=10, default=settings.LANGUAGE_CODE)  # they were read in
    # Who agreed, where it was not the person themselves: their carer.
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    given_at = models.DateTimeField(default=timezone.now, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = ConsentQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=Q(withdrawn_at=None),
                name="consent_one_in_force_per_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.version})"

"""Who has a case open at this moment."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now

from accounts.models import User
from diagnoses.models.case import Case

# A page that has not been heard of for so long is taken for closed.
OPEN_FOR = timedelta(minutes=5)


class ClaimQuerySet(models.QuerySet["Claim"]):
    def live(self) -> Self:
        """By the database's clock."""
        return self.filter(alive_at__gt=Now() - OPEN_FOR)

    def of_others(self, doctor: User) -> Self:
        """What a colleague has open, the longest first."""
        return self.live().exclude(doctor=doctor).order_by("since", "pk")


class Claim(models.Model):
    """A doctor has a case open. It tells the others and stops nobody; ``claims.keep`` writes it."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="claims")
    doctor = models.ForeignKey(User, models.CASCADE, related_name="+")
    since = models.DateTimeField(db_default=Now(), editable=False)
    alive_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ClaimQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "doctor"], name="claim_once_per_doctor"),
            models.CheckConstraint(
                condition=models.Q(alive_at__gte=models.F("since")), name="claim_alive_after_since"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["alive_at"], name="claim_age")]

    def __str__(self) -> str:
        return f"{self.doctor_id} has {self.case_id} open"

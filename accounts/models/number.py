"""Phone numbers, and what their owners want of them."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.fields import SealedField
from accounts.phone import E164, masked


class ContactNumberQuerySet(models.QuerySet["ContactNumber"]):
    def reachable(self) -> Self:
        """``ContactNumber.reachable`` in SQL."""
        return self.filter(opted_in_at__isnull=False).filter(
            Q(opted_out_at=None) | Q(opted_out_at__lt=F("opted_in_at"))
        )

    def confirmed(self) -> Self:
        """Known to be its owner's: only such a number is told news."""
        return self.filter(verified_at__isnull=False)


class ContactNumber(models.Model):
    """A phone number in E.164, sealed in the table.

    Messages go only to numbers opted in, not opted out, and confirmed: a number mistyped is
    somebody else's phone.
    """

    class Proof(models.TextChoices):
        """How we know whose number it is."""

        CODE = "code", "Typed back a code sent to it"
        INVITATION = "invitation", "Opened an invitation sent to it"
        EARLIER = "earlier", "In use before numbers were confirmed"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="numbers")
    e164 = SealedField("phone number", findable=True, pattern=E164)
    opted_in_at = models.DateTimeField(null=True, blank=True)
    opt_in_version = models.CharField(max_length=20, blank=True)
    opted_out_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    proof = models.CharField(max_length=10, choices=Proof.choices, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ContactNumberQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "e164"], name="number_once_per_person"),
            models.CheckConstraint(condition=Q(e164__is_sealed=True), name="number_is_sealed"),
            models.CheckConstraint(
                condition=Q(verified_at=None, proof="")
                | Q(verified_at__isnull=False) & ~Q(proof=""),
                name="number_confirmed_has_a_proof",
            ),
        ]
        indexes: ClassVar = [
            # What the sweep of notifications asks every few seconds.
            models.Index(
                fields=["opted_in_at"],
                condition=Q(verified_at=None, opted_in_at__isnull=False),
                name="number_waits_for_its_code",
            ),
        ]

    def __str__(self) -> str:
        return masked(self.e164)

    @property
    def reachable(self) -> bool:
        """Opted in, and not opted out since."""
        return self.opted_in_at is not None and (
            self.opted_out_at is None or self.opted_out_at < self.opted_in_at
        )


class StoppedPhone(models.Model):
    """A phone that said STOP, whoever it belongs to and whatever is removed: START lifts it."""

    e164 = SealedField("phone number", findable=True, unique=True)  # or a short code
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(e164__is_sealed=True), name="stopped_is_sealed"),
        ]

    def __str__(self) -> str:
        return masked(self.e164)

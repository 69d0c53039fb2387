"""The ledger of what was said to whom, and the flows that are a message and its answer."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Clinic, Role


class Channel(models.TextChoices):
    WHATSAPP = "whatsapp", "WhatsApp"
    EMAIL = "email", "E-mail"
    STAFF = "staff", "Staff task"


class Event(models.TextChoices):
    """What a message tells about."""

    CASE_CHECKED = "case_checked", "The computer's check is done"
    CASE_TO_READ = "case_to_read", "A case waits for the doctor"
    CASE_SIGNED = "case_signed", "The doctor has answered"
    CASE_AMENDED = "case_amended", "The doctor has amended the answer"
    INVITATION = "invitation", "A doctor is invited"


class Message(models.Model):
    """Event × recipient × channel, once. States move forward only."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting to be sent"
        SENT = "sent", "Sent"
        UNKNOWN = "unknown", "Sent, but not confirmed"
        FAILED = "failed", "Failed"
        DELIVERED = "delivered", "Delivered"
        READ = "read", "Read"
        CANCELLED = "cancelled", "Withdrawn before sending"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.CharField(max_length=30, choices=Event.choices)
    about = models.CharField(max_length=120)  # "case:<id>#<n>": makes a repeated event distinct
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="notices"
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    address = models.CharField(max_length=254)  # E.164 or an e-mail address
    link = models.ForeignKey("Link", models.PROTECT, null=True, related_name="messages")
    language = models.CharField(max_length=10, default="en")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    run_after = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    token = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    provider_id = models.CharField(max_length=64, blank=True)
    error_code = models.CharField(max_length=20, blank=True)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event", "about", "address", "channel"], name="message_once"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sent", "delivered", "read"]) | Q(sent_at__isnull=False),
                name="message_sent_has_a_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["run_after"], condition=Q(state="pending"), name="message_due"),
            models.Index(fields=["provider_id"], name="message_provider_id"),
            models.Index(fields=["about"], name="message_about"),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.channel}: {self.state}"


class Link(models.Model):
    """A random address for one page and one person: expires, can be revoked, asks for the login.

    Only the SHA-256 of the token is kept once the message has left; ``token`` is emptied then.
    """

    token_sha256 = models.CharField(max_length=64, unique=True)
    token = models.CharField(max_length=64, blank=True)
    path = models.CharField(max_length=200)
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="links")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    first_opened_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"link to {self.path}"


class Invitation(models.Model):
    """Someone is asked to join a clinic. A doctor who accepts still waits for an admin."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_sha256 = models.CharField(max_length=64, unique=True)
    token = models.CharField(max_length=64, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.DOCTOR)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="invitations")
    name = models.CharField(max_length=120)
    e164 = models.CharField("phone number", max_length=16, blank=True)
    email = models.EmailField(blank=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="invitation"
    )
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(e164="") | ~Q(email=""), name="invitation_has_an_address"
            ),
            models.UniqueConstraint(
                fields=["clinic", "e164"],
                condition=Q(accepted_at=None, revoked_at=None) & ~Q(e164=""),
                name="invitation_one_open_per_number",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.clinic})"

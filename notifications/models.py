"""The ledger of what was said to whom, and the flows that are a message and its answer."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.fields import SealedField
from accounts.models import Clinic, ContactNumber, Role
from accounts.phone import E164, masked
from notifications.indexes import OF_MESSAGES
from notifications.setup_check import SetupCheck

__all__ = [
    "BY_STAFF",
    "MOST_TRIES",
    "Channel",
    "Event",
    "Inbound",
    "Invitation",
    "Link",
    "Message",
    "MessageQuerySet",
    "NumberCode",
    "NumberCodeQuerySet",
    "SetupCheck",
]

# How often one code may be tried: five guesses of a million.
MOST_TRIES = 5


class Channel(models.TextChoices):
    WHATSAPP = "whatsapp", "WhatsApp"
    SMS = "sms", "SMS"
    EMAIL = "email", "E-mail"
    STAFF = "staff", "Staff task"


# What rings in somebody's pocket: these ask for consent, mind STOP, and are silent at night.
PHONES = (Channel.WHATSAPP, Channel.SMS)


class Event(models.TextChoices):
    """What a message tells about."""

    CASE_CHECKED = "case_checked", _("The computer's check is done")
    CASE_TO_READ = "case_to_read", _("A case waits for the doctor")
    CASE_SIGNED = "case_signed", _("The doctor has answered")
    CASE_AMENDED = "case_amended", _("The doctor has amended the answer")
    DOCTOR_WROTE = "doctor_wrote", _("A doctor has written")
    PATIENT_WROTE = "patient_wrote", _("A patient has a question")
    RETAKE_ASKED = "retake_asked", _("A doctor asks for a new photo")
    INVITATION = "invitation", _("A doctor is invited")
    NUMBER_CODE = "number_code", _("A code to confirm a number")
    ACCOUNT_ENDS = "account_ends", _("An account is about to be erased")
    REMIND_RECHECK = "remind_recheck", _("Reminder: a new photo of the same mark")
    REMIND_SEE_DOCTOR = "remind_see_doctor", _("Reminder: did you see the doctor?")
    REMIND_SUN = "remind_sun", _("Reminder: the sunny months begin")
    CASE_DUE = "case_due", _("An urgent case is due soon")
    CASE_LATE = "case_late", _("Cases are past their due time")
    URGENT_UNREAD = "urgent_unread", _("An urgent answer has not been opened")
    ANSWER_UNREAD = "answer_unread", _("A patient has not opened an urgent answer")
    URGENT_CALL = "urgent_call", _("Call the patient: an urgent answer has not been opened")
    MODEL_ALARM = "model_alarm", _("Something is wrong with the computer")
    SETUP_TEST = "setup_test", _("A test message, of who sets messages up")


# What is always a task for a person of the clinic, and never rings anywhere.
BY_STAFF = (Event.URGENT_CALL,)


class MessageQuerySet(models.QuerySet["Message"]):
    def due(self) -> Self:
        """Something is to be done now, and nobody is doing it: a sending, or a look-up."""
        free = Q(lease_until=None) | Q(lease_until__lte=Now())
        return self.filter(free, run_after__lte=Now()).order_by("-urgent", "run_after")

    def unclaimed(self) -> Self:
        """Waiting, and in no worker's hands: certainly not sent, so it may still be withdrawn."""
        return self.filter(state=Message.State.PENDING, token=None)


class Message(models.Model):
    """Event × recipient × channel, once. The row is both the history and the work to do.

    ``run_after`` is when something is next to be done: the sending while pending, a look-up of
    what became of it while sent or unknown. It is null once nothing more is to be done.
    A claimed row has a ``token`` and a ``lease_until``. A pending row whose lease ran out was in
    the hands of a worker that died: it may have left, so it becomes unknown, never pending again
    until a look-up has shown that the provider does not have it.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting to be sent"
        SENT = "sent", "Sent"
        UNKNOWN = "unknown", "Perhaps sent, not confirmed"
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
    address = SealedField(findable=True, blank=True)  # E.164, e-mail; "" for a staff task
    # What the message carries: the way to a page for a person, an invitation for someone new, or
    # a code for the owner of a number.
    link = models.ForeignKey("Link", models.PROTECT, null=True, related_name="messages")
    invitation = models.ForeignKey("Invitation", models.PROTECT, null=True, related_name="messages")
    code = models.ForeignKey("NumberCode", models.CASCADE, null=True, related_name="messages")
    # Goes before everything else that is due, and does not wait for the morning.
    urgent = models.BooleanField(default=False)
    language = models.CharField(max_length=10, default="en")
    resend = models.PositiveSmallIntegerField(default=0)  # how often staff asked for it again
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    run_after = models.DateTimeField(null=True, db_default=Now())
    lease_until = models.DateTimeField(null=True)
    token = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    provider_id = models.CharField(max_length=64, blank=True)
    error_code = models.CharField(max_length=20, blank=True)
    error = models.CharField(max_length=200, blank=True)
    # A doctor's answer, for who asked for it whole; emptied once the message has left.
    words = SealedField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event", "about", "recipient", "channel", "resend"],
                condition=Q(recipient__isnull=False),
                name="message_once_per_person",
            ),
            models.UniqueConstraint(
                fields=["event", "about", "channel", "resend"],
                condition=Q(recipient=None),
                name="message_once_per_invitation",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sent", "delivered", "read"]) | Q(sent_at__isnull=False),
                name="message_sent_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(link__isnull=False, invitation=None, code=None, recipient__isnull=False)
                | Q(link=None, invitation__isnull=False, code=None, recipient=None)
                | Q(link=None, invitation=None, code__isnull=False, recipient__isnull=False),
                name="message_points_to_one_thing",
            ),
            models.CheckConstraint(
                # To the phone itself and nowhere else: what arrived by e-mail would prove nothing.
                condition=Q(code=None) | Q(event="number_code", channel__in=["whatsapp", "sms"]),
                name="message_code_goes_to_the_phone",
            ),
            models.CheckConstraint(
                condition=Q(token=None) | Q(lease_until__isnull=False),
                name="message_claimed_has_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(words="") | Q(channel="whatsapp", state__in=["pending", "unknown"]),
                name="message_words_wait_for_whatsapp",
            ),
            models.CheckConstraint(
                condition=(Q(address="") | Q(address__is_sealed=True))
                & (Q(words="") | Q(words__is_sealed=True)),
                name="message_is_sealed",
            ),
        ]
        indexes: ClassVar = list(OF_MESSAGES)

    def __str__(self) -> str:
        return f"{self.event} by {self.channel}: {self.state}"


class Link(models.Model):
    """A random address for one page and one person: expires, can be revoked, asks for the login.

    Only the SHA-256 of the token is kept once its message has nothing more to do; ``token`` is
    emptied then.
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
    """Someone is asked to join a clinic. A doctor who accepts still waits for an admin.

    The token is kept until the invitation is accepted or revoked, so that it can be sent again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_sha256 = models.CharField(max_length=64, unique=True)
    token = models.CharField(max_length=64, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.DOCTOR)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="invitations")
    name = models.CharField(max_length=120)
    e164 = SealedField("phone number", findable=True, pattern=E164, blank=True)
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
            models.CheckConstraint(
                condition=Q(e164="") | Q(e164__is_sealed=True), name="invitation_is_sealed"
            ),
            models.UniqueConstraint(
                fields=["clinic", "e164"],
                condition=Q(accepted_at=None, revoked_at=None) & ~Q(e164=""),
                name="invitation_one_open_per_number",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.clinic})"


class NumberCodeQuerySet(models.QuerySet["NumberCode"]):
    def open(self) -> Self:
        """May still be typed back, by the database's clock."""
        return self.filter(used_at=None, expires_at__gt=Now(), tries__lt=MOST_TRIES)


class NumberCode(models.Model):
    """Six digits sent to a number, to be typed back by whoever says that it is theirs.

    The digits are nowhere: they are worked out from the row's random id with the secret key
    (``tokens.digits``), when they are sent and when they are compared. The rows are the limits
    too: how often a code was sent, and how often one was tried.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="number_codes")
    # Null once the number is removed: the row stays and counts, for the phone it went to.
    number = models.ForeignKey(ContactNumber, models.SET_NULL, null=True, related_name="codes")
    e164 = SealedField("phone number", findable=True, pattern=E164)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = NumberCodeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(tries__lte=MOST_TRIES), name="number_code_tried_so_often_at_most"
            ),
            models.UniqueConstraint(
                fields=["number"], condition=~Q(used_at=None), name="number_code_used_once"
            ),
            models.CheckConstraint(condition=Q(e164__is_sealed=True), name="number_code_is_sealed"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["e164", "-created_at"], name="number_code_of_phone"),
        ]

    def __str__(self) -> str:
        return f"code for {masked(self.e164)}"

    @property
    def is_used_up(self) -> bool:
        """Tried as often as it may be."""
        return self.tries >= MOST_TRIES


class Inbound(models.Model):
    """A message somebody sent to us, once: a replayed webhook finds its row and does nothing.

    The words themselves are not kept: people write about their health.
    """

    class Word(models.TextChoices):
        STOP = "stop", "Asks to stop"
        START = "start", "Asks to start again"
        OTHER = "other", "Anything else"

    provider_id = models.CharField(max_length=64, unique=True)
    e164 = SealedField("phone number", findable=True)  # or a short code, or whatever wrote to us
    word = models.CharField(max_length=5, choices=Word.choices)
    received_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "inbound messages"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(e164="") | Q(e164__is_sealed=True), name="inbound_is_sealed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_word_display()} from {self.e164[:4]}…{self.e164[-2:]}"


class Pace(models.Model):
    """How many messages a sender may send at this moment: one row, shared by all workers."""

    sender = models.CharField(max_length=64, primary_key=True)
    tokens = models.FloatField()  # as many as there were at ``at``; they grow with time
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.sender}: {self.tokens:.1f}"

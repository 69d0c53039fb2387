"""Who someone is, what they agreed to, how they can be reached."""

from __future__ import annotations

from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.dates import MONTHS
from django.utils.translation import gettext_lazy as _

from accounts.phone import masked
from accounts.reminder_stop import ReminderStop  # noqa: F401 - or Django knows no such table
from accounts.zones import known_time_zone


class Clinic(models.Model):
    """A place whose doctors answer its patients' cases."""

    class Release(models.TextChoices):
        AT_ONCE = "at_once", "As soon as it exists"
        AFTER_REVIEW = "after_review", "With the doctor's answer"

    name = models.CharField(max_length=120, unique=True)
    release_policy = models.CharField(
        "patients see the computer's view",
        max_length=20,
        choices=Release.choices,
        default=Release.AT_ONCE,
    )
    blind_reading = models.BooleanField(
        default=True, help_text="Doctors read first, then see the computer's view."
    )
    red_answer_hours = models.PositiveSmallIntegerField(default=24)
    amber_answer_hours = models.PositiveSmallIntegerField(default=48)
    green_answer_hours = models.PositiveSmallIntegerField(default=72)
    time_zone = models.CharField(
        max_length=40,
        blank=True,
        validators=[known_time_zone],
        help_text="Such as Europe/Madrid; reminders leave by its day. Empty: the portal's.",
    )
    sun_month = models.PositiveSmallIntegerField(
        "sunny months begin in",
        choices=list(MONTHS.items()),
        default=5,
        null=True,
        blank=True,
        help_text="May in the north, November in the south. Empty: nobody is reminded of the sun.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone or settings.TIME_ZONE)


class UserQuerySet(models.QuerySet["User"]):
    def managed_by(self, admin: User) -> Self:
        """The people ``admin`` looks after: their clinic's, or all if they belong to none."""
        if not admin.is_admin:
            return self.none()
        return self if admin.clinic_id is None else self.filter(clinic=admin.clinic_id)

    def reading_doctors(self) -> Self:
        """Who may see their clinic's cases and sign: ``is_reading_doctor`` in SQL."""
        return self.filter(is_active=True, role=Role.DOCTOR, verified_at__isnull=False)


class UserManager(BaseUserManager["User"]):
    """People log in with their e-mail address, kept in lower case."""

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def managed_by(self, admin: User) -> UserQuerySet:
        return self.get_queryset().managed_by(admin)

    def reading_doctors(self) -> UserQuerySet:
        return self.get_queryset().reading_doctors()

    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> User:
        fields = {"role": Role.ADMIN, "is_staff": True, "is_superuser": True} | fields
        return self.create_user(email, password, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


# What stands in place of a name and an address that were erased; no mail goes to ".invalid".
ERASED_NAME, ERASED_DOMAIN = "Erased person", "erased.invalid"


class Role(models.TextChoices):
    PATIENT = "patient", _("Patient")
    DOCTOR = "doctor", _("Doctor")
    ADMIN = "admin", _("Admin")


class User(AbstractUser):
    """A person. A doctor sees and signs nothing until an admin has verified them."""

    username = None  # type: ignore[assignment]  # AbstractUser's; ours is the e-mail address
    first_name = None  # type: ignore[assignment]  # one name, as people write it
    last_name = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=120)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.PATIENT)
    clinic = models.ForeignKey(Clinic, models.PROTECT, null=True, blank=True, related_name="people")
    verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    verified_by = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    # A code of settings.LANGUAGES; empty for who has not logged in since there was more than one.
    language = models.CharField(max_length=10, blank=True, editable=False)
    # Counted up to end every session at once: the number is part of what a session must match.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    # Asked to be erased: done some days later, and until then logging in can undo it.
    erase_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    erase_after_answers = models.BooleanField(default=False, editable=False)
    # A tombstone: what doctors signed stays, and nobody is behind it any more.
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["name"]
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # no username

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case"),
            models.CheckConstraint(
                condition=Q(role=Role.ADMIN) | Q(is_staff=False), name="user_only_admins_are_staff"
            ),
            models.CheckConstraint(
                condition=Q(role=Role.PATIENT) | Q(clinic__isnull=False) | Q(role=Role.ADMIN),
                name="user_doctor_has_a_clinic",
            ),
            models.CheckConstraint(
                condition=Q(verified_at__isnull=True) | Q(role=Role.DOCTOR),
                name="user_only_doctors_are_verified",
            ),
            models.CheckConstraint(
                condition=Q(erased_at=None)
                | Q(
                    role=Role.PATIENT,
                    is_active=False,
                    erase_asked_at=None,
                    name=ERASED_NAME,
                    email__endswith=f"@{ERASED_DOMAIN}",
                ),
                name="user_erased_is_nobody",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """What every session of this person carries: a new password or epoch ends them all."""
        return salted_hmac(
            "accounts.User.session", f"{self.password}{self.session_epoch}", secret=secret
        ).hexdigest()

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        """How the menu calls them: a patient's first name; staff in full, titles included."""
        if not self.name:
            return self.email
        return self.name.split(" ")[0] if self.is_patient else self.name

    @property
    def is_patient(self) -> bool:
        return self.role == Role.PATIENT

    @property
    def is_reading_doctor(self) -> bool:
        """May see the clinic's cases and sign."""
        return self.is_active and self.role == Role.DOCTOR and self.verified_at is not None

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role == Role.ADMIN


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
    """A phone number in E.164.

    Messages go only to numbers opted in, not opted out, and confirmed: a number mistyped is
    somebody else's phone.
    """

    class Proof(models.TextChoices):
        """How we know whose number it is."""

        CODE = "code", "Typed back a code sent to it"
        INVITATION = "invitation", "Opened an invitation sent to it"
        EARLIER = "earlier", "In use before numbers were confirmed"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="numbers")
    e164 = models.CharField("phone number", max_length=16)
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
            models.CheckConstraint(
                condition=Q(e164__regex=r"^\+[1-9][0-9]{6,14}$"), name="number_is_e164"
            ),
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

    e164 = models.CharField("phone number", max_length=16, unique=True)
    at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return masked(self.e164)


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

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="consents")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    version = models.CharField(max_length=20)  # of the words in accounts/wording.py
    language = models.CharField(max_length=10, default=settings.LANGUAGE_CODE)  # they were read in
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


class AuditEntry(models.Model):
    """One line of the audit trail. The database refuses to change or delete it."""

    at = models.DateTimeField(db_default=Now(), editable=False)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=60)
    about = models.CharField(max_length=120, blank=True)  # "case:<id>", "user:<id>", …
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["about", "-id"], name="audit_about")]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.about}"

"""Who someone is, what they agreed to, how they can be reached."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils.crypto import salted_hmac
from django.utils.dates import MONTHS
from django.utils.translation import gettext_lazy as _

from accounts.zones import known_time_zone


class Clinic(models.Model):
    """A place whose doctors answer its patients' cases."""

    class Release(models.TextChoices):
        AT_ONCE = "at_once", _("As soon as it exists")
        AFTER_REVIEW = "after_review", _("With the doctor's answer")

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
    double_reading_percent = models.PositiveSmallIntegerField(
        default=5,
        validators=[MaxValueValidator(100)],
        help_text="Of 100 signed answers so many are read a second time by another doctor, blind.",
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
    full_report = models.BooleanField(
        "doctors' answers may travel by WhatsApp",
        default=False,
        help_text="Only to patients who asked for it: their initials and the doctor's words. "
        "Off, a message carries a link and nothing else.",
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

    def answered_for_by(self, user: User) -> Self:
        """The patients ``user`` speaks for: themselves, and whom they look after."""
        return self.filter(Q(pk=user.pk) | Q(carer=user.pk))

    def reading_doctors(self) -> Self:
        """Who may see their clinic's cases and sign: ``is_reading_doctor`` in SQL."""
        return self.filter(is_active=True, role=Role.DOCTOR, verified_at__isnull=False)


class UserManager(BaseUserManager["User"]):
    """People log in with their e-mail address, kept in lower case."""

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def managed_by(self, admin: User) -> UserQuerySet:
        return self.get_queryset().managed_by(admin)

    def answered_for_by(self, user: User) -> UserQuerySet:
        return self.get_queryset().answered_for_by(user)

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
# Of who has no login of their own: their carer is written to.
NO_LOGIN_DOMAIN = "nologin.invalid"


class Role(models.TextChoices):
    PATIENT = "patient", _("Patient")
    DOCTOR = "doctor", _("Doctor")
    ADMIN = "admin", _("Admin")


class Relation(models.TextChoices):
    """Who somebody is to the person that looks after them."""

    CHILD = "child", _("My child")
    PARENT = "parent", _("My father or mother")
    PARTNER = "partner", _("My partner")
    RELATIVE = "relative", _("Another relative")
    OTHER = "other", _("Somebody else I look after")


class SuspensionReason(models.TextChoices):
    """Codes, because the audit trail holds no free text about people."""

    LEFT = "left", _("Has left the clinic")
    ASKED = "asked", _("Asked for it")
    SECURITY = "security", _("Someone else may be using the account")
    MISUSE = "misuse", _("Misuse")


class ResetReason(models.TextChoices):
    """Why somebody's second factor was reset: codes, for the same reason."""

    LOST = "lost", _("Lost the phone or the key")
    NEW = "new", _("Has a new phone and no codes any more")
    SECURITY = "security", _("Someone else may have it")


class User(AbstractUser):  # type: ignore[django-manager-missing]  # of knox's tokens, untyped
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
    # A child or an older relative without a login: this person does everything for them.
    carer = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="cared_for"
    )
    relation = models.CharField(max_length=10, choices=Relation.choices, blank=True, editable=False)
    # A code of settings.LANGUAGES; empty for who has not logged in since there was more than one.
    language = models.CharField(max_length=10, blank=True, editable=False)
    # Counted up to end every session at once: the number is part of what a session must match.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    # Asked to be erased: done some days later, and until then logging in can undo it.
    erase_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    erase_after_answers = models.BooleanField(default=False, editable=False)
    # What other programs call them: it tells nothing, and one cannot be guessed from another.
    public_id = models.UUIDField(
        default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False
    )
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
                    carer=None,
                    name=ERASED_NAME,
                    email__endswith=f"@{ERASED_DOMAIN}",
                ),
                name="user_erased_is_nobody",
            ),
            models.CheckConstraint(
                condition=Q(carer=None, relation="")
                | Q(carer__isnull=False)
                & ~Q(carer=F("pk"))
                & ~Q(relation="")
                & Q(role=Role.PATIENT, email__endswith=f"@{NO_LOGIN_DOMAIN}"),
                name="user_looked_after_has_no_login",
            ),
        ]
        indexes: ClassVar = [
            # The admins' list, of all clinics and of one.
            models.Index(fields=["name", "id"], name="user_by_name"),
            models.Index(fields=["clinic", "name", "id"], name="user_of_clinic_by_name"),
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
    def initials(self) -> str:
        """ "A. S." for Ana Silva: who is meant, for those who know."""
        return " ".join(f"{part[0].upper()}." for part in self.name.split())

    @property
    def reader(self) -> User:
        """Who reads what is written to them, and acts for them: their carer, or they themselves."""
        return self.carer or self

    def answers_for(self, patient: User) -> bool:
        """Whether they speak for this patient: for themselves, or for whom they look after."""
        return self.pk in (patient.pk, patient.carer_id)

    @property
    def as_carer_says(self) -> str:
        """Who they are, in the words their carer chose; "" for who has none."""
        return str(Relation(self.relation).label) if self.relation else ""

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

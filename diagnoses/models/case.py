"""The case and its lesion, their constraints, and the questions asked of them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.fields import SealedField
from accounts.models import Clinic, User
from accounts.phone import E164
from mlservice.engine.types import Tier
from mlservice.packs import Pack
from mlservice.readers import pack_for_reader
from notifications.models import Invitation

if TYPE_CHECKING:
    from diagnoses.models.scoring import Prediction


# A case the computer has not scored by then shows on the worklist, whatever became of the workers.
UNSCORED_SHOWS_AFTER = timedelta(minutes=10)
DUE_SOON = timedelta(hours=4)
DUE_FIRST = Q(answer_due_at__lt=Now() + DUE_SOON)
# The order among cases of one tier that are due alike; the index case_worklist has it, too.
RISKY_FIRST = (models.F("risk").desc(nulls_first=True), "submitted_at", "pk")


OPEN = Q(status__in=["registered", "partial"])
# The patient has said something that no doctor has answered yet, signed or not.
ASKED = Q(question_since__isnull=False) & ~Q(status="cancelled")
_IN_ORDER = ("tier_rank", models.F("risk").desc(nulls_first=True), "submitted_at", "id")


class TierChoices(models.TextChoices):
    GREEN = Tier.GREEN.value, "Green"
    AMBER = Tier.AMBER.value, "Amber"
    RED = Tier.RED.value, "Red"


class Side(models.TextChoices):
    """The patient's own left and right."""

    LEFT = "left", _("Left")
    MIDDLE = "middle", _("Middle")
    RIGHT = "right", _("Right")


class LesionQuerySet(models.QuerySet["Lesion"]):
    def visible_to(self, user: User) -> Self:
        """The marks of visible cases."""
        return self.filter(pk__in=Case.objects.visible_to(user).values("lesion"))


def place_in_words(pack: Pack, site: str, side: str) -> str:
    """Where a mark is; raises ``PackError`` for a site the pack does not know."""
    text = pack.site(site).text
    return f"{text}, {str(Side(side).label).lower()}" if side else text


class Lesion(models.Model):
    """One mark on one body site, over months."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(User, models.PROTECT, related_name="lesions")
    pack = models.CharField(max_length=40)
    site = models.CharField(max_length=40)
    name = models.CharField(max_length=60, blank=True, db_default="", help_text="The patient's.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = LesionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"lesion on {self.site}"


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, user: User) -> Self:
        """The one gate: page, API, admin and picture alike. What is not yours is not there."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_reading_doctor or user.is_admin:
            return self.filter(clinic=user.clinic_id) if user.clinic_id else self._for_all(user)
        if user.is_patient:
            return self.filter(patient__in=User.objects.answered_for_by(user))
        return self.none()

    def _for_all(self, user: User) -> Self:
        """An admin without a clinic looks after all of them."""
        return self.all() if user.is_admin else self.none()

    def readable_by_doctor(self, user: User) -> Self:
        """Cases this doctor may read and sign: the clinic's, never one that is only shared."""
        return self.visible_to(user) if user.is_reading_doctor else self.none()

    def shared_with(self, user: User) -> Self:
        """Other clinics' cases that this doctor may look at for a time, one by one."""
        from diagnoses.models.share import CaseShare  # which knows the case

        if not user.is_reading_doctor:
            return self.none()
        return self.filter(pk__in=CaseShare.objects.in_force_for(user).values("case"))

    def to_look_at(self, user: User) -> Self:
        """:meth:`visible_to`, and what is shared with a doctor. For one case at a time: its
        pictures and what stands beside them. Lists, and whatever changes a case, never ask here.
        """
        if not user.is_reading_doctor:
            return self.visible_to(user)
        # The clinic as a column and not as :meth:`visible_to`'s rows: beside an "or" PostgreSQL
        # would read all of them for one.
        shared = Case.objects.shared_with(user)
        return self.filter(Q(clinic=user.clinic_id) | Q(pk__in=shared.values("pk")))

    def told_to(self, user: User) -> Self:
        """:meth:`visible_to` with their clinical content, which admins have no business with."""
        cases = self.visible_to(user).select_related("patient__carer", "clinic", "doctor")
        return cases.none() if user.is_admin else cases

    def awaiting_review(self) -> Self:
        """What a doctor must look at: scored or failed, and whatever waited too long unscored."""
        overdue = Q(status=Case.Status.REGISTERED, submitted_at__lt=Now() - UNSCORED_SHOWS_AFTER)
        return self.filter(Q(status=Case.Status.PARTIAL) | overdue)

    def with_question(self) -> Self:
        """The patient has said something that no doctor has answered yet, signed or not."""
        return self.filter(ASKED)

    def urgent_first(self) -> Self:
        """Unscored and RED, AMBER, GREEN; inside a tier what is due soon first, then the risk."""
        due_soon = models.Case(
            models.When(DUE_FIRST, then=0), default=1, output_field=models.SmallIntegerField()
        )
        return self.annotate(due_rank=due_soon).order_by("tier_rank", "due_rank", *RISKY_FIRST)


class Case(models.Model):
    """One question about one lesion: photos and answers, until a doctor has signed."""

    class Status(models.TextChoices):
        """FHIR's report codes."""

        REGISTERED = "registered", _("Received")
        PARTIAL = "partial", _("Waiting for a doctor")
        FINAL = "final", _("Answered")
        AMENDED = "amended", _("Answer amended")
        CANCELLED = "cancelled", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pack_name = models.CharField("pack", max_length=40)
    patient = models.ForeignKey(User, models.PROTECT, related_name="cases")
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="cases")
    lesion = models.ForeignKey(Lesion, models.PROTECT, null=True, related_name="cases")
    site = models.CharField(max_length=40)
    side = models.CharField(max_length=6, choices=Side.choices, blank=True)
    # The point tapped on the pack's figure: {"view", "x", "y"}, as shares of its width and height.
    spot = models.JSONField(null=True)
    answers = models.JSONField(default=dict)
    contact_e164 = SealedField(pattern=E164, blank=True)
    doctor = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        related_name="asked_cases",
        help_text="The doctor asked for.",
    )
    invitation = models.ForeignKey(Invitation, models.PROTECT, null=True, related_name="cases")
    computer_check = models.BooleanField(default=True, help_text="The patient agreed to it.")
    # One form, one case: the key is drawn with the form, so a double click finds the first's case.
    submit_key = models.UUIDField(default=uuid.uuid4, editable=False)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.REGISTERED)
    tier = models.CharField(max_length=5, choices=TierChoices.choices, null=True)  # noqa: DJ001 - null is "unscored"
    # 0: unscored or RED, 1: AMBER, 2: GREEN. A column of PostgreSQL's own, so that an index has it.
    tier_rank = models.GeneratedField(
        expression=models.Case(
            models.When(tier=Tier.GREEN.value, then=2),
            models.When(tier=Tier.AMBER.value, then=1),
            default=0,
        ),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    risk = models.FloatField(null=True)
    submitted_at = models.DateTimeField(db_default=Now(), editable=False)
    answer_due_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True, editable=False)
    signed_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="signed_cases"
    )

    # The first word of the patient that no doctor has answered yet; whatever the status.
    question_since = models.DateTimeField(null=True, editable=False)

    objects = CaseQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patient", "submit_key"], name="case_once_per_form"),
            models.CheckConstraint(
                condition=Q(contact_e164="") | Q(contact_e164__is_sealed=True),
                name="case_contact_is_sealed",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["final", "amended"])
                & Q(signed_at__isnull=False, signed_by__isnull=False)
                | ~Q(status__in=["final", "amended"])
                & Q(signed_at__isnull=True, signed_by__isnull=True),
                name="case_signed_has_a_signer_and_a_time",
            ),
            models.CheckConstraint(
                condition=Q(side__in=["", *Side.values]), name="case_side_is_known"
            ),
            models.CheckConstraint(
                condition=Q(tier__isnull=False) | Q(risk__isnull=True),
                name="case_risk_needs_a_tier",
            ),
        ]
        indexes: ClassVar = [
            # The worklist's order, but for what is due soon, and how that is found.
            models.Index("clinic", *_IN_ORDER, condition=OPEN, name="case_worklist"),
            models.Index(fields=["clinic", "answer_due_at"], condition=OPEN, name="case_due"),
            models.Index(
                fields=["submitted_at"], condition=Q(status="registered"), name="case_unscored"
            ),
            models.Index(
                fields=["clinic", "-signed_at", "id"],
                condition=Q(signed_at__isnull=False),
                name="case_signed_lately",
            ),
            models.Index(fields=["clinic", "-submitted_at", "-id"], name="case_of_clinic"),
            models.Index(fields=["patient", "-submitted_at"], name="case_of_patient"),
            # The same order among those of one body site, and among those with a question.
            models.Index("clinic", "site", *_IN_ORDER, condition=OPEN, name="case_of_site"),
            models.Index("clinic", *_IN_ORDER, condition=ASKED, name="case_with_question"),
        ]

    def __str__(self) -> str:
        return f"case {self.reference}"

    @property
    def reference(self) -> str:
        """What people quote on the phone: the first eight characters of the id."""
        return str(self.id)[:8].upper()

    @property
    def pack(self) -> Pack:
        """In the words of whoever reads at this moment."""
        return pack_for_reader(self.pack_name)

    @property
    def place(self) -> str:
        """Where the mark is, in the pack's words: "Arm, left"."""
        return place_in_words(self.pack, self.site, self.side)

    @property
    def asked_doctor(self) -> User | None:
        """The doctor chosen from the list, or the one named and invited, once they have joined."""
        return self.doctor or (self.invitation.accepted_by if self.invitation else None)

    @property
    def is_open(self) -> bool:
        return self.status in {self.Status.REGISTERED, self.Status.PARTIAL}

    @property
    def is_signed(self) -> bool:
        return self.status in {self.Status.FINAL, self.Status.AMENDED}

    @property
    def prediction(self) -> Prediction | None:
        """The newest live prediction, or ``None`` while unscored."""
        return self.live_predictions().defer("embedding", "heat").first()

    def live_predictions(self) -> models.QuerySet[Prediction]:
        """Newest first, each with its photo."""
        return self.predictions.live().select_related("photo").order_by("-pk")


class CaseEvent(models.Model):
    """The case's visible history: who moved what, when."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="events")
    kind = models.CharField(max_length=30)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.case_id}"

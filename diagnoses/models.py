"""The tables of a case, their constraints, and the questions asked of them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Clinic, User
from mlservice.engine.types import Tier
from mlservice.models import ModelVersion
from mlservice.packs import Pack, load_pack
from notifications.models import Invitation

# A case the computer has not scored by then shows on the worklist, whatever became of the workers.
UNSCORED_SHOWS_AFTER = timedelta(minutes=10)
DUE_SOON = timedelta(hours=4)


class TierChoices(models.TextChoices):
    GREEN = Tier.GREEN.value, "Green"
    AMBER = Tier.AMBER.value, "Amber"
    RED = Tier.RED.value, "Red"


class LesionQuerySet(models.QuerySet["Lesion"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(pk__in=Case.objects.visible_to(user).values("lesion"))


class Lesion(models.Model):
    """One mark on one body site, over months."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(User, models.PROTECT, related_name="lesions")
    pack = models.CharField(max_length=40)
    site = models.CharField(max_length=40)
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
            return self.filter(patient=user)
        return self.none()

    def _for_all(self, user: User) -> Self:
        """An admin without a clinic looks after all of them."""
        return self.all() if user.is_admin else self.none()

    def readable_by_doctor(self, user: User) -> Self:
        """Cases this doctor may read and sign."""
        return self.visible_to(user) if user.is_reading_doctor else self.none()

    def awaiting_review(self) -> Self:
        """What a doctor must look at: scored or failed, and whatever waited too long unscored."""
        overdue = Q(status=Case.Status.REGISTERED, submitted_at__lt=Now() - UNSCORED_SHOWS_AFTER)
        return self.filter(Q(status=Case.Status.PARTIAL) | overdue)

    def urgent_first(self) -> Self:
        """Unscored and RED, AMBER, GREEN; inside a tier what is due soon first, then the risk."""
        rank = models.Case(
            models.When(tier=Tier.GREEN.value, then=2),
            models.When(tier=Tier.AMBER.value, then=1),
            default=0,
            output_field=models.SmallIntegerField(),
        )
        due_soon = models.Case(
            models.When(answer_due_at__lt=Now() + DUE_SOON, then=0),
            default=1,
            output_field=models.SmallIntegerField(),
        )
        return self.annotate(tier_rank=rank, due_rank=due_soon).order_by(
            "tier_rank", "due_rank", models.F("risk").desc(nulls_first=True), "submitted_at", "pk"
        )


class Case(models.Model):
    """One question about one lesion: photos and answers, until a doctor has signed."""

    class Status(models.TextChoices):
        """FHIR's report codes."""

        REGISTERED = "registered", "Received"
        PARTIAL = "partial", "Waiting for a doctor"
        FINAL = "final", "Answered"
        AMENDED = "amended", "Answer amended"
        CANCELLED = "cancelled", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pack_name = models.CharField("pack", max_length=40)
    patient = models.ForeignKey(User, models.PROTECT, related_name="cases")
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="cases")
    lesion = models.ForeignKey(Lesion, models.PROTECT, null=True, related_name="cases")
    site = models.CharField(max_length=40)
    answers = models.JSONField(default=dict)
    contact_e164 = models.CharField(max_length=16, blank=True)
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
    risk = models.FloatField(null=True)
    submitted_at = models.DateTimeField(db_default=Now(), editable=False)
    answer_due_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True, editable=False)
    signed_by = models.ForeignKey(
        User, models.PROTECT, null=True, editable=False, related_name="signed_cases"
    )

    objects = CaseQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patient", "submit_key"], name="case_once_per_form"),
            models.CheckConstraint(
                condition=Q(status__in=["final", "amended"])
                & Q(signed_at__isnull=False, signed_by__isnull=False)
                | ~Q(status__in=["final", "amended"])
                & Q(signed_at__isnull=True, signed_by__isnull=True),
                name="case_signed_has_a_signer_and_a_time",
            ),
            models.CheckConstraint(
                condition=Q(tier__isnull=False) | Q(risk__isnull=True),
                name="case_risk_needs_a_tier",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["clinic", "tier", "answer_due_at"],
                condition=Q(status__in=["registered", "partial"]),
                name="case_worklist",
            ),
            models.Index(fields=["patient", "-submitted_at"], name="case_of_patient"),
        ]

    def __str__(self) -> str:
        return f"case {self.reference}"

    @property
    def reference(self) -> str:
        """What people quote on the phone: the first eight characters of the id."""
        return str(self.id)[:8].upper()

    @property
    def pack(self) -> Pack:
        return load_pack(self.pack_name)

    @property
    def is_open(self) -> bool:
        return self.status in {self.Status.REGISTERED, self.Status.PARTIAL}

    @property
    def is_signed(self) -> bool:
        return self.status in {self.Status.FINAL, self.Status.AMENDED}

    @property
    def prediction(self) -> Prediction | None:
        """The newest live prediction, or ``None`` while unscored."""
        return (
            self.predictions.filter(scoring__purpose=Scoring.Purpose.LIVE).order_by("-pk").first()
        )


class PhotoQuerySet(models.QuerySet["Photo"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(case__in=Case.objects.visible_to(user))


def photo_path(photo: Photo, _filename: str) -> str:
    """Server-made: nothing of the sender's file name survives."""
    return f"photos/{photo.case_id}/{photo.id}.jpg"


class Photo(models.Model):
    """One cleaned picture: rebuilt from pixels, no metadata, upright."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="photos")
    kind = models.CharField(max_length=20)
    file = models.FileField(upload_to=photo_path, max_length=200)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    quality = models.JSONField(default=dict)  # measures and the reasons found
    sent_anyway = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PhotoQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]

    def __str__(self) -> str:
        return f"{self.kind} photo"


class ScoringQuerySet(models.QuerySet["Scoring"]):
    def waiting(self) -> Self:
        """Not settled yet, whether somebody is at it or not."""
        return self.filter(settled_at=None)

    def due(self) -> Self:
        """Claimable now, by the database's clock."""
        return self.waiting().filter(
            Q(lease_until=None) | Q(lease_until__lt=Now()), run_after__lte=Now()
        )


class Scoring(models.Model):
    """The queue row: case × model version × purpose × round; held by lease and token."""

    class Purpose(models.TextChoices):
        LIVE = "live", "Live"
        SHADOW = "shadow", "Shadow"

    case = models.ForeignKey(Case, models.PROTECT, related_name="scorings")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="scorings")
    purpose = models.CharField(max_length=8, choices=Purpose.choices, default=Purpose.LIVE)
    round = models.PositiveSmallIntegerField(default=1)  # a retake is scored again
    priority = models.PositiveSmallIntegerField(default=1)  # 0: the answers alone make it RED
    run_after = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    token = models.UUIDField(null=True)
    # The advisory lock its worker holds on a connection of its own: gone, so is the worker.
    holder = models.IntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    objects = ScoringQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["case", "model_version", "purpose", "round"], name="scoring_once"
            ),
            models.CheckConstraint(
                condition=Q(lease_until=None, token=None)
                | Q(lease_until__isnull=False, token__isnull=False),
                name="scoring_lease_has_a_token",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["priority", "run_after"], condition=Q(settled_at=None), name="scoring_due"
            ),
        ]

    def __str__(self) -> str:
        return f"scoring of {self.case_id} by {self.model_version_id}"


class Prediction(models.Model):
    """What the computer said, whole, with its receipt. The database refuses to change it."""

    scoring = models.OneToOneField(Scoring, models.PROTECT, related_name="prediction")
    case = models.ForeignKey(Case, models.PROTECT, related_name="predictions")
    photo = models.ForeignKey(Photo, models.PROTECT, related_name="predictions")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="predictions")
    probabilities = models.JSONField()  # by label name, calibrated, unrounded
    top_label = models.CharField(max_length=40)
    confidence = models.FloatField()
    threshold = models.FloatField()
    no_disease = models.BooleanField()
    label = models.CharField(max_length=40, blank=True)  # "" exactly when no_disease
    risk = models.FloatField()
    picture_tier = models.CharField(max_length=5, choices=TierChoices.choices)
    tier = models.CharField(max_length=5, choices=TierChoices.choices)
    reasons = models.JSONField(default=list)
    points = models.PositiveSmallIntegerField(null=True)
    stable = models.BooleanField()
    out_of_distribution = models.BooleanField()
    distance = models.FloatField()
    modality = models.CharField(max_length=20)
    conformal_set = models.JSONField(default=list)
    embedding = models.BinaryField()  # float32, little-endian
    photos = models.JSONField(default=list)  # every scored photo's own assessment, in short
    receipt = models.JSONField(default=dict)  # hashes, temperature, device, durations
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(no_disease=True, confidence__lt=models.F("threshold"), label="")
                | Q(no_disease=False, confidence__gte=models.F("threshold")) & ~Q(label=""),
                name="prediction_the_80_percent_rule",
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1, risk__gte=0, risk__lte=1.000001),
                name="prediction_scores_are_probabilities",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} for {self.case_id}"


class FirstReading(models.Model):
    """A doctor's own reading before the computer's view opened. Never edited."""

    CONFIDENCE: ClassVar = [("sure", "Sure"), ("fairly", "Fairly sure"), ("unsure", "Unsure")]

    case = models.ForeignKey(Case, models.PROTECT, related_name="first_readings")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    diagnosis = models.CharField(max_length=40, blank=True)  # a label's name; "" is "no lesion"
    confidence = models.CharField(max_length=10, choices=CONFIDENCE)
    plan = models.CharField(max_length=20)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["case", "doctor"], name="first_reading_once_per_doctor"
            ),
        ]

    def __str__(self) -> str:
        return f"first reading of {self.case_id}"


class ReviewQuerySet(models.QuerySet["Review"]):
    def standing(self) -> Self:
        """Signed and not undone."""
        return self.filter(undoing=None)


class Review(models.Model):
    """A doctor's signed answer. Amending adds one; nothing is overwritten, ever."""

    class Plan(models.TextChoices):
        REASSURE = "reassure", "No further action"
        RECHECK = "recheck", "Photograph again later"
        SEE = "see", "See in person"
        REFER_URGENT = "refer_urgent", "Urgent referral"
        TREAT = "treat", "Treatment"

    case = models.ForeignKey(Case, models.PROTECT, related_name="reviews")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="reviews")
    diagnosis = models.CharField(max_length=40, blank=True)  # a label's name; "" is "no lesion"
    plan = models.CharField(max_length=20, choices=Plan.choices)
    advice = models.TextField(max_length=4000)  # what the patient reads
    note = models.TextField(max_length=4000, blank=True)  # for colleagues
    recheck_days = models.PositiveSmallIntegerField(null=True)
    agrees = models.BooleanField(null=True)  # with the computer; null when it gave no view
    differs_because = models.CharField(max_length=300, blank=True)
    signed_at = models.DateTimeField(db_default=Now(), editable=False)
    effective_at = models.DateTimeField()  # when the ten seconds to undo are over

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"answer to {self.case_id}"


class ReviewUndo(models.Model):
    """A signature taken back within ten seconds. The answer stays in the history, unsent."""

    review = models.OneToOneField(Review, models.PROTECT, related_name="undoing")
    doctor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"undo of {self.review_id}"


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


def draft_path(draft: DraftPhoto, _filename: str) -> str:
    """Server-made, apart from the pictures that were sent."""
    return f"drafts/{draft.patient_id}/{draft.id}.jpg"


class DraftPhoto(models.Model):
    """A cleaned picture of a form not sent yet: a refusal elsewhere on the page never costs it.

    Ours alone until the form is sent: no doctor sees it, and it is swept after a day.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(User, models.CASCADE, related_name="draft_photos")
    submit_key = models.UUIDField()  # the form's
    slot = models.CharField(max_length=20)  # its place in the form
    file = models.FileField(upload_to=draft_path, max_length=200)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    quality = models.JSONField(default=dict)  # as in Photo
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["patient", "submit_key", "slot"], name="draft_photo_one_per_place"
            ),
        ]

    def __str__(self) -> str:
        return f"draft {self.slot} photo"

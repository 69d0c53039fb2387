"""The queue of the computer, and what came out of it."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.db.models.functions import Cast, JSONObject, Now

from diagnoses.models.case import Case, TierChoices
from diagnoses.models.photo import Photo
from mlservice.engine.types import Modality
from mlservice.models import ModelVersion, Pause, Shadow

# A candidate looks when nothing else is to do; every live row comes first.
LAST = 9
# What the computer calls a photo with nothing to judge in it: no class is named of such a one.
UNJUDGED = [one.value for one in Modality if not one.shows_a_mark]
# A row was closed for these reasons though nothing had failed.
NO_FAILURE = ("paused", "withdrawn", "consent taken back", "a new photo came")


def tried(what: str, why: str = "") -> Func:
    """``Scoring.tries`` with one line more, at the database's clock; for an update."""
    line = JSONObject(
        at=Now(),
        what=Cast(Value(what), models.TextField()),
        why=Cast(Value(why), models.TextField()),
    )
    return Func(
        *(F("tries"), line),
        template="%(expressions)s",
        arg_joiner=" || ",
        output_field=models.JSONField(),
    )


class ScoringQuerySet(models.QuerySet["Scoring"]):
    def waiting(self) -> Self:
        """Not settled yet, whether somebody is at it or not."""
        return self.filter(settled_at=None)

    def due(self) -> Self:
        """Claimable now, by the database's clock."""
        return self.waiting().filter(
            Q(lease_until=None) | Q(lease_until__lt=Now()), run_after__lte=Now()
        )

    def live(self) -> Self:
        """Those that a patient and a doctor wait for."""
        return self.filter(purpose=Scoring.Purpose.LIVE)

    def shadow(self) -> Self:
        """Those of a candidate, that nobody sees."""
        return self.filter(purpose=Scoring.Purpose.SHADOW)

    def given_up(self) -> Self:
        """Closed because it could not be done."""
        return self.filter(settled_at__isnull=False).exclude(error="").exclude(error__in=NO_FAILURE)

    def not_paused(self) -> Self:
        """Without the rows of packs whose computer is paused; live ones go to the doctors."""
        paused = Pause.objects.filter(pack=OuterRef("case__pack_name"), ended_at=None)
        return self.exclude(Exists(paused))

    def wanted(self) -> Self:
        """Not paused, and without those of a candidate that does not look along any more."""
        runs = Shadow.objects.filter(version=OuterRef("model_version"), ended_at=None)
        over = Q(purpose=Scoring.Purpose.SHADOW) & ~Exists(runs)
        return self.not_paused().exclude(over)

    def spent(self) -> Self:
        """Tried often enough."""
        return self.filter(_spent())

    def not_spent(self) -> Self:
        return self.exclude(_spent())


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
    queued_at = models.DateTimeField(null=True, db_default=Now(), editable=False)
    run_after = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True)
    token = models.UUIDField(null=True)
    # The advisory lock its worker holds on a connection of its own: gone, so is the worker.
    holder = models.IntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # What became of each try: {"at", "what": leased, failed, lost or handed_back, "why"}.
    tries = models.JSONField(default=list, editable=False)
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
            models.CheckConstraint(
                condition=Q(settled_at=None) | Q(lease_until=None, token=None, holder=None),
                name="scoring_settled_holds_nothing",
            ),
            models.CheckConstraint(
                condition=Q(token=None) | Q(attempts__gte=1), name="scoring_leased_was_tried"
            ),
            models.CheckConstraint(
                condition=Q(holder=None) | Q(token__isnull=False),
                name="scoring_holder_has_a_lease",
            ),
            models.UniqueConstraint(
                fields=["case"],
                condition=Q(settled_at=None, purpose="live"),
                name="scoring_one_live_waiting",
            ),
            # What a prediction's foreign key points to, see Prediction.
            models.UniqueConstraint(fields=["id", "case", "model_version"], name="scoring_whole"),
            models.CheckConstraint(
                condition=Q(purpose="live", priority__lt=LAST) | Q(purpose="shadow", priority=LAST),
                name="scoring_shadow_comes_last",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["priority", "run_after"], condition=Q(settled_at=None), name="scoring_due"
            ),
            models.Index(
                fields=["model_version", "settled_at"],
                condition=Q(purpose="shadow"),
                name="scoring_in_the_shadow",
            ),
            models.Index(
                fields=["settled_at"],
                condition=Q(settled_at__isnull=False) & ~Q(error=""),
                name="scoring_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"scoring of {self.case_id} by {self.model_version_id}"


def _spent() -> Q:
    """A candidate's row is tried once: what ended a worker, with a network that nobody waits for,
    shall not end another one."""
    return Q(purpose=Scoring.Purpose.LIVE, attempts__gte=settings.SCORING_ATTEMPTS) | Q(
        purpose=Scoring.Purpose.SHADOW, attempts__gte=1
    )


class PredictionQuerySet(models.QuerySet["Prediction"]):
    """Whoever reads predictions says which: a candidate's are compared, and shown nowhere."""

    def live(self) -> Self:
        return self.filter(scoring__purpose=Scoring.Purpose.LIVE)

    def shadow(self) -> Self:
        return self.filter(scoring__purpose=Scoring.Purpose.SHADOW)


class Prediction(models.Model):
    """What the computer said, whole, with its receipt. The database refuses to change it.

    Case and version stand here beside the queue row that names them, and the photo names the case
    once more. Two foreign keys over several columns hold them together, which Django's models
    cannot say (migration 0004): ``prediction_of_its_scoring``, ``prediction_of_its_photo``.
    """

    scoring = models.OneToOneField(Scoring, models.PROTECT, related_name="prediction")
    case = models.ForeignKey(Case, models.PROTECT, related_name="predictions")
    photo = models.ForeignKey(Photo, models.PROTECT, related_name="predictions")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="predictions")
    probabilities = models.JSONField()  # by label name, calibrated, unrounded
    top_label = models.CharField(max_length=40)
    confidence = models.FloatField()
    threshold = models.FloatField()
    no_disease = models.BooleanField()
    # "" exactly when no_disease, or when the photo shows nothing the network knows.
    label = models.CharField(max_length=40, blank=True)
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
    # Where in the photo each label was found, labels by name: mlservice.engine.heatmap. Null where
    # the network could not tell.
    heat = models.BinaryField(null=True)
    photos = models.JSONField(default=list)  # every scored photo's own assessment, in short
    receipt = models.JSONField(default=dict)  # hashes, temperature, device, durations
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            # How a version fares, by its monitoring.
            models.Index(fields=["model_version", "created_at"], name="prediction_of_version"),
            # How many there are of each is asked every few seconds.
            models.Index(fields=["model_version", "tier"], name="prediction_by_version"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(no_disease=True, confidence__lt=models.F("threshold"), label="")
                | Q(no_disease=False, confidence__gte=models.F("threshold"))
                & (Q(modality__in=UNJUDGED, label="") | ~Q(modality__in=UNJUDGED) & ~Q(label="")),
                name="prediction_the_80_percent_rule",
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1, risk__gte=0, risk__lte=1.000001),
                name="prediction_scores_are_probabilities",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} for {self.case_id}"

    @property
    def names_a_class(self) -> bool:
        """A picture without a mark gets no class: its numbers are kept, and mean nothing."""
        return self.modality not in UNJUDGED

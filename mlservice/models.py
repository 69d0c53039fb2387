"""The registry of model versions, and everything that was decided about them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ModelVersion(models.Model):
    """A registered bundle of a pack. Weights and cuts never change: the hash names them."""

    class State(models.TextChoices):
        REGISTERED = "registered", _("Registered")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")

    pack = models.CharField(max_length=40)
    version = models.CharField(max_length=60)
    # Relative to mlservice/bundles, or absolute for a clinic's own.
    folder = models.CharField(max_length=400)
    weights_hash = models.CharField(max_length=64)
    # Covers what decides a tier beside the weights: temperature, cuts, gate, conformal quantiles.
    manifest_hash = models.CharField(max_length=64)
    preprocess_hash = models.CharField(max_length=64)
    temperature = models.FloatField()
    # Changed by two admins: mlservice.thresholds.
    threshold = models.FloatField(
        default=0.80, help_text="Below this top confidence the answer is “no disease”."
    )
    r95 = models.FloatField()
    r99 = models.FloatField()
    metrics = models.JSONField(default=dict)
    # Names the pictures the metrics are of: mlservice.engine.gate.frozen_set; "" for unknown.
    frozen_set = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.REGISTERED)
    registered_at = models.DateTimeField(db_default=Now(), editable=False)
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    activated_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["pack", "-registered_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pack", "manifest_hash"], name="model_manifest_once"),
            models.UniqueConstraint(
                fields=["pack"], condition=Q(state="active"), name="model_one_active_per_pack"
            ),
            models.CheckConstraint(
                condition=Q(threshold__gt=0) & Q(threshold__lt=1), name="model_threshold_in_0_1"
            ),
            models.CheckConstraint(
                condition=Q(r99__lte=models.F("r95")), name="model_r99_below_r95"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pack} {self.version}"


class Activation(models.Model):
    """A version was put into service: when, by whom, in whose place. Never edited."""

    class How(models.TextChoices):
        GATE = "gate", _("Passed the gate")
        OVERRIDE = "override", _("Past the gate, by two admins")
        BACK = "back", _("Rolled back")
        COMMAND = "command", _("Set from the command line")

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="activations")
    replaced = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    how = models.CharField(max_length=10, choices=How.choices)
    at = models.DateTimeField(db_default=Now(), editable=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    # The second admin, where it took two.
    agreed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(how="override")
                | Q(agreed_by__isnull=False, by__isnull=False)
                & ~Q(reason="")
                & ~Q(agreed_by=models.F("by")),
                name="activation_past_the_gate_took_two",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} in service"


class Override(models.Model):
    """An admin wants a version in service that the gate refused; a second one says yes or no."""

    class Outcome(models.TextChoices):
        AGREED = "agreed", _("Agreed")
        REFUSED = "refused", _("Refused")
        TAKEN_BACK = "taken_back", _("Taken back")
        OVERTAKEN = "overtaken", _("Another version was put into service first")

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="overrides")
    instead_of = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=300)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)  # "": open

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version"], condition=Q(outcome=""), name="override_asked_once"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="override_has_a_reason"),
            models.CheckConstraint(
                condition=~Q(outcome__in=["agreed", "refused"])
                | Q(decided_by__isnull=False) & ~Q(decided_by=models.F("asked_by")),
                name="override_decided_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"override for {self.version}"


class ThresholdChange(models.Model):
    """An admin wants the 80 % rule set otherwise for a version; a second one says yes or no."""

    class Outcome(models.TextChoices):
        AGREED = "agreed", _("Agreed")
        REFUSED = "refused", _("Refused")
        TAKEN_BACK = "taken_back", _("Taken back")

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="threshold_changes")
    before = models.FloatField()
    after = models.FloatField()
    reason = models.CharField(max_length=300)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)  # "": open

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version"], condition=Q(outcome=""), name="threshold_change_asked_once"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="threshold_change_has_a_reason"),
            models.CheckConstraint(
                condition=Q(after__gt=0, after__lt=1) & ~Q(after=models.F("before")),
                name="threshold_change_changes_it",
            ),
            models.CheckConstraint(
                condition=~Q(outcome__in=["agreed", "refused"])
                | Q(decided_by__isnull=False) & ~Q(decided_by=models.F("asked_by")),
                name="threshold_change_decided_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"threshold of {self.version}: {self.before:g} to {self.after:g}"

    @property
    def percent_before(self) -> str:
        """As it was chosen: 0.8 is "80 %", 0.825 is "82.5 %"."""
        return _percent(self.before)

    @property
    def percent_after(self) -> str:
        return _percent(self.after)


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"


class Pause(models.Model):
    """From ``at`` to ``ended_at`` the computer looks at no case of the pack."""

    pack = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField(db_default=Now(), editable=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["pack"], condition=Q(ended_at=None), name="pause_once_per_pack"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pack} paused"


class Shadow(models.Model):
    """From ``started_at`` to ``ended_at`` a version looks at live cases beside the active one.

    What it says of them is kept to be compared, and shown to nobody who reads or asks.
    """

    class Ended(models.TextChoices):
        STOPPED = "stopped", _("It was stopped")
        SERVES = "serves", _("It was put into service")

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="shadows")
    pack = models.CharField(max_length=40)  # the version's
    share = models.PositiveSmallIntegerField(help_text="Of the live cases, in percent.")
    reason = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    # Nobody, where the command line put the version into service.
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    ended = models.CharField(max_length=10, choices=Ended.choices, blank=True)  # "": it runs

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["pack"], condition=Q(ended_at=None), name="shadow_once_per_pack"
            ),
            models.CheckConstraint(
                condition=Q(share__gte=1, share__lte=100), name="shadow_share_in_percent"
            ),
            models.CheckConstraint(
                condition=Q(ended="", ended_at=None, ended_by=None)
                | Q(ended="stopped", ended_at__isnull=False, ended_by__isnull=False)
                | Q(ended="serves", ended_at__isnull=False),
                name="shadow_has_one_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} in the shadow"


class BundleCheck(models.Model):
    """A bundle on its way into the registry: its golden pictures are to come out right first.

    A row is the queue, as with cases: a worker leases it, and a worker that dies gives it back.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        PASSED = "passed", _("Registered")
        REFUSED = "refused", _("Refused")

    name = models.CharField(max_length=120)  # as the bundle calls itself: "skin-2"
    folder = models.CharField(max_length=400)  # as in ModelVersion
    uploaded = models.BooleanField()  # the folder is ours, and goes when the bundle is refused
    manifest_hash = models.CharField(max_length=64)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    refusal = models.TextField(blank=True)  # a sentence
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["manifest_hash"],
                condition=Q(state="waiting"),
                name="bundle_checked_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", version=None, refusal="", settled_at=None)
                | Q(state="passed", version__isnull=False, refusal="", settled_at__isnull=False)
                | Q(state="refused", version=None, settled_at__isnull=False) & ~Q(refusal=""),
                name="bundle_check_has_one_end",
            ),
        ]

    def __str__(self) -> str:
        return f"check of {self.name}"


class WorkerReport(models.Model):
    """What an inference worker last said of itself: which versions it serves, which it refuses.

    Written by the worker every few seconds; one that has not been heard of lately says nothing.
    """

    worker = models.PositiveIntegerField(primary_key=True)  # as it holds its rows
    # What its operator calls it, without the machine: "inference-1"; "" where nobody named it.
    name = models.CharField(max_length=60, blank=True)
    device = models.CharField(max_length=60, blank=True)  # "litert-2.3.0 cpu"
    started_at = models.DateTimeField(null=True)  # null for one of an older release
    heard_at = models.DateTimeField()
    serves = models.JSONField(default=list)  # primary keys of versions
    refuses = models.JSONField(default=dict)  # by primary key, as a string: why, in a sentence

    def __str__(self) -> str:
        return f"inference worker {self.worker}"

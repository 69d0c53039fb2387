"""The registry of model versions."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ModelVersion(models.Model):
    """A registered bundle of a pack. Weights and cuts never change: the hash names them."""

    class State(models.TextChoices):
        REGISTERED = "registered", "Registered"
        ACTIVE = "active", "Active"
        RETIRED = "retired", "Retired"

    pack = models.CharField(max_length=40)
    version = models.CharField(max_length=60)
    # Relative to mlservice/bundles, or absolute for a clinic's own.
    folder = models.CharField(max_length=400)
    weights_hash = models.CharField(max_length=64)
    # Covers what decides a tier beside the weights: temperature, cuts, gate, conformal quantiles.
    manifest_hash = models.CharField(max_length=64)
    preprocess_hash = models.CharField(max_length=64)
    temperature = models.FloatField()
    threshold = models.FloatField(
        default=0.80, help_text="Below this top confidence the answer is “no disease”."
    )
    r95 = models.FloatField()
    r99 = models.FloatField()
    metrics = models.JSONField(default=dict)
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


class WorkerReport(models.Model):
    """What an inference worker last said of itself: which versions it serves, which it refuses.

    Written by the worker every few seconds; one that has not been heard of lately says nothing.
    """

    worker = models.PositiveIntegerField(primary_key=True)  # as it holds its rows
    heard_at = models.DateTimeField()
    serves = models.JSONField(default=list)  # primary keys of versions
    refuses = models.JSONField(default=dict)  # by primary key, as a string: why, in a sentence

    def __str__(self) -> str:
        return f"inference worker {self.worker}"

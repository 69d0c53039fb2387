"""What is wrong with a version in service: raised once, told once, ended when it is over."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from diagnoses.models.case import Case
from mlservice.models import ModelVersion


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def open(self) -> Self:
        return self.filter(ended_at=None)


class Alarm(models.Model):
    """One thing is wrong with one version, from ``raised_at`` to ``ended_at``.

    A harmful case that ended GREEN is an alarm of its own, and over when somebody has looked at it.
    """

    class Kind(models.TextChoices):
        SILENT = "silent", _("Cases wait, and no view has come for a while")
        FAILING = "failing", _("Many cases end without a view")
        DRIFT = "drift", _("What comes in, or what it makes of it, has changed")
        FAR = "far", _("Many photos are far from what it has learned")
        NO_DISEASE = "no_disease", _("It says “no disease” more often or more rarely than before")
        RED = "red", _("It says RED more often or more rarely than before")
        MISSED = "missed", _("A case that was signed as harmful had ended GREEN")
        DISAGREE = "disagree", _("Doctors often sign something else than it puts first")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="alarms")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    # Of the kind that is about one case.
    case = models.ForeignKey(Case, models.PROTECT, null=True, related_name="alarms")
    # What was measured, and the limit it passed; numbers of many cases, of nobody.
    measured = models.FloatField(null=True)
    limit = models.FloatField(null=True)
    raised_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-raised_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "kind"],
                condition=Q(ended_at=None, case=None),
                name="alarm_open_once",
            ),
            models.UniqueConstraint(
                fields=["version", "case"],
                condition=Q(case__isnull=False),
                name="alarm_once_per_case",
            ),
            models.CheckConstraint(
                condition=Q(kind="missed", case__isnull=False) | ~Q(kind="missed") & Q(case=None),
                name="alarm_is_about_one_case_or_many",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["version"], condition=Q(ended_at=None), name="alarm_open"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.version_id}"

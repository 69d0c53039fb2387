"""What left for training: each export, the pictures it held, and who took a copy."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Clinic, User
from diagnoses.models.photo import Photo


class TrainingExportQuerySet(models.QuerySet["TrainingExport"]):
    def visible_to(self, user: User) -> Self:
        """An admin's own clinic's; all of them for an admin who looks after all clinics."""
        if not user.is_authenticated or not user.is_admin:
            return self.none()
        return self.filter(clinic=user.clinic_id) if user.clinic_id else self.all()

    def to_clean(self) -> Self:
        """Somebody has a copy, and pictures in it were withdrawn since and not yet deleted."""
        waits = ExportedPhoto.objects.filter(export=OuterRef("pk")).to_delete()
        return self.filter(Exists(waits), Exists(TakenCopy.objects.filter(export=OuterRef("pk"))))


class TrainingExport(models.Model):
    """A folder for ``python -m training``, asked for by an admin and made by a worker.

    The row is the queue, and afterwards the record: of which pictures, by whom, what became of it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Being made")
        READY = "ready", _("Ready")
        OVER = "over", _("No longer kept")
        WITHDRAWN = "withdrawn", _("Deleted: a consent was taken back")
        EMPTY = "empty", _("Nothing to export")
        FAILED = "failed", _("Could not be made")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Drawn with the button, so that two presses find the same export.
    press = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    pack = models.CharField(max_length=40)
    modality = models.CharField(max_length=20)  # as declared by the sender
    # Null: of all clinics.
    clinic = models.ForeignKey(Clinic, models.PROTECT, null=True, related_name="+")
    # Null: from the command line.
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    total = models.PositiveIntegerField(null=True)  # pictures; null until they are chosen
    done = models.PositiveIntegerField(default=0)
    wording = models.CharField(max_length=20, blank=True)  # version of the consent
    counts = models.JSONField(default=dict)  # as in the manifest
    table_hash = models.CharField(max_length=64, blank=True)  # SHA-256 of labels.csv
    size = models.PositiveBigIntegerField(null=True)  # bytes
    settled_at = models.DateTimeField(null=True)
    kept_until = models.DateTimeField(null=True)

    objects = TrainingExportQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-asked_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["clinic", "pack", "modality"],
                condition=Q(state="waiting"),
                nulls_distinct=False,
                name="export_made_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(lease_until=None, token=None)
                | Q(lease_until__isnull=False, token__isnull=False, state="waiting"),
                name="export_lease_has_a_token",
            ),
            models.CheckConstraint(
                condition=~Q(state="ready")
                | Q(size__isnull=False, kept_until__isnull=False, settled_at__isnull=False)
                & ~Q(table_hash=""),
                name="export_ready_is_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "-asked_at", "id"], name="export_of_clinic"),
        ]

    def __str__(self) -> str:
        return f"training export {self.reference}"

    @property
    def reference(self) -> str:
        """What people quote: the first eight characters of the id."""
        return str(self.id)[:8].upper()

    @property
    def file(self) -> str:
        """Its name in the private storage."""
        return f"exports/{self.id}.zip"


class ExportedPhotoQuerySet(models.QuerySet["ExportedPhoto"]):
    def to_delete(self) -> Self:
        """Withdrawn, and nobody has said yet that the copies are rid of them."""
        return self.filter(withdrawn_at__isnull=False, cleaned_at=None)


class ExportedPhoto(models.Model):
    """One picture in one export, under the name it has there."""

    class Why(models.TextChoices):
        CONSENT = "consent", _("The consent was taken back")
        ERASED = "erased", _("The account was erased")

    export = models.ForeignKey(
        TrainingExport, models.PROTECT, related_name="held", db_index=False
    )  # the constraint below begins with it
    photo = models.ForeignKey(Photo, models.PROTECT, related_name="+")
    name = models.CharField(max_length=40)
    withdrawn_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=8, choices=Why.choices, blank=True)
    # An admin says that whoever took a copy has deleted it there.
    cleaned_at = models.DateTimeField(null=True)
    cleaned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    objects = ExportedPhotoQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["export", "photo"], name="exported_once"),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None, why="") | Q(withdrawn_at__isnull=False) & ~Q(why=""),
                name="exported_withdrawn_because",
            ),
            models.CheckConstraint(
                condition=Q(cleaned_at=None, cleaned_by=None)
                | Q(cleaned_at__isnull=False, cleaned_by__isnull=False, withdrawn_at__isnull=False),
                name="exported_cleaned_after_withdrawal",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["export"],
                condition=Q(withdrawn_at__isnull=False, cleaned_at=None),
                name="exported_to_delete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} in {self.export_id}"


class TakenCopy(models.Model):
    """A copy left the portal: downloaded by an admin, or written from the command line."""

    export = models.ForeignKey(TrainingExport, models.PROTECT, related_name="copies")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"copy of {self.export_id}"

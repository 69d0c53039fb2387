"""The pictures of a case."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now

from accounts.models import User
from diagnoses.models.case import Case


class PhotoQuerySet(models.QuerySet["Photo"]):
    def visible_to(self, user: User) -> Self:
        """The pictures of visible cases, for their patient and the clinic's doctors.

        Admins look after people and machines; they see that a case has photos, and no photo.
        """
        if user.is_admin:
            return self.none()
        return self.filter(case__in=Case.objects.visible_to(user))

    def to_look_at(self, user: User) -> Self:
        """The same, and those of cases shared with a doctor: for one picture at a time."""
        if user.is_admin:
            return self.none()
        return self.filter(case__in=Case.objects.to_look_at(user))


class KeptPhotos(models.Manager["Photo"]):
    """Those that are there. What retention has deleted is seen by nobody, on no page."""

    def get_queryset(self) -> PhotoQuerySet:
        return PhotoQuerySet(self.model, using=self._db).filter(purged_at=None)


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
    # Null for those the case came with.
    retake = models.ForeignKey("Retake", models.PROTECT, null=True, related_name="photos")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Since when the file is gone (diagnoses.retention); the row stays for what was said of it.
    purged_at = models.DateTimeField(null=True, editable=False)

    objects = KeptPhotos.from_queryset(PhotoQuerySet)()
    everything = PhotoQuerySet.as_manager()

    class Meta:
        base_manager_name = "everything"  # a prediction finds its photo, kept or not
        ordering: ClassVar = ["created_at", "pk"]
        constraints: ClassVar = [
            # What a prediction's foreign key points to: never another case's picture.
            models.UniqueConstraint(fields=["id", "case"], name="photo_of_its_case"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} photo"

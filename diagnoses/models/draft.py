"""A question that is not sent yet: what was answered so far, and the pictures on their way."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from accounts.fields import SealedBinaryField, SealedJSONField
from accounts.models import User
from diagnoses.models.case import Case


class Draft(models.Model):
    """A form as far as it is filled in, kept after every step, so that it can be gone on with later
    and elsewhere. The case it becomes has the same ``submit_key``."""

    patient = models.ForeignKey(User, models.CASCADE, related_name="drafts")
    submit_key = models.UUIDField()
    pack_name = models.CharField("pack", max_length=40)
    about = models.ForeignKey(Case, models.SET_NULL, null=True, related_name="+")
    data = SealedJSONField(default=dict)  # field of the form -> list of what was typed
    step = models.CharField(max_length=40, blank=True)  # where to go on
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    touched_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patient", "submit_key"], name="draft_once_per_form"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["patient", "-touched_at"], name="draft_of_patient"),
            models.Index(fields=["touched_at"], name="draft_age"),
        ]

    def __str__(self) -> str:
        return f"draft {str(self.submit_key)[:8].upper()}"


def draft_path(draft: DraftPhoto, _filename: str) -> str:
    """Server-made, apart from the pictures that were sent."""
    return f"drafts/{draft.patient_id}/{draft.id}.jpg"


class DraftPhoto(models.Model):
    """A cleaned picture of a form not sent yet: a refusal elsewhere on the page never costs it.

    Ours alone until the form is sent: no doctor sees it, and it is swept when nobody came back.
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


class UploadPiece(models.Model):
    """Some bytes of a photo that is being sent in pieces, so that a lost network costs one piece.

    Rows, not files: whichever process takes the next piece sees those before it.
    """

    patient = models.ForeignKey(User, models.CASCADE, related_name="+")
    submit_key = models.UUIDField()
    slot = models.CharField(max_length=20)
    upload = models.CharField(max_length=64)  # which file, as the sender calls it
    start = models.PositiveIntegerField()  # its first byte's place in the file
    content = SealedBinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["patient", "submit_key", "slot", "start"], name="upload_piece_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="upload_piece_age")]

    def __str__(self) -> str:
        return f"{self.slot} photo from byte {self.start}"


class UploadTally(models.Model):
    """How much somebody sent in on one of the clinic's days: :mod:`diagnoses.quota` counts it."""

    person = models.ForeignKey(User, models.CASCADE, related_name="+")
    day = models.DateField()
    photos = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)  # bytes

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["person", "day"], name="upload_tally_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.photos} photos on {self.day}"

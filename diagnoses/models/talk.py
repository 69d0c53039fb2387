"""What patient and doctors say to each other about a case, and the photos sent again for it."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import LessThanOrEqual

from diagnoses.models.case import Case

MOST_SAID = 2000  # characters of one remark


class RemarkQuerySet(models.QuerySet["Remark"]):
    def by_patient(self) -> Self:
        return self.filter(author=F("case__patient"))

    def by_doctors(self) -> Self:
        return self.exclude(author=F("case__patient"))


class Remark(models.Model):
    """One word said on a case, by its patient or by a doctor. Never edited, never taken back."""

    class Kind(models.TextChoices):
        MESSAGE = "message", "Message"
        RETAKE_REQUEST = "retake_request", "Asks for a new photo"

    case = models.ForeignKey(Case, models.PROTECT, related_name="remarks")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.MESSAGE)
    text = models.TextField(max_length=MOST_SAID, blank=True)  # "" where the reasons say it all
    reasons = models.JSONField(default=list)  # keys of Pack.quality: what is wrong with the photo
    # One form, one remark: the key is drawn with the form, so a double click writes once.
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    # Whether a notice left for it: the next ones are not told until somebody has read.
    told = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RemarkQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "author", "key"], name="remark_once_per_form"),
            models.CheckConstraint(
                condition=~Q(text="") | Q(kind="retake_request"), name="remark_says_something"
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("text"), MOST_SAID), name="remark_is_short"
            ),
            # What a read mark and a retake point to: never another case's (migration 0007).
            models.UniqueConstraint(fields=["id", "case"], name="remark_of_its_case"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} on {self.case_id}"


class ReadMark(models.Model):
    """How far somebody has read what was said on a case. Only ever moves on."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="read_marks")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    upto = models.ForeignKey(Remark, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "person"], name="read_mark_once_per_person"),
        ]

    def __str__(self) -> str:
        return f"read up to {self.upto_id}"


class Retake(models.Model):
    """New photos that joined an open case, asked for or not. Its photos point here."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="retakes")
    # What it answers; null where nobody had asked.
    request = models.OneToOneField(Remark, models.PROTECT, null=True, related_name="retake")
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "key"], name="retake_once_per_form"),
            # What a photo points to: never another case's (migration 0007).
            models.UniqueConstraint(fields=["id", "case"], name="retake_of_its_case"),
        ]

    def __str__(self) -> str:
        return f"new photo of {self.case_id}"

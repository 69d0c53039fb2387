"""Signs of life. What is here may be lost: it comes again within a minute."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class Pulse(models.Model):
    """Something was alive at ``heard_at``, by the database's clock: one row each, written over."""

    class Kind(models.TextChoices):
        IO = "io", "An io worker"
        BEAT = "beat", "Beat: one of its calls arrived"
        SWEEP = "sweep", "A task of beat's schedule came to its end"
        STORAGE = "storage", "The folders of pictures and models were measured"

    # "io:<random>", "beat", "storage", or a task's name.
    name = models.CharField(max_length=80, primary_key=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    since = models.DateTimeField(db_default=Now(), editable=False)  # first heard of
    heard_at = models.DateTimeField()
    # Of the storage: bytes and files, see portal/operations/storage.py.
    said = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

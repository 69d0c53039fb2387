"""Cases of which nothing may be deleted, whatever the clock says."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from diagnoses.models.case import Case


class Hold(models.Model):
    """A case that a court, an insurer or a complaint needs whole; there until it is lifted."""

    case = models.OneToOneField(Case, models.PROTECT, related_name="hold")
    placed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["placed_at"]

    def __str__(self) -> str:
        return f"hold on {self.case_id}"

"""What another portal had on a case that was brought here from it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from accounts.fields import SealedJSONField
from diagnoses.models.case import Case


class CaseImport(models.Model):
    """Beside a case that came as an archive: from where, by whose hand, and all that was said of it
    there. None of it is ours: nothing here reads it but the page that shows it."""

    case = models.OneToOneField(Case, models.PROTECT, related_name="came")
    portal = models.CharField(max_length=200)  # as the archive calls it; nobody has proved it
    source_case = models.UUIDField()
    written_at = models.DateTimeField()  # the archive, by the other portal's clock
    digest = models.CharField(max_length=64)  # of all that was taken: the same archive once more
    by = models.ForeignKey(  # null: from the command line
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    at = models.DateTimeField(db_default=Now(), editable=False)
    record = SealedJSONField()  # case.json as it came

    class Meta:
        ordering: ClassVar = ["at"]

    def __str__(self) -> str:
        return f"{self.case_id} from {self.portal}"

"""Who did what."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One line of the audit trail. The database refuses to change or delete it."""

    at = models.DateTimeField(db_default=Now(), editable=False)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=60)
    about = models.CharField(max_length=120, blank=True)  # "case:<id>", "user:<id>", …
    detail = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["about", "-id"], name="audit_about")]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.about}"


class AuditLink(models.Model):
    """A line's place in the chain (:mod:`accounts.chain`). The database refuses to change it.

    ``digest`` is made of the line, of its place, and of the digest before it, with a key that the
    database does not have.
    """

    position = models.PositiveBigIntegerField(primary_key=True)  # from 1, without a gap
    entry = models.OneToOneField(AuditEntry, models.PROTECT, related_name="link")
    sealed_at = models.DateTimeField(editable=False)
    digest = models.CharField(max_length=64)  # hexadecimal

    class Meta:
        ordering: ClassVar = ["position"]

    def __str__(self) -> str:
        return f"{self.position}: {self.digest[:8]}"

"""What a check of the set-up found last, and when: the page shows it and asks nobody."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class SetupCheck(models.Model):
    """The last result of one kind of check; the next one takes its place.

    ``found`` holds ids, codes and the texts of templates: nothing about people, no credentials.
    """

    class Kind(models.TextChoices):
        TEMPLATES = "templates", "Twilio was asked about the templates"
        WEBHOOK = "webhook", "Our webhook was tried from outside"
        MAIL = "mail", "A test e-mail was sent"

    kind = models.CharField(max_length=10, choices=Kind.choices, unique=True)
    found: Any = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        ordering: ClassVar = ["kind"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.at:%Y-%m-%d %H:%M}"

"""The token a program shows, and what it may do with it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken


class Scope(models.TextChoices):
    """What a token can be good for. Never more than its owner may do."""

    CASES_READ = "cases:read", _("Read cases, photos and answers")
    CASES_WRITE = (
        "cases:write",
        _(
            "Send and withdraw cases, send photos, write about them, name marks, answer reminders, "
            "let a doctor of another clinic look; doctors bring cases from elsewhere"
        ),
    )
    REVIEWS_WRITE = (
        "reviews:write",
        _(
            "Read cases as a doctor, sign and amend, ask colleagues, record what a case turned out "
            "to be, write letters"
        ),
    )
    ACCOUNT_READ = "account:read", _("Read the account and its messages")
    ACCOUNT_WRITE = (
        "account:write",
        _("Change phone numbers, reminders, what was agreed to, and whom one looks after"),
    )
    ACCOUNT_EXPORT = "account:export", _("Download everything")
    FHIR_READ = "fhir:read", _("Read cases as FHIR")


class ApiToken(AbstractAuthToken):  # type: ignore[misc]  # knox ships no types
    """knox's token (a hash of it) with a name, its scopes and its use.

    Without scopes it opens nothing. ``used`` counts the requests within ``minute``.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=60, blank=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), default=list)
    last_used_at = models.DateTimeField(null=True, editable=False)
    minute = models.DateTimeField(null=True, editable=False)
    used = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering: ClassVar = ["-created"]

    def __str__(self) -> str:
        return f"token {self.public_id}"

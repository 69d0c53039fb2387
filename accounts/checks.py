"""What ``manage.py check --deploy`` says of accounts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from accounts import sealed


def add() -> None:
    """Once, when everything is loaded."""
    checks.register(data_keys, checks.Tags.security, deploy=True)


def data_keys(**_: Any) -> list[checks.CheckMessage]:
    """Keys of their own, and readable ones: with SECRET_KEY alone, one leak opens everything."""
    if not settings.DATA_KEYS and not settings.DEBUG and not settings.DEMO:
        words = "DATA_KEYS is not set: second factors would be sealed with SECRET_KEY."
        return [checks.Error(words, hint="docs/configuration.md", id="accounts.E001")]
    try:
        sealed.keys()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="accounts.E002")]
    return []

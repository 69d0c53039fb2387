"""What ``manage.py check`` says of the keys."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from accounts import sealed


@register(Tags.security)
def keys_are_keys(**_: Any) -> list[CheckMessage]:
    """Before anything is sealed with half a key."""
    try:
        sealed.data_keys()
    except ValueError as error:
        hint = "Make one with: openssl rand -base64 32"
        return [Error(str(error), hint=hint, id="accounts.E001")]
    return []


@register(Tags.security, deploy=True)
def keys_are_given(**_: Any) -> list[CheckMessage]:
    """In production the keys are not made of ``SECRET_KEY``: that one is changed now and then."""
    if settings.DATA_KEYS:
        return []
    hint = "Make one with: openssl rand -base64 32. Keep it apart from the database and pictures."
    return [Error("DATA_KEYS is not set.", hint=hint, id="accounts.E002")]

"""What ``manage.py check --deploy`` says of the keys."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security, deploy=True)
def keys_are_given(**_: Any) -> list[CheckMessage]:
    """In production the keys are not made of ``SECRET_KEY``: that one is changed now and then.

    One that is no key stops every process at its start (``AccountsConfig.ready``).
    """
    if settings.DATA_KEYS:
        return []
    hint = "Make one with: openssl rand -base64 32. Keep it apart from the database and pictures."
    return [Error("DATA_KEYS is not set.", hint=hint, id="accounts.E001")]

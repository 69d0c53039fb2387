"""Names of time zones, as the tz database has them."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError


def known_time_zone(name: str) -> None:
    """Raise ``ValidationError`` for a name that no clock goes by."""
    if name not in available_timezones():
        raise ValidationError("There is no such time zone. Write it like Europe/Madrid.")

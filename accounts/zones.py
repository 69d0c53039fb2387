"""Names of time zones, as the tz database has them, and the one of a phone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from django.core.exceptions import ValidationError
from phonenumbers.timezone import time_zones_for_geographical_number

ZONES = frozenset(available_timezones())


def known_time_zone(name: str) -> None:
    """Raise ``ValidationError`` for a name that no clock goes by."""
    if name not in ZONES:
        raise ValidationError("There is no such time zone. Write it like Europe/Madrid.")


def zone_of_phone(e164: str, at: datetime) -> ZoneInfo | None:
    """The zone a phone's number says it is from; None where its country has several that differ
    at that moment, and the number does not say which."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return None
    names = [name for name in time_zones_for_geographical_number(number) if name in ZONES]
    zones = [ZoneInfo(name) for name in names]
    offsets = {at.astimezone(zone).utcoffset() for zone in zones}
    return zones[-1] if len(offsets) == 1 else None

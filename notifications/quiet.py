"""Quiet hours: at night, where they are, nobody's phone rings for what can wait until morning.

Where somebody is, two things say: the country of their number, and their clinic. A phone is left in
peace while it is night by either, so that neither who lives abroad nor who kept the number of
another country is woken. Asked each time a message is about to leave, so a restart, a change of the
clocks or of the setting changes nothing that is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.zones import zone_of_phone
from notifications.models import PHONES, Message

LONGEST: Final = timedelta(hours=12)
_A_DAY: Final = timedelta(days=1)
_SOME_DAY: Final = date(2001, 1, 1)


@dataclass(frozen=True, slots=True)
class Night:
    """From ``begins`` until just before ``ends``, by the clock on the wall."""

    begins: time
    ends: time

    def holds(self, at: time) -> bool:
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


@lru_cache
def night(setting: str) -> Night | None:
    """Read "21-8" or "21:30-7:45"; None for "", which is never night.

    A night is shorter than twelve hours: so there is always a time that is day in two places.
    Raises ``ImproperlyConfigured``.
    """
    if not setting.strip():
        return None
    try:
        begins, ends = (_clock(part) for part in setting.split("-"))
    except ValueError as error:
        raise ImproperlyConfigured("QUIET_HOURS is like 21-8, or 21:30-7:45") from error
    length = (datetime.combine(_SOME_DAY, ends) - datetime.combine(_SOME_DAY, begins)) % _A_DAY
    if not timedelta(0) < length < LONGEST:
        raise ImproperlyConfigured("QUIET_HOURS must be a part of the day under twelve hours")
    return Night(begins, ends)


def _clock(raw: str) -> time:
    hour, _, minute = raw.strip().partition(":")
    return time(int(hour), int(minute or 0))


def morning(message: Message, now: datetime) -> datetime | None:
    """When a message may leave; None if it may now: it is urgent, rings nobody, or it is day."""
    hours = night(settings.QUIET_HOURS)
    if hours is None or message.urgent or message.channel not in PHONES:
        return None
    return end_of_night(hours, now, zones_of(message, now))


def zones_of(message: Message, now: datetime) -> list[ZoneInfo]:
    """By whose clocks it may be night: the phone's, if its number says where it is from, and the
    clinic's; without one, the portal's."""
    who = message.recipient or message.invitation
    clinic = who.clinic if who is not None else None
    zones = [clinic.zone if clinic is not None else ZoneInfo(settings.TIME_ZONE)]
    phone = zone_of_phone(message.address, now)
    return [phone, *zones] if phone is not None else zones


def end_of_night(hours: Night, now: datetime, zones: Sequence[ZoneInfo]) -> datetime | None:
    """The first moment after ``now`` that is day in every zone; None if this one is."""
    at = now
    for _ in range(2 * len(zones)):  # the morning of one may be the evening of the other
        for zone in zones:
            at = _day_in(hours, at, zone)
    return at if at > now else None


def _day_in(hours: Night, at: datetime, zone: ZoneInfo) -> datetime:
    """``at``, or the end of the night it is in."""
    local = at.astimezone(zone)
    if not hours.holds(local.time()):
        return at
    # Twice a year the clock shows a time twice, or never: of all that could be it, the next.
    mornings = (
        datetime.combine(local.date() + days, hours.ends.replace(fold=fold), zone)
        for days in (timedelta(0), _A_DAY)
        for fold in (0, 1)
    )
    return min(one for one in (morning.astimezone(UTC) for morning in mornings) if one > at)

"""Dates, numbers and tiers as people say them. Pure: no template, no request, no database."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from django.utils import timezone

TIERS = {"red": "Red", "amber": "Amber", "green": "Green"}
MEANINGS = {"red": "urgent", "amber": "soon", "green": "routine"}
UNSCORED = "Not scored"

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# A unit, its length, and from where on it is used: 23 hours and 40 minutes are one day.
UNITS = (
    ("month", timedelta(days=30), timedelta(days=60)),
    ("day", timedelta(days=1), timedelta(hours=23.5)),
    ("hour", timedelta(hours=1), timedelta(minutes=59.5)),
    ("minute", timedelta(minutes=1), timedelta(minutes=1)),
)


def percent_floor(share: float) -> str:
    """A share of one as a percentage that is never rounded up: 0.7996 is "79.9 %".

    The decimal the float prints as is what gets floored, so that 0.8 is "80.0 %" although
    0.8 * 100 and its kin are a hair off in binary.
    """
    tenths = (Decimal(repr(float(share))) * 100).quantize(Decimal("0.1"), rounding=ROUND_FLOOR)
    return f"{tenths} %"


def when(moment: datetime, now: datetime | None = None) -> str:
    """ "Tuesday 24 November, 17:00"; with the year where it is not this year's."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local:%A} {local.day} {local:%B}{year}, {local:%H:%M}"


def short_when(moment: datetime, now: datetime | None = None) -> str:
    """For tight places: "14:02" today, "24 Nov" this year, "24 Nov 2025" before."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}"


def in_time(moment: datetime, now: datetime | None = None) -> str:
    """How far off that is: "in two days", "three hours ago", "just now"."""
    gap = moment - (now or timezone.now())
    length = abs(gap)
    if length < timedelta(minutes=1):
        return "just now" if gap <= timedelta(0) else "in a moment"
    unit, size = next((unit, size) for unit, size, since in UNITS if length >= since)
    number = length // size if unit == "month" else round(length / size)
    return f"in {_count(number, unit)}" if gap > timedelta(0) else f"{_count(number, unit)} ago"


def tier_name(tier: str | None) -> str:
    """The word that always stands beside a tier's colour."""
    return TIERS.get(tier or "", UNSCORED)


def tier_meaning(tier: str | None) -> str:
    return MEANINGS.get(tier or "", "")


def _count(number: int, unit: str) -> str:
    said = NUMBERS[number] if number < len(NUMBERS) else str(number)
    return f"{said} {unit}" if number == 1 else f"{said} {unit}s"

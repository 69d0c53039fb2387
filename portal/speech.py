"""Dates, numbers and tiers as people say them, in the language of the page. Pure: no template, no
request, no database."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext_lazy, pgettext
from django.utils.translation import gettext_lazy as _

TIERS = {"red": _("Red"), "amber": _("Amber"), "green": _("Green")}
MEANINGS = {"red": _("urgent"), "amber": _("soon"), "green": _("routine")}
UNSCORED = _("Not scored")

NUMBERS = (
    *("", _("one"), _("two"), _("three"), _("four")),
    *(_("five"), _("six"), _("seven"), _("eight"), _("nine")),
)
# A unit, its length, and from where on it is used: 23 hours and 40 minutes are one day.
UNITS = (
    ("month", timedelta(days=30), timedelta(days=60)),
    ("day", timedelta(days=1), timedelta(hours=23.5)),
    ("hour", timedelta(hours=1), timedelta(minutes=59.5)),
    ("minute", timedelta(minutes=1), timedelta(minutes=1)),
)
AHEAD = {
    "month": ngettext_lazy("in one month", "in %(number)s months", "n"),
    "day": ngettext_lazy("in one day", "in %(number)s days", "n"),
    "hour": ngettext_lazy("in one hour", "in %(number)s hours", "n"),
    "minute": ngettext_lazy("in one minute", "in %(number)s minutes", "n"),
}
AGO = {
    "month": ngettext_lazy("one month ago", "%(number)s months ago", "n"),
    "day": ngettext_lazy("one day ago", "%(number)s days ago", "n"),
    "hour": ngettext_lazy("one hour ago", "%(number)s hours ago", "n"),
    "minute": ngettext_lazy("one minute ago", "%(number)s minutes ago", "n"),
}


def percent_floor(share: float) -> str:
    """A share of one as a percentage that is never rounded up: 0.7996 is "79.9 %".

    The decimal the float prints as is what gets floored, so that 0.8 is "80.0 %" although
    0.8 * 100 and its kin are a hair off in binary.
    """
    tenths = (Decimal(repr(float(share))) * 100).quantize(Decimal("0.1"), rounding=ROUND_FLOOR)
    return f"{number_format(tenths)} %"


def when(moment: datetime, now: datetime | None = None) -> str:
    """ "Tuesday 24 November, 17:00"; with the year where it is not this year's."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if local.year == today.year:
        return date_format(local, pgettext("a date, as Django writes it", "l j F, H:i"))
    return date_format(local, pgettext("a date, as Django writes it", "l j F Y, H:i"))


def day(moment: date) -> str:
    """ "26 November 2026": a day that may be long ago, in full."""
    return date_format(moment, pgettext("a date, as Django writes it", "j F Y"))


def short_when(moment: datetime, now: datetime | None = None) -> str:
    """For tight places: "14:02" today, "24 Nov" this year, "24 Nov 2025" before."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return date_format(local, pgettext("a date, as Django writes it", "j M"))
    return date_format(local, pgettext("a date, as Django writes it", "j M Y"))


def in_time(moment: datetime, now: datetime | None = None) -> str:
    """How far off that is: "in two days", "three hours ago", "just now"."""
    gap = moment - (now or timezone.now())
    length = abs(gap)
    if length < timedelta(minutes=1):
        return gettext("just now") if gap <= timedelta(0) else gettext("in a moment")
    unit, size = next((unit, size) for unit, size, since in UNITS if length >= since)
    n = length // size if unit == "month" else round(length / size)
    said = AHEAD[unit] if gap > timedelta(0) else AGO[unit]
    return str(said % {"n": n, "number": NUMBERS[n] if n < len(NUMBERS) else n})


def tier_name(tier: str | None) -> str:
    """The word that always stands beside a tier's colour."""
    return str(TIERS.get(tier or "", UNSCORED))


def tier_meaning(tier: str | None) -> str:
    return str(MEANINGS.get(tier or "", ""))


def seconds(value: float | None) -> str:
    """ "0.42 s", "12 s", "5 min": how long something takes; nothing is a dash."""
    if value is None:
        return "–"
    if value < 10:
        return f"{number_format(Decimal(f'{value:.2f}'))} s"
    if value < 120:
        return f"{round(value)} s"
    return f"{round(value / 60)} min"

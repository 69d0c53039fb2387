"""What failed, hour by hour, as bars and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from portal.operations import figures

HIGH = 40.0  # of the drawing; it is as wide as HOURS bars of WIDE
WIDE = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour: where its bar stands and how high it is, and its number for the table."""

    x: int
    y: float
    height: float
    n: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """The last 24 hours, the oldest first; ``to_do`` is "" where nothing failed."""

    fold: str  # the id of what its table is folded into
    title: str | Promise
    to_do: str | Promise
    bars: Sequence[Bar]
    total: int


def failed() -> list[Chart]:
    """One statement for both."""
    hours = figures.failures()
    return [
        _chart(
            "hours-of-scorings",
            _("Scorings given up, by the hour"),
            _("Their cases went to the doctors unscored. The inference workers’ log says why."),
            [(hour.at, hour.scorings) for hour in hours],
        ),
        _chart(
            "hours-of-messages",
            _("Messages that did not arrive, by the hour"),
            _("“Messages”, “Failed” lists them, and “Setting up messages” says what to mend."),
            [(hour.at, hour.messages) for hour in hours],
        ),
    ]


def _chart(
    fold: str,
    title: str | Promise,
    to_do: str | Promise,
    numbers: Sequence[tuple[datetime, int]],
) -> Chart:
    most = max(n for _at, n in numbers)
    bars = []
    for place, (at, n) in enumerate(numbers):
        height = round(HIGH * n / most, 1) if most else 0.0
        bars.append(Bar(WIDE * place, HIGH - height, height, n, at))
    total = sum(n for _at, n in numbers)
    return Chart(fold, title, to_do if total else "", bars, total)

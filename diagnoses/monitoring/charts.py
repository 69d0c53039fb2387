"""Where things stand in the drawings of the monitoring pages; the templates draw them.

Units are the SVG's own. Every drawing goes with a table of the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format

from diagnoses.monitoring.flow import MODALITIES, TIERS, Flow

WIDTH, HEIGHT = 300.0, 100.0
GAP = 0.2  # of a bar's place
WIDEST = 24.0
LABELLED = 6  # about so many days are written below

Value = Callable[[Flow], float | None]


@dataclass(frozen=True, slots=True)
class Part:
    """One colour of a bar."""

    name: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    most: int  # what the top of the drawing stands for


@dataclass(frozen=True, slots=True)
class Line:
    """``points`` as SVG writes them; a line breaks where there is no number."""

    name: str
    pieces: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    most: float
    limit: float | None = None  # where a line across stands, if there is one


def tier_bars(days: Sequence[Flow]) -> Bars:
    """The most urgent at the bottom."""
    return _bars(days, TIERS[::-1], lambda day: day.tiers)


def modality_bars(days: Sequence[Flow]) -> Bars:
    return _bars(days, MODALITIES, lambda day: day.modalities)


def lines(
    days: Sequence[Flow], most: float | None = None, limit: float | None = None, **series: Value
) -> Lines:
    """One line for each of ``series``; ``most`` is the top, by default the largest there is."""
    found = {name: [value(day) for day in days] for name, value in series.items()}
    there = [value for values in found.values() for value in values if value is not None]
    top = most or max([*there, limit or 0.0]) or 1.0
    places = _places(len(days))
    drawn = tuple(_line(name, values, places, top) for name, values in found.items())
    across = None if limit is None else round(HEIGHT * (1 - min(1.0, limit / top)), 2)
    return Lines(drawn, _ticks(days, places), top, across)


def _bars(
    days: Sequence[Flow], names: Sequence[str], counts: Callable[[Flow], dict[str, int]]
) -> Bars:
    most = max((sum(counts(day).values()) for day in days), default=0) or 1
    places = _places(len(days))
    width = min(WIDEST, WIDTH / max(1, len(days)) * (1 - GAP))
    bars = []
    for place, day in zip(places, days, strict=True):
        reached, parts = 0, []
        for name in names:
            count = counts(day)[name]
            reached += count
            y = round(HEIGHT * (1 - reached / most), 2)
            parts.append(Part(name, y, round(HEIGHT * count / most, 2)))
        bars.append(Bar(round(place - width / 2, 2), round(width, 2), tuple(parts)))
    return Bars(tuple(bars), _ticks(days, places), most)


def _line(name: str, values: Sequence[float | None], places: Sequence[float], top: float) -> Line:
    pieces: list[list[tuple[float, float]]] = [[]]
    for place, value in zip(places, values, strict=True):
        if value is None:
            pieces.append([])
        else:
            share = min(1.0, max(0.0, value / top))
            pieces[-1].append((place, round(HEIGHT * (1 - share), 2)))
    written = [" ".join(f"{x:g},{y:g}" for x, y in piece) for piece in pieces if len(piece) > 1]
    return Line(name, tuple(written), tuple(dot for piece in pieces for dot in piece))


def _places(count: int) -> list[float]:
    """The middle of each day's place."""
    return [round(WIDTH * (number + 0.5) / max(1, count), 2) for number in range(count)]


def _ticks(days: Sequence[Flow], places: Sequence[float]) -> tuple[Tick, ...]:
    step = max(1, -(-len(days) // LABELLED))
    return tuple(
        Tick(place, short(day.day))
        for number, (day, place) in enumerate(zip(days, places, strict=True))
        if number % step == 0 and day.day
    )


def short(day: date | None) -> str:
    """ "24 Nov"."""
    return date_format(day, "j M") if day else ""

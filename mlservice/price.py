"""The price of the 80 % rule as its page shows it: now, and with another threshold beside it.

The numbers are :mod:`mlservice.engine.rule`'s. Every figure is written out for each threshold on
the server, in the reader's language: the page's script only picks one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

from django.utils.translation import gettext as _

from mlservice import registry
from mlservice.engine import BundleError
from mlservice.engine.intervals import wilson
from mlservice.engine.rule import THRESHOLDS, LabelPrice, RulePrice, Totals, place_of, read_rule
from mlservice.models import ModelVersion
from mlservice.numbers import pack_of

BETWEEN: Final = "|"  # stands in none of the figures
STEP: Final = 2.0  # units of the drawing from one threshold to the next
HEIGHT: Final = 100.0


@dataclass(frozen=True, slots=True)
class Series:
    """One figure at each of the thresholds: ``now`` and ``tried`` are the two places to read."""

    words: tuple[str, ...]
    at_now: int
    at_tried: int

    @property
    def now(self) -> str:
        return self.words[self.at_now]

    @property
    def tried(self) -> str:
        return self.words[self.at_tried]

    @property
    def every(self) -> str:
        """For the page's script, which shows the one under the slider."""
        return BETWEEN.join(self.words)


@dataclass(frozen=True, slots=True)
class Figure:
    text: str
    series: Series


@dataclass(frozen=True, slots=True)
class Row:
    """The pictures of one label: how many the rule leaves unnamed, with its interval; how many of
    those end GREEN; how many are named rightly."""

    name: str
    title: str
    harmful: bool
    n: int
    missed: Series
    green: Series
    right: Series


@dataclass(frozen=True, slots=True)
class Curve:
    """``points`` as SVG has them; ``kind`` names its stroke."""

    kind: str
    text: str
    points: str


@dataclass(frozen=True, slots=True)
class Line:
    """One threshold in the table of all of them."""

    percent: int
    harmful: Totals
    everyone: Totals


@dataclass(frozen=True, slots=True)
class Price:
    """The whole page's. ``now`` and ``tried`` are whole per cents, ``exact`` whether the threshold
    in force is one of those that were measured."""

    now: int
    tried: int
    exact: bool
    harmful: Totals  # at ``now``
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    lines: tuple[Line, ...]
    percents: Series
    at_now: int
    at_tried: int
    part: str
    n: int

    @property
    def moved(self) -> bool:
        return self.at_now != self.at_tried

    @property
    def x_now(self) -> float:
        return STEP * self.at_now

    @property
    def x_tried(self) -> float:
        return STEP * self.at_tried

    @property
    def step(self) -> float:
        return STEP

    @property
    def width(self) -> float:
        return STEP * (len(THRESHOLDS) - 1)


def of_version(version: ModelVersion) -> RulePrice:
    """What was measured for ``version``; raises :class:`BundleError` saying why nothing was."""
    manifest = registry.manifest(version)
    if manifest is None:
        raise BundleError(f"The files of {version} are not there.")
    folder = registry.bundle_folder(version)
    return read_rule(folder, manifest, version.manifest_hash, version.metrics)


def nearest(threshold: float) -> int:
    """The place of the threshold that is nearest to ``threshold``, which may be any."""
    return min(range(len(THRESHOLDS)), key=lambda place: abs(THRESHOLDS[place] - threshold))


def shown(price: RulePrice, version: ModelVersion, now: float, tried: float) -> Price:
    """``price`` with the threshold ``tried`` beside the one in force, ``now``."""
    at_now, at_tried = nearest(now), nearest(tried)
    places = range(len(THRESHOLDS))
    everyone = [price.totals(place) for place in places]
    harmful = [price.totals(place, price.harmful) for place in places]

    def series(words: Iterable[str]) -> Series:
        return Series(tuple(words), at_now, at_tried)

    return Price(
        now=round(100 * THRESHOLDS[at_now]),
        tried=round(100 * THRESHOLDS[at_tried]),
        exact=place_of(now) is not None,
        harmful=harmful[at_now],
        figures=tuple(Figure(text, series(words)) for text, words in _figures(harmful, everyone)),
        rows=tuple(_row(label, version, series) for label in _ordered(price)),
        curves=_curves(harmful, everyone),
        lines=tuple(
            Line(round(100 * THRESHOLDS[place]), harmful[place], everyone[place])
            for place in places
        ),
        percents=series(f"{round(100 * threshold)} %" for threshold in THRESHOLDS),
        at_now=at_now,
        at_tried=at_tried,
        part=price.part,
        n=everyone[0].n,
    )


def _ordered(price: RulePrice) -> list[LabelPrice]:
    """The harmful ones first, otherwise as the bundle has them."""
    return sorted(price.labels, key=lambda label: not label.harmful)


def _figures(harmful: Sequence[Totals], everyone: Sequence[Totals]) -> list[tuple[str, list[str]]]:
    return [
        (
            _("Harmful pictures that the rule calls “no disease”"),
            [with_interval(one.no_disease, one.n) for one in harmful],
        ),
        (
            _("Of these, ending GREEN"),
            [part_of(one.no_disease_green, one.no_disease) for one in harmful],
        ),
        (
            _("Pictures of any kind that get a name"),
            [with_interval(one.named, one.n) for one in everyone],
        ),
        (
            _("Of these, named rightly"),
            [with_interval(one.right, one.named) for one in everyone],
        ),
    ]


def _row(
    label: LabelPrice, version: ModelVersion, series: Callable[[Iterable[str]], Series]
) -> Row:
    pack = pack_of(version)
    titles = {one.name: one.title for one in pack.labels} if pack else {}
    return Row(
        label.name,
        titles.get(label.name, label.name),
        label.harmful,
        label.n,
        series(with_interval(count, label.n) for count in label.no_disease),
        series(str(count) for count in label.no_disease_green),
        series(
            part_of(right, label.n - missed)
            for right, missed in zip(label.right, label.no_disease, strict=True)
        ),
    )


def part_of(part: int, whole: int) -> str:
    """ "3 of 20"."""
    return _("%(part)s of %(whole)s") % {"part": part, "whole": whole}


def with_interval(part: int, whole: int) -> str:
    """ "84 of 202 (35–48 %)": the count and the 95 % interval of its share."""
    if not whole:
        return part_of(part, whole)
    low, high = (floor(100 * end + 0.5) for end in wilson(part, whole))
    return f"{part_of(part, whole)} ({low}–{high} %)"


def _curves(harmful: Sequence[Totals], everyone: Sequence[Totals]) -> tuple[Curve, ...]:
    drawn = {
        "missed": (
            _("harmful pictures called “no disease”"),
            [_share(one.no_disease, one.n) for one in harmful],
        ),
        "green": (
            _("harmful pictures called “no disease” and GREEN"),
            [_share(one.no_disease_green, one.n) for one in harmful],
        ),
        "named": (
            _("pictures of any kind that get a name"),
            [_share(one.named, one.n) for one in everyone],
        ),
        "right": (_("of the named, right"), [_share(one.right, one.named) for one in everyone]),
    }
    return tuple(Curve(kind, text, _points(shares)) for kind, (text, shares) in drawn.items())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _points(shares: Sequence[float]) -> str:
    return " ".join(
        f"{STEP * place:g},{HEIGHT * (1 - share):.1f}" for place, share in enumerate(shares)
    )

"""A version's numbers in words, each with its interval and what it is a number of.

They come from a bundle's ``metrics.json`` (keys: ``docs/model.md``), which anybody may have
written: what is not a number is shown as not measured, and breaks no page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mlservice.engine.gate import Line, Numbers
from mlservice.models import ModelVersion
from mlservice.packs import Pack, PackError
from mlservice.readers import pack_for_reader

# The label that the keys beginning so are about; a pack without it has no such rows.
OWN_LABEL: Final = {"melanoma": "mel"}
WORDS: Final[dict[str, str | Promise]] = {
    "bmca": gettext_lazy("Balanced accuracy"),
    "malignancy_auc": gettext_lazy("AUC, harmful against benign"),
    "melanoma_auc": gettext_lazy("AUC, %(label)s against the rest"),
    "macro_auc": gettext_lazy("AUC, each class against the rest, mean"),
    "melanoma_red": gettext_lazy("%(label)s in RED"),
    "melanoma_flagged": gettext_lazy("%(label)s in RED or AMBER"),
    "malignant_red": gettext_lazy("Harmful pictures in RED"),
    "malignant_flagged": gettext_lazy("Harmful pictures in RED or AMBER"),
    "green_malignant": gettext_lazy("Harmful pictures ending GREEN"),
    "green_benign": gettext_lazy("Benign pictures ending GREEN"),
    "red_benign": gettext_lazy("Benign pictures ending RED"),
    "ece": gettext_lazy("Calibration error"),
    "ece_excess": gettext_lazy("Calibration error above what chance alone shows"),
    "brier": gettext_lazy("Brier score (0 best, 2 worst)"),
    "rule_no_disease_malignant": gettext_lazy(
        "Harmful pictures that the 80 % rule alone calls “no disease”"
    ),
}
LOWER_IS_BETTER: Final = {
    "green_malignant", "red_benign", "ece", "ece_excess", "brier", "rule_no_disease_malignant",
}  # fmt: skip
COUNTS: Final = {"green_malignant", "rule_no_disease_malignant"}
OF_HARMFUL: Final = {"malignant_red", "malignant_flagged", *COUNTS}
OF_BENIGN: Final = {"green_benign", "red_benign"}
NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class Span:
    """A number and its interval on a line from 0 to 100, to be drawn."""

    value: float
    low: float
    high: float

    @property
    def mark(self) -> float:
        """Where the mark of the value begins: it stays on the line."""
        return min(self.value, 98.8)

    @property
    def width(self) -> float:
        return max(self.high - self.low, 0.5)


@dataclass(frozen=True, slots=True)
class Number:
    """One number as it is read: ``value`` "0.755", ``interval`` "0.684–0.820", ``of`` 1004."""

    text: str
    value: str
    interval: str
    of: int | None
    raw: float | None
    span: Span | None

    @property
    def measured(self) -> bool:
        return self.raw is not None


@dataclass(frozen=True, slots=True)
class OfClass:
    """One label's numbers."""

    name: str
    title: str
    harmful: bool
    pictures: int | None
    recall: Number
    precision: Number
    f1: Number
    auc: Number


def pack_of(version: ModelVersion) -> Pack | None:
    try:
        return pack_for_reader(version.pack)
    except PackError:
        return None


def text_of(name: str, pack: Pack | None) -> str:
    """A number's name in words; "" where it is about a label that the pack does not have."""
    own = OWN_LABEL.get(name.partition("_")[0])
    if own is None:
        return str(WORDS[name])
    titles = {label.name: label.short for label in pack.labels} if pack else {}
    return str(WORDS[name]) % {"label": titles[own]} if own in titles else ""


def rows(version: ModelVersion) -> list[Number]:
    """The numbers of the frozen test part, in the order they are read."""
    pack = pack_of(version)
    named = ((name, text_of(name, pack)) for name in WORDS)
    return [number(version.metrics, name, text) for name, text in named if text]


def number(metrics: Numbers, name: str, text: str) -> Number:
    raw, limits = real(metrics.get(name)), between(metrics.get(f"{name}_interval"))
    return _number(text, raw, limits, of=_of(metrics, name), count=name in COUNTS)


def classes(version: ModelVersion, labels: Sequence[str]) -> list[OfClass]:
    """Label by label, in the order of ``labels``."""
    pack, metrics = pack_of(version), version.metrics
    known = {label.name: label for label in pack.labels} if pack else {}
    found = []
    for name in labels:
        shares = [_by_label(metrics, key, name) for key in ("recall", "precision", "f1", "auc")]
        label = known.get(name)
        found.append(
            OfClass(
                name,
                label.title if label else name,
                bool(label and label.harmful),
                _whole(_inside(metrics, "classes", name)),
                *shares,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Cell:
    count: int
    shade: int  # 0 to 4: how much of its row
    right: bool


def confusion(metrics: Numbers, labels: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """Rows true, columns said, in the order of ``labels``; empty where it is not there whole."""
    table = metrics.get("confusion")
    square = isinstance(table, list) and len(table) == len(labels)
    if not square or not all(
        isinstance(row, list) and len(row) == len(labels) for row in table or ()
    ):
        return []
    counts = [[_whole(cell) for cell in row] for row in table or ()]
    found = []
    for i, row in enumerate(counts):
        if any(cell is None for cell in row):
            return []
        total = max(1, sum(cell or 0 for cell in row))
        shades = [min(4, -(-(cell or 0) * 4 // total)) for cell in row]
        cells = [Cell(cell or 0, shades[k], i == k) for k, cell in enumerate(row)]
        found.append((labels[i], cells))
    return found


# --- The gate, in words --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of the gate as it is read."""

    text: str
    value: str
    incumbent: str  # of the one in service; "" where the condition is about itself alone
    limit: str
    met: bool


def conditions(lines: Sequence[Line], pack: Pack | None) -> list[Condition]:
    return [_condition(line, text_of(line.name, pack) or line.name) for line in lines]


def _condition(line: Line, text: str) -> Condition:
    limit = _("at least %(limit)s") if line.better == "higher" else _("at most %(limit)s")
    said = limit % {"limit": _plain(line.limit, count=line.name in COUNTS)}
    if line.beside:
        allowed = _plain(line.allowed, count=line.name in COUNTS)
        said = _("%(limit)s: no worse by more than %(margin)s") % {"limit": said, "margin": allowed}
    beside = _plain(line.incumbent, count=line.name in COUNTS) if line.beside else ""
    return Condition(text, _plain(line.value, count=line.name in COUNTS), beside, said, line.met)


# --- Two versions --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Beside:
    """The same number of two versions; ``better`` is "one", "other" or "" for neither."""

    one: Number
    other: Number
    difference: str
    better: str


def side_by_side(one: ModelVersion, other: ModelVersion) -> list[Beside]:
    pairs = zip(WORDS, zip(rows_by_name(one), rows_by_name(other), strict=True), strict=True)
    return [
        Beside(a, b, *_difference(a, b, name))
        for name, (a, b) in pairs
        if a.text and (a.measured or b.measured)
    ]


def rows_by_name(version: ModelVersion) -> list[Number]:
    pack = pack_of(version)
    return [number(version.metrics, name, text_of(name, pack)) for name in WORDS]


def _difference(one: Number, other: Number, name: str) -> tuple[str, str]:
    if one.raw is None or other.raw is None:
        return NOTHING, ""
    by = one.raw - other.raw
    sign = "+" if by > 0 else "−" if by < 0 else "±"
    said = f"{sign}{_plain(abs(by), count=name in COUNTS)}"
    if by == 0:
        return said, ""
    return said, "one" if (by < 0) == (name in LOWER_IS_BETTER) else "other"


# --- Small things --------------------------------------------------------------------------------


def real(value: object) -> float | None:
    """``value`` if it is a number, else ``None``."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:  # JSON has whole numbers of any length
        return None
    return found if math.isfinite(found) else None


def between(value: object) -> tuple[float, float] | None:
    """``value`` if it is an interval, else ``None``."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    low, high = (real(end) for end in value)
    return None if low is None or high is None else (low, high)


def _number(
    text: str,
    raw: float | None,
    limits: tuple[float, float] | None,
    *,
    of: int | None,
    count: bool = False,
) -> Number:
    interval = ""
    if raw is not None and limits is not None:
        places = 1 if count else 3
        interval = "–".join(_written(end, places) for end in limits)
    span = None
    scale = float(of or 0) if count else 1.0
    if raw is not None and scale:
        low, high = limits or (raw, raw)
        span = Span(*(_share(x / scale) for x in (raw, low, high)))
    return Number(text, _plain(raw, count=count), interval, of, raw, span)


def _share(value: float) -> float:
    return round(100 * min(1.0, max(0.0, value)), 2)


def _plain(value: float | None, *, count: bool) -> str:
    if value is None:
        return NOTHING
    return _written(value, 0 if count else 3)


def _written(value: float, places: int) -> str:
    """Rounded as the card rounds it; Django alone would cut it off."""
    return number_format(Decimal(f"{value:.{places}f}"), places).replace("-", "−")


def _of(metrics: Numbers, name: str) -> int | None:
    everyone, harmful = _whole(metrics.get("n")), _whole(metrics.get("n_malignant"))
    if own := OWN_LABEL.get(name.partition("_")[0]):
        return None if name.endswith("_auc") else _whole(_inside(metrics, "classes", own))
    if name in OF_HARMFUL:
        return harmful
    if name in OF_BENIGN:
        return None if everyone is None or harmful is None else everyone - harmful
    return everyone


def _by_label(metrics: Numbers, key: str, name: str) -> Number:
    limits = between(_inside(metrics, f"{key}_interval", name))
    return _number("", real(_inside(metrics, key, name)), limits, of=None)


def _inside(metrics: Numbers, key: str, name: str) -> Any:
    table = metrics.get(key)
    return table.get(name) if isinstance(table, dict) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

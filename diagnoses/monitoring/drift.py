"""Whether what comes in still looks like what came at first, and like the training pictures.

Against training stands the distance of embeddings: a bundle's cut is a quantile of the distances of
its calibration pictures, so the share beyond it is known in advance. Bundles keep no brightness and
no sharpness of the training pictures; those are held against the version's own first views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from diagnoses.monitoring.scope import Scope
from mlservice.engine.types import Tier

Doubles = NDArray[np.float64]

# The first views of a version are what its later ones are held against.
FIRST: Final = 200
LAST: Final = 100
# Fifths: with more bins, a hundred views differ by chance alone as much as the limit.
BINS: Final = 5
# Siddiqi's rule of thumb for the population stability index.
SHIFTED, MUCH_SHIFTED = 0.10, 0.25
# Of the calibration pictures 1 in 100 lies beyond the cut (training/gate.py).
MUCH_FAR: Final = 0.10

WHAT: Final[dict[str, str | Promise]] = {
    "confidence": _("Confidence"),
    "risk": _("Risk"),
    "distance": _("Distance from the training pictures"),
    "brightness": _("Brightness of the photo"),
    "focus": _("Sharpness of the photo"),
}
_OF_PHOTO: Final = ("brightness", "focus")
_COLUMNS: Final = (
    *("pk", "confidence", "risk", "distance", "out_of_distribution"),
    *("no_disease", "tier", "photo__quality"),
)


@dataclass(frozen=True, slots=True)
class Shift:
    """One measure of the last views against the first; ``index`` is None without enough of both."""

    name: str
    text: str | Promise
    first: float | None  # medians
    last: float | None
    index: float | None

    @property
    def level(self) -> str:
        """ "", "some" or "much"."""
        if self.index is None or self.index < SHIFTED:
            return ""
        return "much" if self.index >= MUCH_SHIFTED else "some"


@dataclass(frozen=True, slots=True)
class Drift:
    """``far`` is the share of the last views beyond the bundle's cut."""

    first: int
    last: int
    shifts: Sequence[Shift]
    far: float | None
    no_disease: tuple[float, float] = (0.0, 0.0)  # shares of the first and of the last views
    red: tuple[float, float] = (0.0, 0.0)

    @property
    def enough(self) -> bool:
        return self.first == FIRST and self.last == LAST


def drift(scope: Scope) -> Drift:
    """The last views, of whatever period, against the first; one statement."""
    views = scope.all_views().values(*_COLUMNS)
    # What is among both comes once.
    both = views.order_by("pk")[:FIRST].union(views.order_by("-pk")[:LAST])
    rows = sorted((_row(row) for row in both), key=lambda row: int(row["pk"]))
    first, last = rows[:FIRST], rows[FIRST:]
    enough = len(first) == FIRST and len(last) == LAST
    shifts = [_shift(name, first, last, enough=enough) for name in WHAT]
    far = float(np.mean([row["far"] for row in last])) if len(last) == LAST else None
    return Drift(
        len(first),
        len(last),
        shifts,
        far,
        (_share(first, "no_disease"), _share(last, "no_disease")),
        (_share(first, "red"), _share(last, "red")),
    )


def stability_index(first: Doubles, last: Doubles) -> float:
    """The population stability index of ``last`` over the fifths of ``first``; 0 is no change.

    A bin that is empty counts half a case, so that the logarithm exists.
    """
    edges = np.quantile(first, np.linspace(0, 1, BINS + 1)[1:-1])
    counts = [np.bincount(np.searchsorted(edges, x), minlength=BINS) for x in (first, last)]
    before, after = (np.maximum(count, 0.5) / count.sum() for count in counts)
    return float(((after - before) * np.log(after / before)).sum())


def _share(rows: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.mean([row[name] for row in rows])) if rows else 0.0


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """One view's measures by name."""
    quality = row["photo__quality"]
    measures = {name: quality.get(name) for name in _OF_PHOTO}
    far, red = row["out_of_distribution"], row["tier"] == Tier.RED.value
    return row | measures | {"far": far, "red": red}


def _shift(
    name: str, first: Sequence[dict[str, Any]], last: Sequence[dict[str, Any]], *, enough: bool
) -> Shift:
    before, after = (
        np.array([row[name] for row in rows if row[name] is not None], np.float64)
        for rows in (first, last)
    )
    enough = enough and bool(len(before) and len(after))
    return Shift(
        name,
        WHAT[name],
        float(np.median(before)) if enough else None,
        float(np.median(after)) if enough else None,
        stability_index(before, after) if enough else None,
    )

"""What a version must reach on its frozen test part: by itself, and beside the one in service.

Arithmetic on the numbers of ``metrics.json`` (their keys: ``docs/model.md``); the network is not
run. By itself, so that a version may be shipped at all (:func:`release_gate`). Beside another one,
so that it may take its place (:func:`margin_lines`), which says something only where both were
measured on the same pictures: :func:`frozen_set` names them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Numbers = Mapping[str, Any]

# By the picture alone. About 200 harmful pictures: four of them is the 95 % bound of a true 1 %;
# the shares say that the triage is worth something.
MOST_GREEN = 4
LEAST_BENIGN_GREEN = 0.25
MOST_BENIGN_RED = 0.45
_ROUNDING = 1e-9  # 0.80 - 0.02 is not below 0.78


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse a version may be than the one in service, in one number."""

    name: str  # the key in metrics.json
    allowed: float  # in the number's own unit
    better: Literal["higher", "lower"] = "higher"
    # Of a number that is better the lower it is: below this it is as good as it can be.
    enough: float | None = None


# One or two pictures of the frozen test part each; a share of 100 pictures moves by 0.01.
MARGINS = (
    Margin("bmca", 0.02),
    Margin("melanoma_red", 0.02),
    Margin("melanoma_flagged", 0.01),
    Margin("malignant_red", 0.02),
    Margin("malignant_flagged", 0.01),
    # What is above the error that perfect calibration shows at this number of pictures.
    Margin("ece_excess", 0.02, "lower", enough=0.0),
    Margin("green_malignant", 1, "lower"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One condition: the candidate's number, and what it is held against.

    ``limit`` is the number it may not pass. Of a condition beside another version, ``incumbent``
    is that one's number and ``allowed`` the margin between them; of one by itself both are
    ``None``. What was not measured is ``None``, and does not meet anything.
    """

    name: str
    better: Literal["higher", "lower"]
    value: float | None
    limit: float | None
    met: bool
    incumbent: float | None = None
    allowed: float | None = None

    @property
    def beside(self) -> bool:
        """Whether it compares with the version in service."""
        return self.allowed is not None


def release_gate(metrics: Numbers) -> dict[str, bool]:
    """Whether each condition is met, and ``passed`` for all of them.

    What could not be measured, for want of harmful or of benign pictures, is not met.
    """
    lines = release_lines(metrics)
    met = {line.name: line.met for line in lines}
    return {"passed": all(met.values()), **met}


def release_lines(metrics: Numbers) -> list[Line]:
    """The conditions that a version meets or not by itself."""
    green = _number(metrics, "green_malignant") if _number(metrics, "n_malignant") else None
    return [
        _at_most("green_malignant", green, MOST_GREEN),
        _at_least("green_benign", _number(metrics, "green_benign"), LEAST_BENIGN_GREEN),
        _at_most("red_benign", _number(metrics, "red_benign"), MOST_BENIGN_RED),
    ]


def margin_lines(candidate: Numbers, incumbent: Numbers) -> list[Line]:
    """Whether ``candidate`` is not worse than ``incumbent`` by more than the margins.

    A number that neither has is left out: another disease area knows no melanoma. One that only
    the candidate lacks is not met.
    """
    lines = []
    for margin in MARGINS:
        value, other = _number(candidate, margin.name), _number(incumbent, margin.name)
        if value is not None or other is not None:
            lines.append(_beside(margin, value, other))
    return lines


def frozen_set(training: Mapping[str, Any], metrics: Numbers) -> str:
    """Which pictures the numbers are of: SHA-256 (hex); "" where the bundle does not say.

    ``training`` is the manifest's. The pictures and their labels are in ``data_hash``, who is in
    which part in ``split_hash``.
    """
    names = [training.get("data_hash"), training.get("split_hash"), metrics.get("part")]
    if not all(isinstance(name, str) and name for name in names):
        return ""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def _beside(margin: Margin, value: float | None, other: float | None) -> Line:
    limit = None
    if other is not None:
        start = other if margin.enough is None else max(other, margin.enough)
        limit = start - margin.allowed if margin.better == "higher" else start + margin.allowed
    hold = _at_least if margin.better == "higher" else _at_most
    held = hold(margin.name, value, limit)
    # Where the one in service has no such number, there is nothing to be worse than.
    met = value is not None if limit is None else held.met
    return Line(margin.name, margin.better, value, limit, met, other, margin.allowed)


def _at_least(name: str, value: float | None, limit: float | None) -> Line:
    met = value is not None and limit is not None and value >= limit - _ROUNDING
    return Line(name, "higher", value, limit, met)


def _at_most(name: str, value: float | None, limit: float | None) -> Line:
    met = value is not None and limit is not None and value <= limit + _ROUNDING
    return Line(name, "lower", value, limit, met)


def _number(metrics: Numbers, name: str) -> float | None:
    """The number, or ``None`` for whatever is none: a bundle may come from anywhere."""
    value = metrics.get(name)
    known = isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - NaN
    return value if known else None

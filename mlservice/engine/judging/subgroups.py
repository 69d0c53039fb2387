"""The same numbers group by group: where a group is too small, it says so instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlservice.engine.judging.bootstrap import Interval
from mlservice.engine.judging.judged import Flags, Judged
from mlservice.engine.judging.measures import Measure, Shares, auc_of
from mlservice.engine.types import Tier

ENOUGH = 30
NOT_ENOUGH = "not enough cases"
AUC = "malignancy_auc"
Groups = dict[str, dict[str, Flags]]


def age_band(age: float | None) -> str:
    bands = ((30, "under 30"), (50, "30 to 49"), (70, "50 to 69"), (np.inf, "70 and over"))
    known = age is not None and np.isfinite(age)
    return (
        next(name for top, name in bands if age < top) if known and age is not None else "unknown"
    )


def groups_of(judged: Judged) -> Groups:
    """Kind -> value -> who belongs to it; every picture is in one group of each kind."""
    found: Groups = {}
    for kind in judged.rows[0].groups:
        values = np.array([row.groups[kind] for row in judged.rows])
        found[kind] = {str(value): values == value for value in sorted(set(values))}
    return found


def group_shares(judged: Judged) -> Shares:
    """``subgroup|kind|value|number`` -> (part, whole), of the numbers with enough cases."""
    return {
        f"{prefix}{name}": flags
        for prefix, inside in _prefixed(judged)
        for name, flags in _numbers(judged, inside).items()
        if flags[1].sum() >= ENOUGH
    }


def group_aucs(judged: Judged) -> dict[str, Measure]:
    """Likewise the AUC of the risk, harmful against benign, where there are enough of both."""
    return {
        f"{prefix}{AUC}": auc_of(judged.sick, judged.risks, inside)
        for prefix, inside in _prefixed(judged)
        if min((inside & judged.sick).sum(), (inside & ~judged.sick).sum()) >= ENOUGH
    }


def _prefixed(judged: Judged) -> Iterator[tuple[str, Flags]]:
    for kind, values in groups_of(judged).items():
        for value, inside in values.items():
            yield f"subgroup|{kind}|{value}|", inside


def _numbers(judged: Judged, inside: Flags) -> Shares:
    sick, well = inside & judged.sick, inside & ~judged.sick
    red, green = judged.tier_is(Tier.RED), judged.tier_is(Tier.GREEN)
    return {
        "accuracy": (judged.guess == judged.targets, inside),
        "malignant_red": (red, sick),
        "malignant_flagged": (~green, sick),
        "green_benign": (green, well),
        "red_benign": (red, well),
    }


def subgroups(
    judged: Judged, found: Mapping[str, float | None], spread: Mapping[str, Interval | None]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Kind -> value -> numbers, from the measures above and their intervals."""
    return {
        kind: {
            value: _group(judged, inside, f"subgroup|{kind}|{value}|", found, spread)
            for value, inside in values.items()
        }
        for kind, values in groups_of(judged).items()
    }


def _group(
    judged: Judged,
    inside: Flags,
    prefix: str,
    found: Mapping[str, float | None],
    spread: Mapping[str, Interval | None],
) -> dict[str, Any]:
    n = int(inside.sum())
    if n < ENOUGH:
        return {"n": n, "note": NOT_ENOUGH}
    group: dict[str, Any] = {
        "n": n,
        "lesions": len(np.unique(judged.lesions[inside])),
        "n_malignant": int((inside & judged.sick).sum()),
        "green_malignant": int((inside & judged.sick & judged.tier_is(Tier.GREEN)).sum()),
    }
    for name in (*_numbers(judged, inside), AUC):
        group[name] = found.get(prefix + name, NOT_ENOUGH)
        group[f"{name}_interval"] = spread.get(prefix + name)
    return group

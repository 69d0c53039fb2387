"""The numbers on a labelled set, each with its interval by bootstrap over lesions.

The keys are documented in ``docs/model.md`` and stay. What does not exist (the recall of a class
that does not occur) is ``None``, never 0 and never ``nan``, so that the numbers are strict JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlservice.engine.gate import release_gate
from mlservice.engine.judging.bootstrap import (
    RESAMPLES,
    Interval,
    error_percentiles,
    exact_interval,
    percentiles,
    resampled,
)
from mlservice.engine.judging.judged import Doubles, Flags, Judged
from mlservice.engine.judging.measures import (
    Measure,
    Shares,
    auc_of,
    bin_of,
    calibration_error,
    calibration_error_of,
    cut_at,
    expected_calibration_error,
    f1_of,
    mean_of,
    mean_over,
    once,
    share_of,
    shares_of,
    specificity_at,
)
from mlservice.engine.judging.subgroups import group_aucs, group_shares, subgroups
from mlservice.engine.types import Tier

MELANOMA = "mel"
BY_CLASS = ("recall", "precision", "f1", "auc")


def measure(judged: Judged, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Every number of the card; ``<name>_interval`` is the 95 % one, over lesions."""
    shares = _shares(judged) | _class_shares(judged) | group_shares(judged)
    others = _others(judged) | _class_others(judged) | group_aucs(judged)
    whole = once(len(judged.rows))
    values = shares_of(shares)(whole) | {name: other(whole) for name, other in others.items()}
    found = {name: _number(value) for name, value in values.items()}
    draws = resampled(shares, others, judged.lesions, resamples, seed)
    spread = {
        name: _interval(name, found[name], values, shares.get(name), judged)
        for name, values in draws.items()
    }
    own = [name for name in found if "|" not in name]
    intervals: dict[str, Any] = {f"{name}_interval": spread[name] for name in own}
    intervals |= {
        f"{kind}_interval": {name: spread[f"{kind}|{name}"] for name in judged.labels}
        for kind in BY_CLASS
    }
    expected = expected_calibration_error(judged.probabilities.max(1))
    numbers: dict[str, Any] = {
        "n": len(judged.rows),
        "lesions": len(np.unique(judged.lesions)),
        "classes": {name: int(judged.is_class(name).sum()) for name in judged.labels},
        "n_malignant": int(judged.sick.sum()),
        **{name: found[name] for name in own},
        "ece_expected": expected,
        "ece_excess": float(values["ece"][0]) - expected,
        **_counts(judged),
        **_cuts(judged),
        **{k: {name: found[f"{k}|{name}"] for name in judged.labels} for k in BY_CLASS},
        "confusion": _confusion(judged),
        "reliability": reliability(judged),
        "rule": rule_price(judged),
        "subgroups": subgroups(judged, found, spread),
    }
    gate = release_gate(numbers)
    return numbers | intervals | {"release_gate": gate, "resamples": resamples}


def _confusion(judged: Judged) -> list[list[int]]:
    """Rows true, columns said, in the order of the labels."""
    size = len(judged.labels)
    cells = np.bincount(judged.targets * size + judged.guess, minlength=size * size)
    table: list[list[int]] = cells.reshape(size, size).tolist()
    return table


def reliability(judged: Judged) -> list[dict[str, float]]:
    """Of each bin of confidence with a picture in it: how many, how sure and how often right."""
    confidence = judged.probabilities.max(1)
    right = judged.guess == judged.targets
    bins = bin_of(confidence)
    return [
        {
            "n": int((bins == number).sum()),
            "confidence": float(confidence[bins == number].mean()),
            "right": float(right[bins == number].mean()),
        }
        for number in np.unique(bins)
    ]


def _number(values: Doubles) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])


def _shares(judged: Judged) -> Shares:
    """Name -> (part, whole): shares of pictures, 0 to 1."""
    everyone = np.ones(len(judged.rows), np.bool_)
    sick, well = judged.sick, ~judged.sick
    red, green = judged.tier_is(Tier.RED), judged.tier_is(Tier.GREEN)
    shares = {
        "accuracy": (judged.guess == judged.targets, everyone),
        **(_own(judged, red, green) if MELANOMA in judged.labels else {}),
        "malignant_red": (red, sick),
        "malignant_flagged": (~green, sick),
        "green_benign": (green, well),
        "red_benign": (red, well),
    }
    for suffix, cut in (("", judged.r95), ("_r99", judged.r99)):
        if cut is not None:
            shares[f"sensitivity{suffix}"] = (judged.risks >= cut, sick)
            shares[f"specificity{suffix}"] = (judged.risks < cut, well)
    return shares


def _own(judged: Judged, red: Flags, green: Flags) -> Shares:
    """Of the class that the first pack's release hangs on; other packs have no such numbers."""
    melanoma = judged.is_class(MELANOMA)
    return {"melanoma_red": (red, melanoma), "melanoma_flagged": (~green, melanoma)}


def _others(judged: Judged) -> dict[str, Measure]:
    p, truth, labels = judged.probabilities, judged.targets, judged.labels
    right = judged.guess == truth
    squares = ((p - np.eye(len(labels))[truth]) ** 2).sum(1)
    measures = {
        "bmca": mean_over([share_of(right, judged.is_class(name)) for name in labels]),
        "macro_auc": mean_over([_auc(judged, name) for name in labels]),
        **({"melanoma_auc": _auc(judged, MELANOMA)} if MELANOMA in labels else {}),
        "malignancy_auc": auc_of(judged.sick, judged.risks),
        "specificity_at_95_sensitivity": specificity_at(0.95, judged.risks, judged.sick),
        "specificity_at_99_sensitivity": specificity_at(0.99, judged.risks, judged.sick),
        "ece": calibration_error_of(p.max(1), right),
        "brier": mean_of(squares),  # summed over the classes: 0 best, 2 worst
    }
    if (raw := judged.raw) is not None:
        measures["ece_raw"] = calibration_error_of(raw.max(1), raw.argmax(1) == truth)
    return measures


def _auc(judged: Judged, name: str) -> Measure:
    """One class against the rest."""
    column = judged.labels.index(name) if name in judged.labels else 0
    return auc_of(judged.is_class(name), judged.probabilities[:, column])


def _class_shares(judged: Judged) -> Shares:
    """``recall|mel`` and so on."""
    shares: Shares = {}
    for number, name in enumerate(judged.labels):
        said, true = judged.guess == number, judged.is_class(name)
        shares |= {f"recall|{name}": (said, true), f"precision|{name}": (true, said)}
    return shares


def _class_others(judged: Judged) -> dict[str, Measure]:
    measures = {}
    for number, name in enumerate(judged.labels):
        measures[f"f1|{name}"] = f1_of(judged.guess == number, judged.is_class(name))
        measures[f"auc|{name}"] = _auc(judged, name)
    return measures


def _interval(
    name: str,
    value: float | None,
    values: Doubles,
    share: tuple[Flags, Flags] | None,
    judged: Judged,
) -> Interval | None:
    """The 95 % interval of one number from its values in the draws."""
    if value is None:
        return None
    alone = judged.lesions.max() == 0  # one lesion: nothing to draw from
    if share is not None and (alone or value in {0.0, 1.0}):
        return exact_interval(*share, judged.lesions)
    if alone:
        return None
    if name in {"ece", "ece_raw"}:
        return error_percentiles(values, value)
    return percentiles(values)


def _counts(judged: Judged) -> dict[str, Any]:
    """Numbers of harmful pictures, with exact intervals: draws know no spread of a zero."""
    sick, n = judged.sick, int(judged.sick.sum())
    green = judged.tier_is(Tier.GREEN)
    counts: dict[str, Any] = {}
    for name, flags in (
        ("green_malignant", green),
        ("rule_no_disease_malignant", judged.no_disease),
        ("rule_no_disease_malignant_green", judged.no_disease & green),
    ):
        limits = exact_interval(flags, sick, judged.lesions)
        counts[name] = int((flags & sick).sum())
        counts[f"{name}_interval"] = limits and (limits[0] * n, limits[1] * n)
    return counts


def _cuts(judged: Judged) -> dict[str, float | None]:
    """The shipped cuts, and where these very pictures would put them."""
    whole = once(len(judged.rows))
    return {
        "threshold": judged.threshold,
        "r95": judged.r95,
        "r99": judged.r99,
        "cut_at_95_sensitivity": _number(cut_at(0.95, judged.risks, judged.sick)(whole)),
        "cut_at_99_sensitivity": _number(cut_at(0.99, judged.risks, judged.sick)(whole)),
    }


def rule_price(judged: Judged) -> dict[str, dict[str, int]]:
    """For each harmful class: how many the plain 80 % rule calls "No disease", by tier."""
    price = {}
    for name in judged.harmful:
        missed = judged.is_class(name) & judged.no_disease
        tiers = {tier.value: int((missed & judged.tier_is(tier)).sum()) for tier in Tier}
        price[name] = {
            "n": int(judged.is_class(name).sum()),
            "no_disease": int(missed.sum()),
            **{f"no_disease_{tier}": count for tier, count in tiers.items()},
        }
    return price


__all__ = ["Doubles", "Flags", "Judged", "calibration_error", "measure", "rule_price"]

"""The numbers on a labelled set, each with its interval by bootstrap over lesions.

The keys are documented in ``docs/model.md`` and stay. A share that has nothing to be a share of
(no melanoma in the folder) is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score

from mlservice.engine.types import PictureAssessment, Tier
from training.data import Row

BINS = 15
RESAMPLES = 1000
ENOUGH = 30
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Pictures with what is true of them and what the computer said. Arrays of ``n`` rows."""

    labels: tuple[str, ...]
    harmful: tuple[str, ...]
    rows: tuple[Row, ...]
    targets: NDArray[np.int64]
    probabilities: Doubles  # (n, c), as served
    raw: Doubles  # (n, c), as served but with temperature 1
    tiers: NDArray[np.str_]
    no_disease: Flags
    threshold: float

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        assessed: Sequence[PictureAssessment],
        raw: Doubles,
        labels: tuple[str, ...],
        harmful: tuple[str, ...],
        threshold: float,
    ) -> Judged:
        return cls(
            labels,
            harmful,
            tuple(rows),
            np.array([labels.index(row.dx) for row in rows], np.int64),
            np.array([[a.probabilities[name] for name in labels] for a in assessed]),
            raw,
            np.array([a.tier.value for a in assessed]),
            np.array([a.no_disease for a in assessed]),
            threshold,
        )

    @property
    def sick(self) -> Flags:
        flags: Flags = np.isin(self.targets, [self.labels.index(name) for name in self.harmful])
        return flags

    @property
    def risks(self) -> Doubles:
        risks: Doubles = self.probabilities[:, [self.labels.index(n) for n in self.harmful]].sum(1)
        return risks

    def is_class(self, name: str) -> Flags:
        flags: Flags = self.targets == self.labels.index(name)
        return flags

    def tier_is(self, *tiers: Tier) -> Flags:
        flags: Flags = np.isin(self.tiers, [tier.value for tier in tiers])
        return flags

    def __getitem__(self, chosen: NDArray[np.int64]) -> Judged:
        return Judged(
            self.labels,
            self.harmful,
            tuple(self.rows[i] for i in chosen),
            self.targets[chosen],
            self.probabilities[chosen],
            self.raw[chosen],
            self.tiers[chosen],
            self.no_disease[chosen],
            self.threshold,
        )


def share(part: Flags, whole: Flags) -> float | None:
    """How much of ``whole`` is in ``part``."""
    return float((part & whole).sum() / whole.sum()) if whole.any() else None


def recalls(judged: Judged) -> dict[str, float | None]:
    right = judged.probabilities.argmax(1) == judged.targets
    return {name: share(right, judged.is_class(name)) for name in judged.labels}


def bmca(judged: Judged) -> float | None:
    """Balanced accuracy: the mean recall of the classes that occur."""
    found = [value for value in recalls(judged).values() if value is not None]
    return float(np.mean(found)) if found else None


def auc(truth: Flags, scores: Doubles) -> float | None:
    return float(roc_auc_score(truth, scores)) if truth.any() and not truth.all() else None


def macro_auc(judged: Judged) -> float | None:
    """Mean one-against-the-rest AUC of the classes that occur."""
    each = [
        auc(judged.is_class(name), judged.probabilities[:, i])
        for i, name in enumerate(judged.labels)
    ]
    found = [value for value in each if value is not None]
    return float(np.mean(found)) if found else None


def calibration_error(confidence: Doubles, right: Flags) -> float:
    """Expected calibration error over :data:`BINS` bins of equal width."""
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, confidence - right, BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def ece(judged: Judged, probabilities: Doubles | None = None) -> float:
    p = judged.probabilities if probabilities is None else probabilities
    return calibration_error(p.max(1), p.argmax(1) == judged.targets)


def ece_expected(judged: Judged, seed: int = 0, rounds: int = 200) -> float:
    """What a perfectly calibrated model of these confidences would show at this ``n``."""
    confidence, rng = judged.probabilities.max(1), np.random.default_rng(seed)
    drawn = [
        calibration_error(confidence, rng.random(len(confidence)) < confidence)
        for _ in range(rounds)
    ]
    return float(np.mean(drawn))


def brier(judged: Judged) -> float:
    """Mean squared error of the probabilities, summed over the classes (0 best, 2 worst)."""
    truth = np.eye(len(judged.labels))[judged.targets]
    return float(((judged.probabilities - truth) ** 2).sum(1).mean())


SCALARS: Mapping[str, Callable[[Judged], float | None]] = {
    "accuracy": lambda j: float((j.probabilities.argmax(1) == j.targets).mean()),
    "bmca": bmca,
    "macro_auc": macro_auc,
    "melanoma_auc": lambda j: auc(j.is_class("mel"), j.probabilities[:, j.labels.index("mel")]),
    "malignancy_auc": lambda j: auc(j.sick, j.risks),
    "ece_raw": lambda j: ece(j, j.raw),
    "ece": ece,
    "brier": brier,
    "melanoma_red": lambda j: share(j.tier_is(Tier.RED), j.is_class("mel")),
    "melanoma_flagged": lambda j: share(j.tier_is(Tier.RED, Tier.AMBER), j.is_class("mel")),
    "malignant_red": lambda j: share(j.tier_is(Tier.RED), j.sick),
    "malignant_flagged": lambda j: share(j.tier_is(Tier.RED, Tier.AMBER), j.sick),
    "green_benign": lambda j: share(j.tier_is(Tier.GREEN), ~j.sick),
    "red_benign": lambda j: share(j.tier_is(Tier.RED), ~j.sick),
}
COUNTS: Mapping[str, Callable[[Judged], int]] = {
    "n_malignant": lambda j: int(j.sick.sum()),
    "green_malignant": lambda j: int((j.tier_is(Tier.GREEN) & j.sick).sum()),
    "rule_no_disease_malignant": lambda j: int((j.no_disease & j.sick).sum()),
}


def measure(judged: Judged, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, object]:
    """Every number of the card; ``<name>_interval`` is the 95 % one, over lesions."""
    found: dict[str, object] = {
        "n": len(judged.rows),
        "lesions": len({row.lesion_id for row in judged.rows}),
        "classes": {name: int(judged.is_class(name).sum()) for name in judged.labels},
        **{name: count(judged) for name, count in COUNTS.items()},
        **{name: scalar(judged) for name, scalar in SCALARS.items()},
        "ece_expected": ece_expected(judged),
        "recall": recalls(judged),
        **_precision(judged),
        "confusion": confusion_matrix(
            judged.targets, judged.probabilities.argmax(1), labels=range(len(judged.labels))
        ).tolist(),
        "rule": rule_price(judged),
        "subgroups": subgroups(judged),
    }
    spread = intervals(judged, resamples, seed)
    found["recall_interval"] = {name: spread[f"recall.{name}"] for name in judged.labels}
    return found | {f"{name}_interval": spread[name] for name in SCALARS}


def _precision(judged: Judged) -> dict[str, dict[str, float | None]]:
    guess, precision, f1 = judged.probabilities.argmax(1), {}, {}
    for number, name in enumerate(judged.labels):
        right = judged.is_class(name)
        precision[name] = share(right, guess == number)
        both = right.sum() + (guess == number).sum()
        f1[name] = float(2 * (right & (guess == number)).sum() / both) if both else None
    return {"precision": precision, "f1": f1}


def intervals(judged: Judged, resamples: int, seed: int) -> dict[str, tuple[float, float] | None]:
    """95 % percentile intervals of :data:`SCALARS` and of each class's recall.

    Lesions are drawn with replacement, each with all its pictures. ``None`` where a number does
    not exist in most draws.
    """
    _, group = np.unique([row.lesion_id for row in judged.rows], return_inverse=True)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group))[:-1])
    rng = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {}
    for _ in range(resamples):
        chosen = rng.integers(0, len(members), len(members))
        drawn = judged[np.concatenate([members[i] for i in chosen])]
        values = {name: scalar(drawn) for name, scalar in SCALARS.items()}
        values |= {f"recall.{name}": value for name, value in recalls(drawn).items()}
        for name, value in values.items():
            draws.setdefault(name, []).append(np.nan if value is None else value)
    return {name: _interval(values) for name, values in draws.items()}


def _interval(values: list[float]) -> tuple[float, float] | None:
    existing = np.array(values)[~np.isnan(values)]
    if len(existing) < len(values) / 2:
        return None
    low, high = np.quantile(existing, (0.025, 0.975))
    return float(low), float(high)


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


def subgroups(judged: Judged) -> dict[str, dict[str, object]]:
    """Accuracy and triage by sex, age and site; under 30 pictures says so instead."""
    groups: dict[str, dict[str, object]] = {}
    keys: Mapping[str, Callable[[Row], str]] = {
        "sex": lambda row: row.sex or "unknown",
        "age": lambda row: _age_band(row.age),
        "site": lambda row: row.localization or "unknown",
    }
    for kind, key in keys.items():
        values = np.array([key(row) for row in judged.rows])
        groups[kind] = {
            str(value): _subgroup(judged[np.flatnonzero(values == value)])
            for value in sorted(set(values))
        }
    return groups


def _age_band(age: float | None) -> str:
    if age is None:
        return "unknown"
    bands = ((30, "under 30"), (50, "30 to 49"), (70, "50 to 69"))
    return next((name for top, name in bands if age < top), "70 and over")


def _subgroup(judged: Judged) -> dict[str, object]:
    n, sick = len(judged.rows), int(judged.sick.sum())
    if n < ENOUGH:
        return {"n": n, "note": "not enough cases"}
    enough = sick >= ENOUGH
    return {
        "n": n,
        "accuracy": SCALARS["accuracy"](judged),
        "n_malignant": sick,
        "malignant_flagged": SCALARS["malignant_flagged"](judged) if enough else "not enough cases",
        "malignant_red": SCALARS["malignant_red"](judged) if enough else "not enough cases",
        "green_benign": SCALARS["green_benign"](judged),
    }

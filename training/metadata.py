"""Do age, sex and body site help the picture? An experiment with a rule stated beforehand.

The network gives probabilities from the picture alone. Does a small model that also knows the
patient's age, sex and the site of the mark do better? Every model of
:mod:`training.metadata_models` is judged by repeated cross-validation, grouped by lesion, on the
parts of the split that did not train the network; the test part stays closed. ``dx_type`` is never
read: it leaks the label.

:data:`RULE` decides; it was written before the first number was seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mlservice.engine.judging.bootstrap import draws as lesion_draws
from mlservice.engine.judging.bootstrap import percentiles
from mlservice.engine.judging.judged import Doubles, Flags
from mlservice.engine.judging.measures import (
    Measure,
    Weights,
    auc_of,
    mean_of,
    mean_over,
    once,
    share_of,
    specificity_at,
)
from mlservice.engine.judging.subgroups import ENOUGH, NOT_ENOUGH
from training.calibrate import sensitivity_cut
from training.data import Row
from training.errors import TrainingError
from training.metadata_models import (
    UNKNOWN,
    Evidence,
    Found,
    alone,
    cross_validate,
    describe,
    logarithms,
    with_columns,
    with_prior,
)

LEAST_GAIN = 0.01
MOST_LOSS = 0.03
RULE = (
    "Metadata is adopted only if it gains at least 0.01 in malignancy AUC or in balanced accuracy "
    "over the picture alone, with a 95 % interval of that gain (bootstrap over lesions) that "
    "excludes zero, and if no subgroup by sex or age loses sensitivity at the 95 % cut. A subgroup "
    "of 30 or more harmful pictures loses when the interval of its change lies below zero or its "
    "sensitivity falls by 0.03 or more; smaller ones are listed, not judged."
)
FEATURES = ("age", "sex", "site")
SUBSETS = tuple(x for size in (1, 2, 3) for x in itertools.combinations(FEATURES, size))
GROUPS = ((40, "under 40"), (60, "40 to 59"), (75, "60 to 74"), (np.inf, "75 and over"))
YOUNG = GROUPS[0][1]
Draws = Sequence[Weights]  # in blocks, see mlservice.engine.judging.bootstrap.draws


def experiment(
    evidence: Evidence, *, seed: int = 7, folds: int = 5, repeats: int = 5, resamples: int = 1000
) -> dict[str, Any]:
    """Every subset both ways against the picture alone; the keys are in docs/experiments.md.

    Raises :class:`TrainingError` when a class has fewer lesions than there are folds.
    """
    _check(evidence, folds)
    draws = _draws(evidence, resamples, seed)
    told = {subset: alone(evidence, subset) for subset in SUBSETS}
    plans: list[tuple[str, Sequence[str], Doubles]] = [
        ("picture", (), logarithms(evidence.served)),
        *(("added", subset, with_columns(evidence, subset)) for subset in SUBSETS),
        *(("prior", subset, with_prior(evidence, told[subset])) for subset in SUBSETS),
    ]
    with tqdm(desc="fit", total=len(plans) * repeats * folds) as bar:
        answers = [
            cross_validate(evidence, method, columns, seed, folds, repeats, bar.update)
            for method, _, columns in plans
        ]
    numbers = [_numbers(evidence, found, draws) for found in tqdm(answers, "measure")]
    models = [_described(*plans[0][:2], answers[0], numbers[0])]
    for (method, features, _), found, own in zip(plans[1:], answers[1:], numbers[1:], strict=True):
        model = _described(method, features, found, own) | {"gain": _gain(own, numbers[0])}
        model |= _safety(evidence, answers[0], found, draws)
        models.append(model | _verdict(model))
    served = Found(evidence.served[None], evidence.served.argmax(1)[None])
    return {
        **_material(evidence),
        "seed": seed,
        "folds": folds,
        "repeats": repeats,
        "resamples": resamples,
        "rule": RULE,
        "as_served": _described("as served", (), served, _numbers(evidence, served, draws)),
        "metadata_alone": [
            _described("metadata alone", subset, found, _numbers(evidence, found, draws))
            for subset, found in told.items()
        ],
        "models": models,
        "adopt": _best(models[1:]),
    }


def _check(evidence: Evidence, folds: int) -> None:
    for number, name in enumerate(evidence.labels):
        own = {x for x, k in zip(evidence.lesions, evidence.targets, strict=True) if k == number}
        if len(own) < folds:
            raise TrainingError(
                f"The class {name!r} has {len(own)} held-out lesions, too few for {folds} folds: "
                "name fewer --folds, or split more data."
            )


def _material(evidence: Evidence) -> dict[str, Any]:
    labels, targets = evidence.labels, evidence.targets
    words = {name: describe(evidence.rows, (name,)) for name in FEATURES}
    return {
        "n": len(evidence.rows),
        "lesions": len(set(evidence.lesions)),
        "n_known": len(evidence.known),
        "classes": {name: int((targets == number).sum()) for number, name in enumerate(labels)},
        "unknown": {name: int((found == UNKNOWN).sum()) for name, found in words.items()},
    }


def _draws(evidence: Evidence, resamples: int, seed: int) -> Draws:
    """How often each picture counts: all once, then in ``resamples`` draws of the lesions."""
    _, lesions = np.unique(evidence.lesions, return_inverse=True)
    return [once(len(lesions)), *lesion_draws(lesions, resamples, seed)]


def _under(measure: Measure, draws: Draws) -> Doubles:
    """``(1 + resamples,)``: the number itself, then under each draw."""
    return np.concatenate([measure(block) for block in draws])


def _numbers(evidence: Evidence, found: Found, draws: Draws) -> dict[str, Doubles]:
    """Each number under each draw, the mean over the repeats: the first is the number itself.

    Two models' numbers are under the same draws, so that their difference is a paired one.
    """
    each = [
        {name: _under(measure, draws) for name, measure in _measures(evidence, *answers).items()}
        for answers in zip(found.probabilities, found.said, strict=True)
    ]
    return {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}


def _measures(
    evidence: Evidence, probabilities: Doubles, said: NDArray[np.int64]
) -> dict[str, Measure]:
    sick, risks = evidence.sick, evidence.risks(probabilities)
    own = [evidence.targets == number for number in range(len(evidence.labels))]
    chosen = probabilities[np.arange(len(said)), evidence.targets]
    aucs = [auc_of(true, probabilities[:, number]) for number, true in enumerate(own)]
    recalls = [share_of(said == number, true) for number, true in enumerate(own)]
    measures = {
        "bmca": mean_over(recalls),
        "macro_auc": mean_over(aucs),
        "malignancy_auc": auc_of(sick, risks),
        "log_loss": mean_of(-logarithms(chosen)),
        "benign_below_95": specificity_at(0.95, risks, sick),
        "benign_below_99": specificity_at(0.99, risks, sick),
    }
    measures |= {f"recall_{name}": recalls[k] for k, name in enumerate(evidence.labels)}
    if "mel" in evidence.labels:
        measures["melanoma_auc"] = aucs[evidence.labels.index("mel")]
    return measures


def _described(
    method: str, features: Sequence[str], found: Found, numbers: Mapping[str, Doubles]
) -> dict[str, Any]:
    name = (
        " + ".join(["picture", *features]) if method != "metadata alone" else " + ".join(features)
    )
    known = {key: float(values[0]) for key, values in numbers.items()}
    spread = {f"{key}_interval": percentiles(values[1:]) for key, values in numbers.items()}
    chosen = sorted(found.chosen)
    return {
        "name": f"{name} (prior)" if method == "prior" else name,
        "method": method,
        "features": list(features),
        **known,
        **spread,
        "chosen_median": float(np.median(chosen)) if chosen else None,
    }


def _gain(numbers: Mapping[str, Doubles], base: Mapping[str, Doubles]) -> dict[str, Any]:
    gain: dict[str, Any] = {}
    for name, values in numbers.items():
        gain[name] = float(values[0] - base[name][0])
        gain[f"{name}_interval"] = percentiles((values - base[name])[1:])
    return gain


def _safety(evidence: Evidence, picture: Found, found: Found, draws: Draws) -> dict[str, Any]:
    """Who is found less often, and what becomes of the young, with each model's own cuts."""
    was, now = (evidence.risks(one.probabilities.mean(0)) for one in (picture, found))
    before, after = _levels(evidence, was), _levels(evidence, now)
    ages = np.array([_group(row) for row in evidence.rows])
    kinds = {"sex": describe(evidence.rows, ("sex",))[:, 0], "age": ages}
    subgroups = {
        kind: {
            str(name): _subgroup(evidence.sick & (values == name), before, after, draws)
            for name in np.unique(values)
        }
        for kind, values in kinds.items()
    }
    moved: dict[str, dict[str, dict[str, int]]] = {YOUNG: {}, "all ages": {}}
    for name in evidence.harmful:
        own = evidence.targets == evidence.labels.index(name)
        for group, inside in ((YOUNG, own & (ages == YOUNG)), ("all ages", own)):
            moved[group][name] = {
                "n": int(inside.sum()),
                "risk_fell": int((inside & (now < was)).sum()),
                "tier_fell": int((inside & (after < before)).sum()),
                "tier_rose": int((inside & (after > before)).sum()),
                "green_before": int((inside & (before == 0)).sum()),
                "green_after": int((inside & (after == 0)).sum()),
            }
    return {"subgroups": subgroups, "moved": moved}


def _levels(evidence: Evidence, risks: Doubles) -> NDArray[np.int64]:
    """0, 1, 2 as GREEN, AMBER, RED: the risk against the two cuts its own lesions set."""
    sick = evidence.sick
    lesions = np.asarray(evidence.lesions)[sick]
    cuts = [sensitivity_cut(risks[sick], lesions, sensitivity) for sensitivity in (0.99, 0.95)]
    levels: NDArray[np.int64] = (risks[:, None] >= np.array(cuts)).sum(1)
    return levels


def _subgroup(
    whole: Flags, before: NDArray[np.int64], after: NDArray[np.int64], draws: Draws
) -> dict[str, Any]:
    count = int(whole.sum())
    if count < ENOUGH:
        return {"n_malignant": count, "note": NOT_ENOUGH, "loses": None}
    was, now = (_under(share_of(levels == 2, whole), draws) for levels in (before, after))
    change, spread = float(now[0] - was[0]), percentiles((now - was)[1:])
    return {
        "n_malignant": count,
        "sensitivity_picture": float(was[0]),
        "sensitivity": float(now[0]),
        "change": change,
        "change_interval": spread,
        "loses": change <= -MOST_LOSS or (spread is not None and spread[1] < 0),
    }


def _verdict(model: Mapping[str, Any]) -> dict[str, Any]:
    """What :data:`RULE` says of a model."""
    gain = model["gain"]
    helps = [
        name
        for name in ("malignancy_auc", "bmca")
        if gain[name] >= LEAST_GAIN and gain[f"{name}_interval"] and gain[f"{name}_interval"][0] > 0
    ]
    losers = [
        name
        for groups in model["subgroups"].values()
        for name, group in groups.items()
        if group["loses"]
    ]
    return {"helps": helps, "losers": losers, "adopt": bool(helps) and not losers}


def _best(models: Sequence[Mapping[str, Any]]) -> str | None:
    """Of the models the rule adopts the one that gains most malignancy AUC."""
    adopted = [model for model in models if model["adopt"]]
    adopted.sort(key=lambda model: float(model["gain"]["malignancy_auc"]))
    return str(adopted[-1]["name"]) if adopted else None


def _group(row: Row) -> str:
    if row.age is None or np.isnan(row.age):
        return UNKNOWN
    return next(name for top, name in GROUPS if row.age < top)

"""Cross-validation by lesion: how much a number moves when other lesions are held out.

The test part of the split takes no part in it; it stays closed until a release. Lesions that the
split keeps together (joined by duplicates) are one group and never cross a fold. In each fold a
seventh of the groups that train is set aside for the temperature, so that nothing of the held
fold decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold
from tqdm import tqdm

from mlservice.engine.judging.judged import Doubles
from mlservice.engine.judging.measures import (
    Measure,
    auc_of,
    calibration_error_of,
    expected_calibration_error,
    mean_of,
    mean_over,
    once,
    share_of,
)
from mlservice.engine.types import Floats
from training.calibrate import fit_temperature, served_probabilities
from training.config import Config
from training.data import Row, file_hashes
from training.duplicates import find_twins
from training.errors import TrainingError
from training.features import FeatureTable
from training.head import train_head
from training.scores import lesion_weights
from training.split import PARTS

OPEN = PARTS[:-1]  # all but the test part
TEMPERATURE_FOLDS = 7  # one of so many parts of what trains sets the temperature
MELANOMA = "mel"
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Positions of pictures: what trains the network, sets its temperature, judges it."""

    train: Numbers
    temperature: Numbers
    held: Numbers


@dataclass(frozen=True)
class Cases:
    """What is known of ``n`` pictures: rows, label numbers, and whom each must stay with."""

    rows: tuple[Row, ...]
    targets: Numbers
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    harmful: tuple[str, ...]

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        groups: Mapping[str, str],
        labels: tuple[str, ...],
        harmful: tuple[str, ...],
    ) -> Cases:
        """``groups`` gives the group of every image id: see :func:`lesion_groups`."""
        return cls(
            tuple(rows),
            np.array([labels.index(row.dx) for row in rows], np.int64),
            tuple(groups[row.image_id] for row in rows),
            labels,
            harmful,
        )


def lesion_groups(rows: Sequence[Row], cache: Path) -> dict[str, str]:
    """Image id -> group, as `split` forms them: lesions, joined where they share a photograph.

    ``cache`` is the folder where `split` keeps what its search for copies found.
    """
    hashes = file_hashes(rows)
    number = {row.image_id: i for i, row in enumerate(rows)}
    first: dict[str, int] = {}  # of a lesion's pictures, of a file's copies
    edges = [
        (i, first.setdefault(known, i))
        for i, row in enumerate(rows)
        for known in (f"lesion {row.lesion_id}", f"file {hashes[row.image_id]}")
    ]
    twins = find_twins(rows, rows, hashes, cache)
    edges += [(number[pair.one], number[pair.other]) for pair in twins]
    ends = np.array(edges).T
    graph = coo_array((np.ones(len(edges)), ends), shape=(len(rows), len(rows)))
    _, groups = connected_components(graph, directed=False)
    return {row.image_id: str(group) for row, group in zip(rows, groups, strict=True)}


# Trains on a fold; gives the logits, (n, views, c), of its temperature and its held pictures.
Score = Callable[[int, Fold], tuple[Floats, Floats]]


def make_folds(cases: Cases, k: int, seed: int) -> list[Fold]:
    """``k`` folds, stratified by class; every picture is held exactly once.

    Raises :class:`TrainingError` naming the class that has too few groups.
    """
    fewest, name = min(_groups_by_class(cases))
    if k < 2:
        raise TrainingError(f"Cross-validation takes at least 2 folds, not {k}.")
    if fewest < max(k, 3):
        most = f"-k can be at most {fewest}" if fewest > 2 else "that is too few for any -k"
        raise TrainingError(
            f"The class {name!r} has {fewest} lesions outside the test part, and every fold needs "
            f"one to judge, one to train and one for the temperature: {most}."
        )
    outer = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    groups = np.array(cases.groups)
    folds = []
    for rest, held in outer.split(groups, cases.targets, groups):
        train, temperature = _set_aside(cases, rest, seed)
        folds.append(Fold(train, temperature, held))
    return folds


def _groups_by_class(cases: Cases) -> list[tuple[int, str]]:
    found: dict[str, set[str]] = {name: set() for name in cases.labels}
    for target, group in zip(cases.targets, cases.groups, strict=True):
        found[cases.labels[target]].add(group)
    return [(len(groups), name) for name, groups in found.items()]


def _set_aside(cases: Cases, rest: Numbers, seed: int) -> tuple[Numbers, Numbers]:
    """Part what is not held into what trains and what sets the temperature, by group."""
    targets, groups = cases.targets[rest], np.array(cases.groups)[rest]
    fewest = min(len(set(groups[targets == target])) for target in set(targets))
    parts = StratifiedGroupKFold(
        max(2, min(TEMPERATURE_FOLDS, fewest)), shuffle=True, random_state=seed
    )
    train, temperature = next(parts.split(groups, targets, groups))
    return rest[train], rest[temperature]


def cross_validate(cases: Cases, folds: Sequence[Fold], score: Score) -> dict[str, Any]:
    """Score every fold; the numbers of each and their mean and spread over the folds.

    ``sd`` is the sample standard deviation over folds; folds share most of what trains them, so
    it is no standard error of the mean.
    """
    found = []
    for number, fold in enumerate(tqdm(folds, "folds")):
        aside, held = score(number, fold)
        found.append(_judge(cases, fold, aside, held))
    names = [name for name in found[0] if name not in {"n", "lesions", "classes", "recall"}]
    return {
        "n": len(cases.rows),
        "lesions": len({row.lesion_id for row in cases.rows}),
        "groups": len(set(cases.groups)),
        "metrics": {name: spread([fold[name] for fold in found]) for name in names},
        "recall": {name: spread([fold["recall"][name] for fold in found]) for name in cases.labels},
        "folds": found,
    }


def spread(values: Sequence[float | None]) -> dict[str, float | int | None]:
    """Mean, standard deviation, least and most of those that exist, and how many do."""
    found = [value for value in values if value is not None]
    if not found:
        return {"mean": None, "sd": None, "min": None, "max": None, "folds": 0}
    return {
        "mean": float(np.mean(found)),
        "sd": float(np.std(found, ddof=1)) if len(found) > 1 else None,
        "min": min(found),
        "max": max(found),
        "folds": len(found),
    }


def _judge(cases: Cases, fold: Fold, aside: Floats, held: Floats) -> dict[str, Any]:
    """The numbers of one fold, its temperature fitted on the pictures set aside."""
    lesions = lesion_weights([cases.rows[i].lesion_id for i in fold.temperature])
    temperature = fit_temperature(aside, cases.targets[fold.temperature], lesions)
    probabilities = served_probabilities(held, temperature)
    targets = cases.targets[fold.held]
    whole = once(len(targets))
    measures = _measures(cases, targets, probabilities, served_probabilities(held, 1.0))
    recall = {
        name: _number(measure(whole))
        for name, measure in _recalls(cases.labels, targets, probabilities).items()
    }
    counts = np.bincount(targets, minlength=len(cases.labels))
    return {
        "n": len(targets),
        "lesions": len({cases.rows[i].lesion_id for i in fold.held}),
        "classes": dict(zip(cases.labels, counts.tolist(), strict=True)),
        **{name: _number(measure(whole)) for name, measure in measures.items()},
        "ece_expected": expected_calibration_error(probabilities.max(1)),
        "temperature": temperature,
        "recall": recall,
    }


def _measures(
    cases: Cases, targets: Numbers, probabilities: Doubles, raw: Doubles
) -> dict[str, Measure]:
    """By the names that `evaluate` gives them."""
    aucs = {
        name: auc_of(targets == number, probabilities[:, number])
        for number, name in enumerate(cases.labels)
    }
    harmful = [cases.labels.index(name) for name in cases.harmful]
    right = probabilities.argmax(1) == targets
    measures = {
        "bmca": mean_over(list(_recalls(cases.labels, targets, probabilities).values())),
        "accuracy": mean_of(right),
        "macro_auc": mean_over(list(aucs.values())),
        "malignancy_auc": auc_of(np.isin(targets, harmful), probabilities[:, harmful].sum(1)),
        "ece_raw": calibration_error_of(raw.max(1), raw.argmax(1) == targets),
        "ece": calibration_error_of(probabilities.max(1), right),
    }
    return measures | ({"melanoma_auc": aucs[MELANOMA]} if MELANOMA in aucs else {})


def _recalls(labels: Sequence[str], targets: Numbers, probabilities: Doubles) -> dict[str, Measure]:
    right = probabilities.argmax(1) == targets
    return {name: share_of(right, targets == number) for number, name in enumerate(labels)}


def _number(values: Doubles) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])


def frozen_score(table: FeatureTable, config: Config, **options: Any) -> Score:
    """Train a head over frozen features in every fold; ``options`` are :func:`train_head`'s."""

    def score(_: int, fold: Fold) -> tuple[Floats, Floats]:
        own = table[fold.train]
        head = train_head(own.features, own.targets, config, **options)
        aside, held = table[fold.temperature].features, table[fold.held].features
        return head.logits(aside)[:, None], head.logits(held)[:, None]

    return score


def as_table(found: Mapping[str, Any]) -> str:
    """The mean and spread of every number, to read."""
    lines = [f"{'':16}{'mean':>8}{'sd':>8}{'min':>8}{'max':>8}"]
    recalls = {f"recall {name}": numbers for name, numbers in found["recall"].items()}
    for name, numbers in (found["metrics"] | recalls).items():
        cells = (numbers[key] for key in ("mean", "sd", "min", "max"))
        shown = "".join(f"{'–' if cell is None else f'{cell:.3f}':>8}" for cell in cells)
        lines.append(f"{name:16}{shown}")
    return "\n".join(lines)

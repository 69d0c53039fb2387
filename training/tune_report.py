"""What a search found: ``tune.json``, a plot of its history, and lines to read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from training.settings import HEAD_ONLY

RESULT, PLOT = "tune.json", "tune.png"
TOP = 10


def report(study: optuna.Study, about: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write :data:`RESULT` and :data:`PLOT` into ``folder``; gives what the former holds.

    ``best`` is the best trial. ``fit`` are the best settings that `fit` can use: without a hidden
    layer (with one, class-activation maps would not be exact), by the names of its configuration.
    """
    done = ranked(study)
    plain = next((trial for trial in done if not trial.params["hidden"]), None)
    found = {
        **about,
        "objective": "bmca",
        "trials": {state.name.lower(): _count(study, state) for state in TrialState},
        "best": _shown(done[0]) if done else None,
        "fit": _shown(plain, without=HEAD_ONLY) if plain else None,
        "top": [_shown(trial) for trial in done[:TOP]],
        "importance": importance(study),
    }
    part = folder / f"{RESULT}.part"
    part.write_text(json.dumps(found, indent=1), encoding="utf-8")
    part.replace(folder / RESULT)
    draw(study).savefig(folder / PLOT, dpi=110)
    return found


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """The trials trained to the end, best first."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(done, key=lambda trial: (-_value(trial), trial.number))


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, "a complete trial has a value"  # noqa: S101 - for the types
    return trial.value


def _count(study: optuna.Study, state: TrialState) -> int:
    return len(study.get_trials(deepcopy=False, states=(state,)))


def _shown(trial: FrozenTrial, without: Sequence[str] = ()) -> dict[str, Any]:
    settings = {name: value for name, value in trial.params.items() if name not in without}
    return {"number": trial.number, "bmca": trial.value, "settings": settings}


def importance(study: optuna.Study) -> dict[str, float] | None:
    """How much each setting has to do with being among the better trials (PED-ANOVA); sums to 1.

    ``None`` while there are too few trials, or all are alike.
    """
    if len({trial.value for trial in ranked(study)}) < TOP:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # before optuna 5
        evaluator = PedAnovaImportanceEvaluator()
        return dict(get_param_importances(study, evaluator=evaluator))


def draw(study: optuna.Study) -> Figure:
    """Every trial's value and the best so far, over the number of the trial."""
    done = sorted(ranked(study), key=lambda trial: trial.number)
    numbers, values = [trial.number for trial in done], [_value(trial) for trial in done]
    figure = Figure(figsize=(5, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.scatter(numbers, values, s=10, alpha=0.6, label="a trial")
    axes.step(numbers, np.maximum.accumulate(values), where="post", label="best so far")
    axes.set(xlabel="trial", ylabel="balanced accuracy, validation part")
    axes.set_title("Heads over frozen features", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


def as_table(found: Mapping[str, Any]) -> str:
    """The best trials and what mattered, to read."""
    names = list(found["top"][0]["settings"]) if found["top"] else []
    lines = ["  ".join(["bmca  ", *names])]
    for trial in found["top"]:
        cells = [f"{trial['bmca']:.4f}"]
        cells += [_cell(trial["settings"][name]).ljust(len(name)) for name in names]
        lines.append("  ".join(cells).rstrip())
    if found["importance"]:
        shares = (f"{name} {share:.2f}" for name, share in found["importance"].items())
        lines.append(f"importance: {', '.join(shares)}")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

"""The card's plots, small PNGs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from mlservice.engine.judging.judged import Doubles, Flags, Judged
from mlservice.engine.judging.metrics import MELANOMA
from training.tables import shown

mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
HARMFUL, BENIGN = "tab:red", "tab:blue"


def draw_plots(judged: Judged, metrics: Mapping[str, Any], folder: Path) -> None:
    """``confusion``, ``recall``, ``roc``, ``risk`` and ``reliability``, each a ``.png``."""
    figures = {
        "confusion": _confusion(metrics),
        "recall": _recall(metrics),
        "roc": _roc(judged, metrics),
        "risk": _risk(judged),
        "reliability": _reliability(judged, metrics),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _confusion(metrics: Mapping[str, Any]) -> Figure:
    names, counts = list(metrics["classes"]), np.array(metrics["confusion"])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes = _figure(4.2, 3.8)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, k), count in np.ndenumerate(counts):
        colour = "white" if shares[i, k] > 0.5 else "black"
        axes.text(k, i, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="said", ylabel="true", title=f"{counts.sum()} pictures")
    return figure


def _recall(metrics: Mapping[str, Any]) -> Figure:
    """Each class's recall with its interval, and the number of its pictures."""
    figure, axes = _figure(4.2, 2.6)
    names = [name for name, recall in metrics["recall"].items() if recall is not None]
    for place, name in enumerate(names):
        recall, limits = metrics["recall"][name], metrics["recall_interval"][name]
        colour = HARMFUL if name in metrics["rule"] else BENIGN
        if limits is not None:
            axes.plot(limits, (place, place), color=colour, linewidth=1.5)
        axes.plot(recall, place, "o", color=colour, markersize=4)
    axes.set_yticks(range(len(names)), [f"{name} ({metrics['classes'][name]})" for name in names])
    axes.invert_yaxis()
    axes.set(xlabel="recall, 95 % interval", xlim=(0, 1.02))
    return figure


def _roc(judged: Judged, metrics: Mapping[str, Any]) -> Figure:
    figure, axes = _figure(3.6, 3.4)
    axes.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    melanoma = judged.is_class(MELANOMA)
    _curve(axes, judged.sick, judged.risks, f"harmful, AUC {shown(metrics, 'malignancy_auc')}")
    if melanoma.any():
        scores = judged.probabilities[:, judged.labels.index(MELANOMA)]
        _curve(axes, melanoma, scores, f"melanoma, AUC {shown(metrics, 'melanoma_auc')}")
    for name, suffix in (("RED", ""), ("AMBER", "_r99")):
        specificity, sensitivity = (
            metrics.get(f"{one}{suffix}") for one in ("specificity", "sensitivity")
        )
        if specificity is not None and sensitivity is not None:
            axes.plot(1 - specificity, sensitivity, "o", color="black", markersize=3)
            axes.annotate(f" {name}", (1 - specificity, sensitivity), va="top")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(frameon=False, loc="lower right")
    return figure


def _curve(axes: Axes, truth: Flags, scores: Doubles, name: str) -> None:
    if truth.any() and not truth.all():
        false_alarms, found, _ = roc_curve(truth, scores)
        axes.plot(false_alarms, found, linewidth=1.2, label=name)


def _risk(judged: Judged) -> Figure:
    figure, axes = _figure(5, 2.6)
    logit = _logit(judged.risks)
    edges = np.linspace(-10, 8, 37)
    for flags, name, colour in (
        (~judged.sick, "benign", BENIGN),
        (judged.sick, "harmful", HARMFUL),
    ):
        heights = np.histogram(logit[flags], edges)[0] / max(1, flags.sum())
        axes.stairs(heights, edges, fill=True, alpha=0.5, color=colour, label=name)
    for cut, name, side in ((judged.r95, " RED", "left"), (judged.r99, "AMBER ", "right")):
        if cut is not None:
            place = float(_logit(np.array([cut]))[0])
            axes.axvline(place, color="black", linewidth=0.8)
            axes.text(place, axes.get_ylim()[1], name, va="top", ha=side)
    axes.set(xlabel="risk (log odds)", ylabel="share of pictures")
    axes.legend(frameon=False)
    return figure


def _logit(risks: Doubles) -> Doubles:
    bounded = np.clip(risks, 1e-4, 1 - 1e-4)
    odds: Doubles = np.log(bounded / (1 - bounded))
    return odds


def _reliability(judged: Judged, metrics: Mapping[str, Any]) -> Figure:
    bins = metrics["reliability"]
    counts = np.array([one["n"] for one in bins])
    mean, accuracy = ([one[key] for one in bins] for key in ("confidence", "right"))
    figure, axes = _figure(3.4, 3.2)
    axes.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    axes.scatter(mean, accuracy, s=4 + 120 * counts / counts.max(), alpha=0.7)
    axes.axvline(judged.threshold, color="black", linewidth=0.6, linestyle=":")
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.02))
    return figure

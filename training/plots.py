"""The card's three plots, small PNGs."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from mlservice.engine import Bundle
from training.metrics import BINS, Doubles, Judged

mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})


def draw_plots(judged: Judged, bundle: Bundle, folder: Path) -> None:
    """``confusion.png``, ``risk.png`` and ``reliability.png`` in ``folder``."""
    _confusion(judged).savefig(folder / "confusion.png", dpi=110)
    _risk(judged, bundle).savefig(folder / "risk.png", dpi=110)
    _reliability(judged).savefig(folder / "reliability.png", dpi=110)


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _confusion(judged: Judged) -> Figure:
    numbers = range(len(judged.labels))
    counts = confusion_matrix(judged.targets, judged.probabilities.argmax(1), labels=numbers)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = _figure(4.2, 3.8)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i in numbers:
        for k in numbers:
            colour = "white" if shares[i, k] > 0.5 else "black"
            axes.text(k, i, str(counts[i, k]), ha="center", va="center", color=colour)
    axes.set_xticks(numbers, judged.labels)
    axes.set_yticks(numbers, judged.labels)
    axes.set(xlabel="said", ylabel="true", title="Test pictures")
    return figure


def _risk(judged: Judged, bundle: Bundle) -> Figure:
    figure = _figure(5, 2.6)
    axes = figure.subplots()
    logit = _logit(judged.risks)
    edges = np.linspace(-10, 8, 37)
    for flags, name, colour in (
        (~judged.sick, "benign", "tab:blue"),
        (judged.sick, "harmful", "tab:red"),
    ):
        heights = np.histogram(logit[flags], edges)[0] / max(1, flags.sum())
        axes.stairs(heights, edges, fill=True, alpha=0.5, color=colour, label=name)
    for cut, name in ((bundle.r95, "RED"), (bundle.r99, "AMBER")):
        place = float(_logit(np.array([cut]))[0])
        axes.axvline(place, color="black", linewidth=0.8)
        axes.text(place, axes.get_ylim()[1], f" {name}", va="top")
    axes.set(xlabel="risk (log odds)", ylabel="share of pictures")
    axes.legend(frameon=False)
    return figure


def _logit(risks: Doubles) -> Doubles:
    bounded = np.clip(risks, 1e-6, 1 - 1e-6)
    odds: Doubles = np.log(bounded / (1 - bounded))
    return odds


def _reliability(judged: Judged) -> Figure:
    confidence = judged.probabilities.max(1)
    right = judged.probabilities.argmax(1) == judged.targets
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    seen = counts > 0
    mean = np.bincount(bins, confidence, BINS)[seen] / counts[seen]
    accuracy = np.bincount(bins, right, BINS)[seen] / counts[seen]
    figure = _figure(3.4, 3.2)
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    axes.scatter(mean, accuracy, s=4 + 120 * counts[seen] / counts.max(), alpha=0.7)
    axes.axvline(judged.threshold, color="black", linewidth=0.6, linestyle=":")
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    return figure

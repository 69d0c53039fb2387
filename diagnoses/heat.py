"""The heatmap of a view: whose it is, and the picture that is laid over the photo."""

from __future__ import annotations

import numpy as np

from diagnoses.models import Case, Photo, Prediction, Scoring
from mlservice.engine.heatmap import GRID, LOW, overlay
from mlservice.engine.types import Heat


def newest_of(case: Case, photo: Photo) -> Prediction | None:
    """The newest live view of ``case`` that rests on ``photo``."""
    live = case.predictions.filter(scoring__purpose=Scoring.Purpose.LIVE, photo=photo)
    return live.order_by("-pk").first()


def label_shown(view: Prediction, asked: str = "") -> str:
    """The label whose heat is shown: the one asked for, else the named one, else the likeliest.

    "" for a label the view knows nothing of.
    """
    label = asked or view.label or view.top_label
    return label if label in view.probabilities else ""


def heat_for(view: Prediction, label: str) -> Heat | None:
    """``(GRID, GRID)`` of one label; ``None`` where the network gave none, or it means nothing."""
    if not view.heat or not view.names_a_class or label not in view.probabilities:
        return None
    labels = sorted(view.probabilities)
    heat = np.frombuffer(bytes(view.heat), np.uint8)
    if heat.size != len(labels) * GRID * GRID:
        return None
    of_label: Heat = heat.reshape(len(labels), GRID, GRID)[labels.index(label)]
    return of_label


def speaks_for(view: Prediction, label: str) -> bool:
    """Whether any place that an overlay shows speaks for the label."""
    heat = heat_for(view, label)
    return heat is not None and bool(heat.max() > LOW * 255)


def overlay_of(view: Prediction, photo: Photo, label: str) -> bytes | None:
    """A PNG with the photo's proportions, or ``None`` where there is no heat to show."""
    heat = heat_for(view, label)
    return None if heat is None else overlay(heat, (photo.width, photo.height))

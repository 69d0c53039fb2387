"""The heatmap of a view: whose it is, and the picture that is laid over the photo."""

from __future__ import annotations

import numpy as np

from accounts import audit
from accounts.models import User
from diagnoses import presenting
from diagnoses.models import Case, Photo, Prediction
from mlservice.engine.heatmap import GRID, LOW, overlay
from mlservice.engine.types import Heat


def shown_to(case: Case, photo: Photo, doctor: User, asked: str, *, where: str) -> bytes | None:
    """The overlay for ``photo``, written to the trail; ``None`` where ``doctor`` may see none.

    ``asked`` is a label's name, "" for the one the view names. Of an earlier photo of the case it
    is the newest view that rests on it. The gate is that of the view itself.
    """
    if not presenting.may_see_computer(case, doctor):
        return None
    view = case.predictions.live().filter(photo=photo).order_by("-pk").first()
    label = label_shown(view, asked) if view else ""
    heat = heat_for(view, label) if view and label else None
    if heat is None:
        return None
    audit.record(
        "heatmap.viewed",
        actor=doctor,
        about=f"case:{case.pk}",
        photo=str(photo.pk),
        label=label,
        where=where,
    )
    return overlay(heat, (photo.width, photo.height))


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

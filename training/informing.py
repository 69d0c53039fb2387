"""What age and body site say of the labels, counted on the pictures that trained the network.

``p(label | value) / p(label)``, a ratio for each value of each kind: how much more common a label
is among such people than among all. A doctor can read such a table. How much of it to believe is
fitted elsewhere, on pictures that trained nothing (:mod:`training.calibrate`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.reading import Doubles, Evidence, weight_of
from mlservice.packs import Pack
from mlservice.packs.records import asked
from training.data import Row
from training.errors import TrainingError
from training.scores import lesion_weights

AS_IF = 20.0  # lesions of the common mix added to every value: what few have said weighs little
DIGITS = 4


def counted(
    rows: Sequence[Row], labels: Sequence[str], kinds: Sequence[str], pack: Pack
) -> Evidence:
    """The log of every ratio. A lesion weighs one; what is not known says nothing.

    Only of values that patients of ``pack`` are asked for: no other would ever be heard. Raises
    :class:`TrainingError` where no row knows any of a kind.
    """
    weights = lesion_weights([row.lesion_id for row in rows])
    targets = np.array([labels.index(row.dx) for row in rows])
    everyone = _counts(targets, weights, labels)
    common = everyone / everyone.sum()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in kinds:
        values = np.array([row.metadata[kind] for row in rows])
        names = sorted({*values.tolist()} & asked(pack, kind))
        if not names:
            raise TrainingError(f"No picture that trained has a known {kind}: leave it out.")
        found[kind] = {
            name: _ratios(
                _counts(targets[values == name], weights[values == name], labels), common, labels
            )
            for name in names
        }
    return found


def _counts(targets: NDArray[np.int64], weights: Doubles, labels: Sequence[str]) -> Doubles:
    counts: Doubles = np.bincount(targets, weights, len(labels)).astype(np.float64)
    return counts


def _ratios(counts: Doubles, common: Doubles, labels: Sequence[str]) -> dict[str, float]:
    shares = (counts + AS_IF * common) / (counts.sum() + AS_IF)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(common > 0, np.log(shares / common), 0.0)  # a class nobody has says nothing
    return {name: round(float(log), DIGITS) for name, log in zip(labels, logs, strict=True)}


def of_rows(evidence: Evidence, rows: Sequence[Row], labels: Sequence[str]) -> Doubles:
    """``(n, c)``: what is known of each picture, nought where nothing is."""
    return np.stack([weight_of(evidence, row.metadata, labels) for row in rows])


def weighed(evidence: Evidence, weight: float) -> Evidence:
    """As it is served: ``weight`` times all of it."""
    return {
        kind: {
            value: {name: round(weight * log, DIGITS) for name, log in shares.items()}
            for value, shares in values.items()
        }
        for kind, values in evidence.items()
    }

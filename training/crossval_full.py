"""Cross-validation of a whole run: its training repeated in every fold, fine-tuning included."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from mlservice.engine.assess import views, views_of_one
from mlservice.engine.types import Floats, Picture
from training.architectures import Weights
from training.config import Config
from training.crossval import Fold, Numbers, Score
from training.data import Row
from training.earlier import load_network
from training.errors import TrainingError
from training.features import Backbone, frozen_config
from training.operating import log_prior, put_prior_back
from training.run import Material, fit
from training.split import Split

CHUNK = 16
# Said by the material, not by the run that is repeated.
GIVEN = {
    "pack",
    "labels",
    "harmful",
    "data_hash",
    "split_hash",
    "weights_sha256",
    "weights",
    "also",
}


def full_score(
    material: Material, rows: tuple[Row, ...], like: Config, weights: Weights, folder: Path
) -> Score:
    """Train as the run with the configuration ``like`` was trained, in a folder for each fold.

    ``rows`` are the pictures the folds count. A stopped fold goes on where `fit` left it. There
    is no validation part in a fold: all epochs are trained. Raises :class:`TrainingError` for a
    run that cannot be repeated here.
    """
    if like.also:
        raise TrainingError("The run was trained on further folders too; --full cannot repeat it.")
    if like.started_from:
        raise TrainingError("The run goes on from another one; --full cannot repeat that.")
    if like.teachers:
        raise TrainingError("The run had teachers, who saw every fold; --full cannot repeat that.")
    begun = frozen_config(material.split, like.pack, Backbone(like.arch, weights))
    if (begun.weights, begun.weights_sha256) != (like.weights, like.weights_sha256):
        raise TrainingError("The run began from other --weights than these.")

    def score(number: int, fold: Fold) -> tuple[Floats, Floats]:
        own = replace(material, split=_as_split(material.split, rows, fold))
        run = folder / f"fold-{number}"
        options = {name: value for name, value in asdict(like).items() if name not in GIVEN}
        options |= {"parts": ("fit", "validation"), "patience": 0}
        with redirect_stdout(sys.stderr):  # its epochs are progress; the numbers are our output
            config = fit(own, run, like.pack, weights, **options)
        network = load_network(run, config)
        trained = own.part(config.parts, config.side).targets
        put_prior_back(network, config.prior, log_prior(trained, config.labels))
        aside, held = (own.part(part, like.side).pictures for part in ("calibration", "test"))
        return _logits(network, aside, like.fields), _logits(network, held, like.fields)

    return score


def _as_split(split: Split, rows: tuple[Row, ...], fold: Fold) -> Split:
    """The fold in the words of a split; the real test part is in none of its parts."""

    def images(positions: Numbers) -> tuple[str, ...]:
        return tuple(sorted(rows[i].image_id for i in positions))

    parts = {
        "fit": images(fold.train),
        "validation": (),
        "calibration": images(fold.temperature),
        "test": images(fold.held),
    }
    return replace(split, parts=parts)


def _logits(network: keras.Model, pictures: Picture, fields: Sequence[float]) -> Floats:
    """``(n, v, c)``: of all views, as served."""
    logits = keras.Model(network.input, network.output["logits"])
    found = [
        logits.predict_on_batch(
            views(list(pictures[start : start + CHUNK]), fields).astype(np.float32)
        )
        for start in tqdm(range(0, len(pictures), CHUNK), "score")
    ]
    together = np.concatenate(found)
    return together.reshape(len(pictures), views_of_one(fields), -1)

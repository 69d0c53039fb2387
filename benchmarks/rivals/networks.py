"""What every rival does for a photo: decode, the engine's preprocessing, the same twelve views.

The batchers run the very LiteRT network that the portal runs; the usual stack runs the same
bundle's Keras network through ``model.predict``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals.settings import Settings, tell_ready
from mlservice.engine import Bundle, Modality, Picture, assess, open_predictor, prepare, shipped
from mlservice.engine.assess import ROTATIONS, views, views_of_one
from mlservice.engine.reading import calibrated

Shares = dict[str, float]


class LitertNetwork:
    """The shipped network as the portal serves it, with everything the portal concludes."""

    def __init__(self, settings: Settings) -> None:
        self._bundle = Bundle.load(shipped())
        self._predictor = open_predictor(self._bundle, "cpu", threads=settings.threads)
        self.shares([_blank(self._bundle.side)])
        tell_ready()

    def prepare(self, photo: bytes | Path) -> Picture:
        return prepare(photo, self._bundle.side)

    def shares(self, pictures: Sequence[Picture]) -> list[Shares]:
        """Probabilities by label, of each prepared picture."""
        kinds = [Modality.DERMOSCOPIC] * len(pictures)
        found = assess(self._predictor, self._bundle, pictures, kinds)
        return [dict(one.probabilities) for one in found]


class KerasNetwork:
    """The same bundle's Keras network. ``model.predict`` gets a photo's twelve views in one call.

    Only the logits are asked of it: its other outputs would have to be copied for nothing.
    """

    def __init__(self, settings: Settings) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._keras = keras
        self._bundle = Bundle.load(shipped())
        self._cold = settings.cold
        self._model: Any = None if settings.cold else self._load()
        self.shares(_blank(self._bundle.side))  # traced now, not at the first request
        tell_ready()

    def _load(self) -> Any:
        network = self._keras.saving.load_model(self._bundle.keras_path, compile=False)
        return self._keras.Model(network.input, network.output["logits"])

    def prepare(self, photo: bytes | Path) -> Picture:
        return prepare(photo, self._bundle.side)

    def shares(self, picture: Picture) -> Shares:
        """Probabilities by label."""
        if self._cold:
            self._keras.backend.clear_session()  # or every request would leave its model behind
        model = self._load() if self._cold else self._model
        batch = views([picture], self._bundle.fields).astype(np.float32)
        logits = model.predict(batch, batch_size=views_of_one(self._bundle.fields), verbose=0)
        seen = calibrated(np.asarray(logits, np.float64), self._bundle.temperature)
        mean = seen.reshape(ROTATIONS, -1, len(self._bundle.labels)).mean(axis=1).mean(axis=0)
        return {name: float(p) for name, p in zip(self._bundle.labels, mean, strict=True)}


def _blank(side: int) -> Picture:
    return np.zeros((side, side, 3), np.uint8)

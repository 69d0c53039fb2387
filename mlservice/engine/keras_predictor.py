"""Serving on a GPU: the Keras network on TensorFlow. The only module here that imports either."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlservice.engine.litert_predictor import check_batch, check_scores
from mlservice.engine.types import BundleError, Picture, PredictError, RawScores

BATCH_SIZE = 64


class KerasPredictor:
    """One Keras network, run as a compiled graph in batches padded to one fixed size."""

    def __init__(self, path: Path, side: int, labels: int, embedding: int) -> None:
        """Load ``path``; raises :class:`BundleError` when it is not such a network."""
        tensorflow, keras = _import_tensorflow()
        try:
            network = keras.saving.load_model(path, compile=False)
        except (OSError, ValueError, TypeError) as error:
            raise BundleError(f"The network {path.name!r} cannot be loaded: {error}.") from error
        shapes = {name: tuple(output.shape[1:]) for name, output in network.output.items()}
        if shapes.get("logits") != (labels,) or shapes.get("embedding") != (embedding,):
            raise BundleError(f"The network {path.name!r} gives {shapes}, not what is declared.")
        gpu = bool(tensorflow.config.list_physical_devices("GPU"))
        self.name = f"tensorflow-{tensorflow.__version__} {'gpu' if gpu else 'cpu'}"
        self.batch_size = BATCH_SIZE if gpu else 4
        self._side, self._tensorflow = side, tensorflow
        gives_maps = _ends_in_mean_and_dense(network, shapes.get("feature_map"), embedding)

        def forward(batch: Any) -> dict[str, Any]:
            outputs = dict(network(batch, training=False))
            features = outputs.pop("feature_map", None)  # large: what is made of it stays behind
            if gives_maps:
                kernel = network.get_layer("logits").kernel
                outputs["class_maps"] = tensorflow.einsum("nhwd,dc->nhwc", features, kernel)
            return outputs

        # A fixed batch shape is compiled once and never again in the middle of the queue.
        signature = [tensorflow.TensorSpec((self.batch_size, side, side, 3), tensorflow.float32)]
        self._forward: Any = tensorflow.function(forward, input_signature=signature)

    def predict(self, batch: Picture, mapped: Container[int] = ()) -> list[RawScores]:
        """Score ``(n, side, side, 3)`` ``uint8``; raises :class:`PredictError`."""
        check_batch(batch, self._side)
        scores: list[RawScores] = []
        for start in range(0, len(batch), self.batch_size):
            scores += self._chunk(batch[start : start + self.batch_size])
        found = [
            raw if number in mapped else replace(raw, class_maps=None)
            for number, raw in enumerate(scores)
        ]
        return check_scores(found)

    def _chunk(self, batch: Picture) -> list[RawScores]:
        padded = np.zeros((self.batch_size, *batch.shape[1:]), np.float32)
        padded[: len(batch)] = batch
        try:
            outputs = self._forward(self._tensorflow.constant(padded))
        except self._tensorflow.errors.OpError as error:
            raise PredictError(f"The network could not be run: {error}.") from error
        logits, embedding = outputs["logits"].numpy(), outputs["embedding"].numpy()
        maps = outputs["class_maps"].numpy() if "class_maps" in outputs else [None] * len(batch)
        return [RawScores(logits[i], embedding[i], maps[i]) for i in range(len(batch))]


def _ends_in_mean_and_dense(network: Any, features: tuple[int, ...] | None, size: int) -> bool:
    """Whether the logits are one dense layer of the mean of the feature map."""
    if features is None or len(features) != 3 or features[-1] != size:
        return False
    names = {layer.name for layer in network.layers}
    return {"logits", "embedding"} <= names and (
        type(network.get_layer("logits")).__name__ == "Dense"
        and type(network.get_layer("embedding")).__name__ == "GlobalAveragePooling2D"
    )


def _import_tensorflow() -> tuple[Any, Any]:
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise BundleError(
            f"Serving on a GPU needs TensorFlow, which is not installed: {error}."
        ) from error
    return tf, keras

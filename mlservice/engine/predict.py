"""One way to open a network, whatever it runs on."""

from __future__ import annotations

from typing import Literal

from mlservice.engine.bundle import Bundle
from mlservice.engine.litert_predictor import LitertPredictor
from mlservice.engine.types import Predictor

Device = Literal["auto", "cpu", "gpu"]


def open_predictor(
    bundle: Bundle, device: Device = "auto", *, threads: int | None = None
) -> Predictor:
    """The bundle's network, loaded and ready.

    ``"cpu"`` is LiteRT on ``threads`` cores (default: all this process may use); ``"gpu"`` is
    Keras on TensorFlow. ``"auto"`` is ``"cpu"``: importing TensorFlow to look for a GPU costs
    seconds and hundreds of megabytes, so a machine with one says so. Raises
    :class:`BundleError` when the file is not the network the manifest declares. Golden images
    are not checked here: see :func:`mlservice.engine.check_golden`.
    """
    labels, embedding = len(bundle.labels), bundle.manifest.embedding_size
    if device == "gpu":
        from mlservice.engine.keras_predictor import KerasPredictor

        return KerasPredictor(bundle.keras_path, bundle.side, labels, embedding)
    return LitertPredictor(bundle.litert_path, bundle.side, labels, embedding, threads)

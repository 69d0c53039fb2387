"""Serving on a CPU: LiteRT with XNNPACK, float32. TensorFlow is never imported."""

from __future__ import annotations

import os
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from mlservice.engine.heatmap import class_maps
from mlservice.engine.types import BundleError, Floats, Picture, PredictError, RawScores

# Forwards are of one picture: larger ones are no faster on a CPU (benchmarks/engine.py), and alone
# a picture's result is the same to the bit whatever else is in its batch. Each interpreter keeps a
# copy of the weights, so a large machine gives several threads to each.
MOST_LANES = 8
HEAD_TOLERANCE = 1e-3  # of a logit


class LitertPredictor:
    """One LiteRT network on all cores: an interpreter for each, which take picture after picture.

    Several threads inside one forward have to wait for each other at every layer, and all of them
    for whichever shares its core with other work (a decoder, the database); a forward of its own on
    each core waits for nobody. A lock keeps two callers apart.
    """

    def __init__(
        self, path: Path, side: int, labels: int, embedding: int, threads: int | None = None
    ) -> None:
        """Load ``path``; raises :class:`BundleError` when it is not such a network."""
        self.threads = threads or len(os.sched_getaffinity(0))
        lanes = min(self.threads, MOST_LANES)
        self.batch_size = lanes
        self.name = f"litert-{version('ai-edge-litert')} cpu"
        self._side, self._lock = side, Lock()
        each = self.threads // lanes
        self._lanes = [_Lane(path, side, labels, embedding, each) for _ in range(lanes)]
        self._kernel = self._lanes[0].kernel(labels, embedding)
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")

    @property
    def gives_maps(self) -> bool:
        """Whether this network can tell which places its logits come from."""
        return self._kernel is not None

    def predict(self, batch: Picture, mapped: Container[int] = ()) -> list[RawScores]:
        """Score ``(n, side, side, 3)`` ``uint8``; raises :class:`PredictError`."""
        check_batch(batch, self._side)
        scores: list[RawScores | None] = [None] * len(batch)
        numbers = iter(range(len(batch)))  # whoever is free takes the next; next() is atomic

        def work(lane: _Lane) -> None:
            for number in numbers:
                kernel = self._kernel if number in mapped else None
                scores[number] = lane.forward(batch[number], kernel)

        with self._lock:
            running = [self._pool.submit(work, lane) for lane in self._lanes]
            wait(running)  # all of them: a lane still at work may not meet the next batch
        for done in running:
            done.result()
        return check_scores([raw for raw in scores if raw is not None])


class _Lane:
    """One interpreter, for one thread at a time."""

    def __init__(self, path: Path, side: int, labels: int, embedding: int, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._side = side
        try:
            self._interpreter: Any = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"The network {path.name!r} cannot be loaded: {error}.") from error
        self._input = self._only_input(path.name)
        self._logits = self._output("logits", labels, path.name)
        self._embedding = self._output("embedding", embedding, path.name)
        self._features = self._feature_map(embedding)

    def forward(self, picture: Picture, kernel: Floats | None = None) -> RawScores:
        """The scores, and with the dense layer's ``kernel`` the class maps."""
        self._interpreter.set_tensor(self._input, picture[None].astype(np.float32))
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise PredictError(f"The network could not be run: {error}.") from error
        maps = None
        if kernel is not None and self._features is not None:
            # Looked at, not copied: the next forward may not find a view on its memory.
            maps = class_maps(self._interpreter.tensor(self._features)()[0], kernel)
        return RawScores(
            logits=self._interpreter.get_tensor(self._logits)[0],
            embedding=self._interpreter.get_tensor(self._embedding)[0],
            class_maps=maps,
        )

    def kernel(self, labels: int, embedding: int) -> Floats | None:
        """The dense layer that makes logits of embeddings, ``(embedding, labels)``.

        Found in the network's file by its shape and proven on two pictures; ``None`` where the
        network gives no feature map, or ends in anything else.
        """
        if self._features is None:
            return None
        noise = np.random.default_rng(0).integers(0, 256, (self._side, self._side, 3), np.uint8)
        one, other = self.forward(noise), self.forward(np.zeros_like(noise))
        for detail in self._interpreter.get_tensor_details():
            if list(detail["shape"]) == [labels, embedding] and detail["dtype"] is np.float32:
                found = self._constant(int(detail["index"]))
                if found is not None and _explains(found, one, other):
                    return np.ascontiguousarray(found.T)
        return None

    def _constant(self, index: int) -> Floats | None:
        try:
            found: Floats = self._interpreter.get_tensor(index).copy()
        except ValueError:  # computed on the way, and not kept
            return None
        return found

    def _only_input(self, file: str) -> int:
        inputs = self._interpreter.get_input_details()
        shape = [1, self._side, self._side, 3]
        if len(inputs) != 1 or list(inputs[0]["shape"]) != shape:
            found = [list(i["shape"]) for i in inputs]
            raise BundleError(f"The network {file!r} takes {found}, not {shape}.")
        return int(inputs[0]["index"])

    def _feature_map(self, embedding: int) -> int | None:
        """The last feature map ``(1, h, w, embedding)``, where the network gives it."""
        details = self._outputs().get("feature_map")
        if details is None or len(details["shape"]) != 4 or details["shape"][-1] != embedding:
            return None
        return int(details["index"])

    def _outputs(self) -> dict[str, Any]:
        """The signature's outputs: they go by name, never by order."""
        outputs: dict[str, Any] = self._interpreter.get_signature_runner().get_output_details()
        return outputs

    def _output(self, name: str, size: int, file: str) -> int:
        details = self._outputs().get(name)
        if details is None or list(details["shape"]) != [1, size]:
            found = None if details is None else list(details["shape"])
            raise BundleError(f"The network {file!r} has {found} as {name!r}, not [1, {size}].")
        return int(details["index"])


def _explains(kernel: Floats, one: RawScores, other: RawScores) -> bool:
    """Whether two pictures' logits differ just as ``kernel`` ``(labels, embedding)`` has it."""
    expected = kernel @ (one.embedding - other.embedding)
    return bool(np.abs(one.logits - other.logits - expected).max() <= HEAD_TOLERANCE)


def check_batch(batch: Picture, side: int) -> None:
    """Raises :class:`PredictError` unless ``batch`` is ``uint8`` ``(n >= 1, side, side, 3)``."""
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (side, side, 3):
        raise PredictError(
            f"A batch must be uint8 of shape (n, {side}, {side}, 3), "
            f"not {batch.dtype} {batch.shape}."
        )
    if not len(batch):
        raise PredictError("An empty batch was to be scored.")


def check_scores(scores: list[RawScores]) -> list[RawScores]:
    """Raises :class:`PredictError` when a score is not a finite number."""
    for number, raw in enumerate(scores):
        arrays: tuple[Floats, Floats] = (raw.logits, raw.embedding)
        if not all(np.isfinite(array).all() for array in arrays):
            raise PredictError(f"The network's answer for picture {number} is not finite.")
    return scores

"""Serving on a CPU: LiteRT with XNNPACK, float32. TensorFlow is never imported."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from mlservice.engine.types import BundleError, Floats, Picture, PredictError, RawScores

# Forwards are of one picture: larger ones are no faster on a CPU (benchmarks/engine.py), and alone
# a picture's result is the same to the bit whatever else is in its batch. Each interpreter keeps a
# copy of the weights, so a large machine gives several threads to each.
MOST_LANES = 8


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
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")

    def predict(self, batch: Picture) -> list[RawScores]:
        """Score ``(n, side, side, 3)`` ``uint8``; raises :class:`PredictError`."""
        check_batch(batch, self._side)
        scores: list[RawScores | None] = [None] * len(batch)
        numbers = iter(range(len(batch)))  # whoever is free takes the next; next() is atomic

        def work(lane: _Lane) -> None:
            for number in numbers:
                scores[number] = lane.forward(batch[number])

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

    def forward(self, picture: Picture) -> RawScores:
        self._interpreter.set_tensor(self._input, picture[None].astype(np.float32))
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise PredictError(f"The network could not be run: {error}.") from error
        return RawScores(
            logits=self._interpreter.get_tensor(self._logits)[0],
            embedding=self._interpreter.get_tensor(self._embedding)[0],
        )

    def _only_input(self, file: str) -> int:
        inputs = self._interpreter.get_input_details()
        shape = [1, self._side, self._side, 3]
        if len(inputs) != 1 or list(inputs[0]["shape"]) != shape:
            found = [list(i["shape"]) for i in inputs]
            raise BundleError(f"The network {file!r} takes {found}, not {shape}.")
        return int(inputs[0]["index"])

    def _output(self, name: str, size: int, file: str) -> int:
        """The tensor of the signature's output ``name``: outputs go by name, never by order."""
        runner = self._interpreter.get_signature_runner()
        details = runner.get_output_details().get(name)
        if details is None or list(details["shape"]) != [1, size]:
            found = None if details is None else list(details["shape"])
            raise BundleError(f"The network {file!r} has {found} as {name!r}, not [1, {size}].")
        return int(details["index"])


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

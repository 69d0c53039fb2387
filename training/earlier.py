"""Finished networks that another may build on: a run's, or a bundle's that was made of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import keras
import numpy as np
from numpy.typing import NDArray

from mlservice.engine import Bundle, BundleError
from mlservice.engine.bundle import MANIFEST, file_sha256
from training.config import Config
from training.errors import TrainingError
from training.network import build
from training.operating import log_prior, put_prior_back

NETWORK = "network.weights.h5"


@dataclass(frozen=True)
class Earlier:
    """``folder`` is a run folder or a bundle, and what was found there."""

    folder: Path
    config: Config
    weights: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Raises :class:`TrainingError` where there is no finished network."""
        if (folder / MANIFEST).is_file():
            try:
                bundle = Bundle.load(folder)
            except BundleError as error:
                raise TrainingError(str(error)) from error
            return cls(folder, Config.of_bundle(bundle.manifest), bundle.keras_path)
        return cls(folder, Config.load(folder), finished(folder))

    @property
    def sha256(self) -> str:
        return file_sha256(self.weights)

    @property
    def is_bundle(self) -> bool:
        return self.weights.name != NETWORK

    def check(self, config: Config) -> None:
        """Raise :class:`TrainingError` if a run by ``config`` cannot build on it.

        What the earlier network learned from the later one knows, so it must not have been more.
        """
        for name in ("labels", "split_hash"):
            if getattr(self.config, name) != getattr(config, name):
                raise TrainingError(f"{self.folder.name!r} was made with another {name}.")
        own, other = self.config, config
        if not {*own.parts} <= {*other.parts} or not {*own.also} <= {*other.also}:
            raise TrainingError(f"{self.folder.name!r} saw pictures that are not to train here.")

    def network(self, targets: NDArray[np.int64]) -> keras.Model:
        """As its training left it, without any of the prior that a bundle was given back.

        ``targets``: the label numbers of the pictures of ``config.parts``.
        """
        if not self.is_bundle:
            return load_network(self.folder, self.config)
        kept = keras.models.load_model(self.weights, compile=False)
        network = build(self.config.arch, len(self.config.labels), self.config.side)
        network.set_weights(kept.get_weights())
        put_prior_back(network, -self.config.prior, log_prior(targets, self.config.labels))
        return network


def finished(run: Path) -> Path:
    """The trained weights of ``run``; raises :class:`TrainingError` when there are none yet."""
    path = run / NETWORK
    if not path.is_file():
        raise TrainingError(f"The run {run.name!r} has no {NETWORK}: its training never finished.")
    return path


def load_network(run: Path, config: Config) -> keras.Model:
    """The trained network of a run; raises :class:`TrainingError` when it never finished."""
    path = finished(run)
    network = build(config.arch, len(config.labels), config.side)
    network.load_weights(path)
    return network

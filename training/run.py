"""A run folder: configuration, weights and the place where a killed run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mlservice.engine.bundle import file_sha256
from training.config import Config
from training.data import Row, read_folder
from training.errors import TrainingError
from training.fit import NETWORK, Part, fine_tune, fit_head, put_prior_back
from training.labels import pack_labels
from training.network import build
from training.pictures import cached_pictures
from training.split import Split, open_split


@dataclass(frozen=True)
class Material:
    """A data folder with its split, opened and checked."""

    rows: tuple[Row, ...]
    split: Split
    labels: tuple[str, ...]
    cache: Path

    def part(self, name: str, side: int) -> Part:
        """Prepared pictures and label numbers of one part of the split, in :meth:`rows_of`."""
        everything = cached_pictures(self.rows, side, self.split.data_hash, self.cache)
        place = {row.image_id: i for i, row in enumerate(_ordered(self.rows))}
        chosen = self.rows_of(name)
        targets = np.array([self.labels.index(row.dx) for row in chosen], np.int64)
        return Part(everything[[place[row.image_id] for row in chosen]], targets)

    def rows_of(self, name: str) -> list[Row]:
        return _ordered(self.split.rows(self.rows, name))


def _ordered(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.image_id)


def open_material(data: Path, split: Path, pack: str, cache: Path) -> Material:
    """Read ``data`` and hold the split against it."""
    labels, _ = pack_labels(pack)
    rows = read_folder(data, labels)
    return Material(tuple(rows), open_split(split, rows), labels, cache)


def fit(material: Material, run: Path, pack: str, weights: Path | None, **options: Any) -> Config:
    """Train a network and keep it in ``run``; go on where an earlier call was stopped."""
    labels, harmful = pack_labels(pack)
    config = Config(
        pack=pack,
        labels=labels,
        harmful=harmful,
        data_hash=material.split.data_hash,
        split_hash=material.split.hash,
        weights_sha256=file_sha256(weights) if weights and weights.is_file() else None,
        **options,
    )
    if (run / "config.json").exists() and Config.load(run) != config:
        raise TrainingError(f"{str(run)!r} holds a run with other settings; name another --run.")
    config.save(run)
    keras.utils.set_random_seed(config.seed)
    network = build(config.arch, len(labels), config.side, weights)
    part = material.part("fit", config.side)
    head = run / "head.weights.h5"
    if head.exists():
        network.load_weights(head)
    else:
        fit_head(network, part, config)
        network.save_weights(head)
    if config.epochs:
        fine_tune(network, part, config, run, material.part("validation", config.side))
    put_prior_back(network, part, config)
    network.save_weights(run / NETWORK)
    return config


def load_network(run: Path, config: Config) -> keras.Model:
    """The trained network of a run; raises :class:`TrainingError` when it never finished."""
    path = run / NETWORK
    if not path.is_file():
        raise TrainingError(f"The run {run.name!r} has no {NETWORK}: its training never finished.")
    network = build(config.arch, len(config.labels), config.side)
    network.load_weights(path)
    return network

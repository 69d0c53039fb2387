"""A run folder: configuration, weights and the place where a killed run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from mlservice.engine.bundle import file_sha256
from mlservice.engine.litert_predictor import LitertPredictor
from mlservice.engine.types import Floats
from training.architectures import Weights, check_side
from training.config import Config
from training.data import Row, read_folder
from training.earlier import NETWORK, Earlier
from training.errors import TrainingError
from training.finetune import fine_tune
from training.fit import Part, embed
from training.head import train_head
from training.labels import pack_labels
from training.network import build, rescale_norms
from training.pictures import cached_pictures
from training.pretrained import IMAGENET
from training.scores import score
from training.split import PARTS, Split, guard_also, make_split, open_split

HEAD = "head.weights.h5"  # where fine-tuning begins
VALIDATION = "validation"
NORM_PICTURES = 256


@dataclass(frozen=True)
class Material:
    """A data folder with its split, opened and checked."""

    rows: tuple[Row, ...]
    split: Split
    labels: tuple[str, ...]
    cache: Path
    name: str

    def part(self, names: str | Sequence[str], side: int) -> Part:
        """Prepared pictures and label numbers of parts of the split, in :meth:`rows_of`."""
        everything = cached_pictures(self.rows, side, self.split.data_hash, self.cache)
        place = {row.image_id: i for i, row in enumerate(_ordered(self.rows))}
        chosen = self.rows_of(names)
        targets = np.array([self.labels.index(row.dx) for row in chosen], np.int64)
        return Part(everything[[place[row.image_id] for row in chosen]], targets)

    def rows_of(self, names: str | Sequence[str]) -> list[Row]:
        wanted = [names] if isinstance(names, str) else names
        return _ordered([row for name in wanted for row in self.split.rows(self.rows, name)])


def _ordered(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.image_id)


def open_material(data: Path, split: Path, pack: str, cache: Path) -> Material:
    """Read ``data`` and hold the split against it."""
    labels, _ = pack_labels(pack)
    rows = read_folder(data, labels)
    return Material(tuple(rows), open_split(split, rows), labels, cache, data.name)


def open_further(data: Path, beside: Material) -> Material:
    """A further folder to train on, split like ``beside`` so that its test part stays unseen.

    Raises :class:`LeakError` when one of its pictures is in a part of ``beside`` that must not
    train.
    """
    rows = read_folder(data, beside.labels)
    guard_also(beside.split, beside.rows, rows, cache=beside.cache)
    split = make_split(rows, beside.split.seed, cache=beside.cache)
    return Material(tuple(rows), split, beside.labels, beside.cache, data.name)


def fit(
    material: Material,
    run: Path,
    pack: str,
    weights: Weights,
    further: Sequence[Material] = (),
    start: Path | None = None,
    teachers: Sequence[Path] = (),
    **options: Any,
) -> Config:
    """Train a network and keep it in ``run``; go on where an earlier call was stopped.

    With ``start``, a finished run or a bundle, its weights are trained further, with a schedule of
    their own. ``teachers`` are such too: their answers are ``teach`` of every label.
    """
    labels, harmful = pack_labels(pack)
    config = Config(
        pack=pack,
        labels=labels,
        harmful=harmful,
        data_hash=material.split.data_hash,
        split_hash=material.split.hash,
        weights_sha256=file_sha256(weights) if isinstance(weights, Path) else None,
        weights=IMAGENET if weights == IMAGENET else None,
        also=tuple((other.name, other.split.data_hash) for other in further),
        **options,
    )
    begin = Earlier.open(start) if start else None
    masters = [Earlier.open(teacher) for teacher in teachers]
    if begin:
        config = _going_on(config, begin)
    if masters:
        config = _taught(config, masters)
    network = _begin(run, config, weights)
    own = material.part(config.parts, config.side)
    part = _joined([own, *(other.part(PARTS[:-1], config.side) for other in further)])
    if not (run / HEAD).exists():
        if begin:
            network.set_weights(_as_trained(begin, material).get_weights())
        else:
            _fit_head(network, part, config, pretrained=weights is not None)
        network.save_weights(run / HEAD)
    network.load_weights(run / HEAD)
    if config.epochs:
        watched = VALIDATION not in config.parts
        held = material.part(VALIDATION, config.side) if watched else None
        taught_by = [_as_trained(master, material) for master in masters]
        fine_tune(network, part, config, run, held, taught_by)
    network.save_weights(run / NETWORK)
    return config


def _going_on(config: Config, start: Earlier) -> Config:
    """``config`` with where ``start`` came from; raises :class:`TrainingError` if it may not."""
    start.check(config)
    if start.config.arch != config.arch:
        raise TrainingError(f"{start.folder.name!r} was made with another arch.")
    return replace(
        config,
        weights_sha256=start.config.weights_sha256,
        weights=start.config.weights,
        started_from=start.sha256,
    )


def _taught(config: Config, teachers: Sequence[Earlier]) -> Config:
    """``config`` with its teachers; raises :class:`TrainingError` if one may not teach."""
    if not config.epochs:
        raise TrainingError("Teachers need fine-tuning: a head alone is trained without them.")
    for teacher in teachers:
        teacher.check(config)
        for _, side in config.train_sides:
            check_side(teacher.config.arch, side)
    return replace(config, teachers=tuple(teacher.sha256 for teacher in teachers))


def _begin(run: Path, config: Config, weights: Weights) -> keras.Model:
    """The untrained network of a run that may go on or begin, and its configuration on disk."""
    if (run / "config.json").exists() and Config.load(run) != config:
        raise TrainingError(f"{str(run)!r} holds a run with other settings; name another --run.")
    for side in (config.side, *(side for _, side in config.train_sides)):
        check_side(config.arch, side)
    keras.utils.set_random_seed(config.seed)
    # Before anything is written: weights that cannot be had leave no run behind.
    begun = (run / HEAD).exists()
    network = build(config.arch, len(config.labels), config.side, None if begun else weights)
    config.save(run)
    return network


def _as_trained(earlier: Earlier, material: Material) -> keras.Model:
    rows = material.rows_of(earlier.config.parts)
    return earlier.network(np.array([material.labels.index(row.dx) for row in rows], np.int64))


def _joined(parts: Sequence[Part]) -> Part:
    return Part(
        np.concatenate([part.pictures for part in parts]),
        np.concatenate([part.targets for part in parts]),
    )


def _fit_head(network: keras.Model, part: Part, config: Config, *, pretrained: bool) -> None:
    """The first stage: the last layer, on the features of the others as they are."""
    if pretrained:
        order = np.random.default_rng(config.seed).permutation(len(part.targets))
        rescale_norms(network, part.pictures[order[:NORM_PICTURES]])
    features = _as_served(network, part, config) if config.turned else embed(network, part.pictures)
    network.get_layer("logits").set_weights(train_head(features, part.targets, config).weights)


def _as_served(network: keras.Model, part: Part, config: Config) -> Floats:
    """The mean embedding over the views each picture is served in, by the engine that serves."""
    one = keras.InputSpec(shape=(1, config.side, config.side, 3), dtype="float32", name="picture")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        network.export(str(path), format="litert", input_signature=[one], verbose=False)
        size = int(network.output["embedding"].shape[1])
        predictor = LitertPredictor(path, config.side, len(config.labels), size)
        return score(predictor, part.pictures, config.fields).embeddings

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

NETWORK = "network.weights.h5"
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

    With ``start``, a finished run, its weights are trained further, with a schedule of their own.
    ``teachers`` are finished runs, whose answers are ``teach`` of every label.
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
    if start:
        config = _going_on(config, start)
    if teachers:
        config = _taught(config, teachers)
    network = _begin(run, config, weights)
    own = material.part(config.parts, config.side)
    part = _joined([own, *(other.part(PARTS[:-1], config.side) for other in further)])
    if not (run / HEAD).exists():
        if start:
            network.load_weights(start / NETWORK)
        else:
            _fit_head(network, part, config, pretrained=weights is not None)
        network.save_weights(run / HEAD)
    network.load_weights(run / HEAD)
    if config.epochs:
        watched = VALIDATION not in config.parts
        held = material.part(VALIDATION, config.side) if watched else None
        taught_by = [load_network(one, Config.load(one)) for one in teachers]
        fine_tune(network, part, config, run, held, taught_by)
    network.save_weights(run / NETWORK)
    return config


def _going_on(config: Config, start: Path) -> Config:
    """``config`` with where ``start`` came from; raises :class:`TrainingError` if it may not."""
    earlier = _earlier(start, config)
    if earlier.arch != config.arch:
        raise TrainingError(f"The run {start.name!r} was made with another arch.")
    return replace(
        config,
        weights_sha256=earlier.weights_sha256,
        weights=earlier.weights,
        started_from=file_sha256(_finished(start)),
    )


def _taught(config: Config, teachers: Sequence[Path]) -> Config:
    """``config`` with its teachers; raises :class:`TrainingError` if one may not teach."""
    if not config.epochs:
        raise TrainingError("Teachers need fine-tuning: a head alone is trained without them.")
    for teacher in teachers:
        arch = _earlier(teacher, config).arch
        for _, side in config.train_sides:
            check_side(arch, side)
    return replace(config, teachers=tuple(file_sha256(_finished(one)) for one in teachers))


def _earlier(run: Path, config: Config) -> Config:
    """The configuration of ``run``; raises :class:`TrainingError` if ``config`` cannot build on it.

    What the earlier network learned from the later one knows, so it must not have been more.
    """
    earlier = Config.load(run)
    for name in ("labels", "split_hash"):
        if getattr(earlier, name) != getattr(config, name):
            raise TrainingError(f"The run {run.name!r} was made with another {name}.")
    if not {*earlier.parts} <= {*config.parts} or not {*earlier.also} <= {*config.also}:
        raise TrainingError(f"The run {run.name!r} saw pictures that are not to train here.")
    return earlier


def _finished(run: Path) -> Path:
    """The trained weights of ``run``; raises :class:`TrainingError` when there are none yet."""
    path = run / NETWORK
    if not path.is_file():
        raise TrainingError(f"The run {run.name!r} has no {NETWORK}: its training never finished.")
    return path


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


def load_network(run: Path, config: Config) -> keras.Model:
    """The trained network of a run; raises :class:`TrainingError` when it never finished."""
    path = _finished(run)
    network = build(config.arch, len(config.labels), config.side)
    network.load_weights(path)
    return network

"""What a frozen backbone sees in every picture of a folder: computed once, kept on disk.

Training a head over these features takes seconds where fine-tuning takes hours; `crossval` and
`tune` rest on it. What they find holds for frozen features and is only a hint for fine-tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mlservice.engine.bundle import file_sha256
from mlservice.engine.preprocess import preprocess_hash
from mlservice.engine.types import Floats, Picture
from training.architectures import Weights, check_side, existing
from training.config import Config
from training.data import Row
from training.errors import TrainingError
from training.labels import pack_labels
from training.network import build
from training.pictures import cached_pictures
from training.pretrained import IMAGENET
from training.split import Split

CHUNK = 64


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network's body whose weights stay as they are."""

    arch: str
    weights: Weights = None  # None: random ones, drawn with ``seed``
    side: int = 224
    seed: int = 7

    def weights_sha256(self) -> str | None:
        """Of the file, where the weights come from one."""
        return file_sha256(existing(self.weights)) if isinstance(self.weights, Path) else None

    def key(self) -> str:
        """What tells its features from another's, as part of a file name."""
        digest = self.weights_sha256()
        return f"{self.arch}-{digest[:16] if digest else self.weights or f'random{self.seed}'}"

    def __str__(self) -> str:
        return self.arch if self.weights else f"{self.arch} (random weights)"


@dataclass(frozen=True)
class FeatureTable:
    """The features, label numbers and rows of ``n`` pictures, in one order."""

    rows: tuple[Row, ...]
    features: Floats  # (n, d)
    targets: NDArray[np.int64]  # (n,)

    def __getitem__(self, chosen: NDArray[np.int64]) -> FeatureTable:
        return FeatureTable(
            tuple(self.rows[i] for i in chosen), self.features[chosen], self.targets[chosen]
        )

    def of(self, images: Sequence[str]) -> FeatureTable:
        """The part with these image ids, in the order of this table."""
        wanted = set(images)
        return self[np.flatnonzero([row.image_id in wanted for row in self.rows])]


def feature_table(
    rows: Sequence[Row], labels: Sequence[str], data_hash: str, backbone: Backbone, cache: Path
) -> FeatureTable:
    """The frozen features of ``rows`` by ``backbone``, in the order of the image ids.

    ``data_hash`` is that of ``rows``. Computed once for each data, preprocessing, architecture
    and weights; a computation that is stopped goes on where it was.
    """
    ordered = tuple(sorted(rows, key=lambda row: row.image_id))
    name = f"features-{data_hash[:16]}-{preprocess_hash(backbone.side)[:16]}-{backbone.key()}.npy"
    path = cache / name
    check_side(backbone.arch, backbone.side)
    if not path.exists():
        _compute(cached_pictures(rows, backbone.side, data_hash, cache), backbone, path)
    targets = np.array([labels.index(row.dx) for row in ordered], np.int64)
    return FeatureTable(ordered, np.load(path), targets)


def _compute(pictures: Picture, backbone: Backbone, path: Path) -> None:
    """Write the features of ``pictures`` to ``path``; what is not there yet is NaN in a ``.part``.

    The NaNs are on disk before the first feature is, so that whatever a crash leaves of the file
    tells what is still to do.
    """
    keras.utils.set_random_seed(backbone.seed)
    network = build(backbone.arch, 1, backbone.side, backbone.weights)
    body = keras.Model(network.input, network.output["embedding"])
    part = path.with_suffix(".part")
    stored = _open_part(part, (len(pictures), body.output.shape[-1]))
    missing = np.flatnonzero(np.isnan(stored).any(axis=1))
    with tqdm(
        total=len(pictures),
        initial=len(pictures) - len(missing),
        desc=f"features of {backbone.arch}",
    ) as bar:
        for start in range(0, len(missing), CHUNK):
            chosen = missing[start : start + CHUNK]
            found = np.asarray(body.predict_on_batch(pictures[chosen].astype(np.float32)))
            if not np.isfinite(found).all():
                raise TrainingError(f"The features of {backbone.arch!r} are not finite.")
            stored[chosen] = found
            bar.update(len(chosen))
    stored.flush()
    if part.exists():  # or another process was faster, with the same numbers
        part.replace(path)


def _open_part(part: Path, shape: tuple[int, int]) -> np.memmap[Any, np.dtype[np.float32]]:
    if part.exists():
        try:
            begun = np.lib.format.open_memmap(part, mode="r+")
        except ValueError:
            pass  # stopped while the file was being made
        else:
            if begun.shape == shape:
                return begun
    fresh = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=shape)
    fresh[:] = np.nan
    fresh.flush()
    return fresh


def frozen_config(split: Split, pack: str, backbone: Backbone) -> Config:
    """The configuration of a head on ``backbone``, with the defaults of `fit`."""
    labels, harmful = pack_labels(pack)
    return Config(
        pack=pack,
        labels=labels,
        harmful=harmful,
        data_hash=split.data_hash,
        split_hash=split.hash,
        seed=backbone.seed,
        arch=backbone.arch,
        weights_sha256=backbone.weights_sha256(),
        weights=IMAGENET if backbone.weights == IMAGENET else None,
        side=backbone.side,
        epochs=0,
    )

"""Everything that decides a run, in one frozen record that travels into the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlservice.engine.bundle import Manifest
from training.errors import TrainingError

CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class Config:
    pack: str
    labels: tuple[str, ...]
    harmful: tuple[str, ...]
    data_hash: str
    split_hash: str
    seed: int
    arch: str = "mobilenet_v2"
    weights_sha256: str | None = None  # of the file with the pretrained backbone
    weights: str | None = None  # "imagenet": as Keras downloads it. Neither: random weights
    started_from: str | None = None  # SHA-256 of the weights of an earlier run it goes on from
    side: int = 224  # served
    fields: tuple[float, ...] = (1.0, 0.85, 0.7)  # served: shares of the side each view shows
    turned: bool = False  # the head alone learns from the mean over the views that are served
    parts: tuple[str, ...] = ("fit",)  # of the split, that train
    also: tuple[tuple[str, str], ...] = ()  # name and data hash of further folders that train
    train_sides: tuple[tuple[int, int], ...] = ((0, 192),)  # (from epoch, side of the views)
    head_epochs: int = 60
    head_learning_rate: float = 2e-3
    epochs: int = 20  # of fine-tuning; 0 keeps the backbone frozen
    patience: int = 0  # epochs without a better validation part until it stops; 0: never
    freeze_until: str | None = None  # this layer and all before it keep their weights
    precision: str = "float32"  # of the arithmetic in training; the weights are always float32
    norms: str = "batch"  # statistics of batch normalisation: of each "batch", or "held"
    batch: int = 32
    learning_rate: float = 3e-4
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    dropout: float = 0.3
    ema: float = 0.998
    balance: float = 0.5  # pictures are drawn by class size to this power: 1 as is, 0 all alike
    mix: float = 0.0  # two views are blended by Beta(mix, mix); 0: none are
    teachers: tuple[str, ...] = ()  # SHA-256 of the networks whose answers train beside the labels
    teach: float = 0.0  # share of the label that is the teachers'
    teach_temperature: float = 1.0  # their logits are divided by it: below one they are surer
    adjust: float = 1.0  # share of the log of the drawn classes' prior taken out of the logits
    # Share of the log of the classes' own prior put back into a head over frozen features (`tune`,
    # `crossval`). For a bundle, `export` chooses it: training.operating.
    prior: float = 0.5

    def save(self, run: Path) -> None:
        run.mkdir(parents=True, exist_ok=True)
        (run / CONFIG).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, run: Path) -> Config:
        """The configuration of a run folder; raises :class:`TrainingError` where there is none."""
        try:
            return cls._read(json.loads((run / CONFIG).read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            raise TrainingError(f"{str(run)!r} is not a run: it has no {CONFIG}.") from None
        except (ValueError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"{str(run / CONFIG)!r} is not a configuration of this version: {error}."
            ) from error

    @classmethod
    def of_bundle(cls, manifest: Manifest) -> Config:
        """The configuration of the run that a bundle was made of; ``prior`` is the share of the
        classes' prior that its network was given back. Raises :class:`TrainingError`.
        """
        told = manifest.training
        try:
            config = cls._read(told["config"])
            return replace(config, prior=told.get("prior", {}).get("share", config.prior))
        except (KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"The manifest of {manifest.name}-{manifest.version} does not say how it was "
                f"trained: {error}."
            ) from error

    @classmethod
    def _read(cls, raw: Mapping[str, Any]) -> Config:
        return cls(**{name: _frozen(value) for name, value in raw.items()})

    def train_side(self, epoch: int) -> int:
        """The side of the views in ``epoch``, counted from 0."""
        return [side for first, side in self.train_sides if first <= epoch][-1]


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value

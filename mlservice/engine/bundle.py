"""A bundle: one trained network and everything needed to serve it, in one folder.

``manifest.json`` names every other file with its SHA-256; a bundle that does not match its
manifest, or was trained with another preprocessing, is refused with a sentence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from mlservice.engine.preprocess import preprocess_hash
from mlservice.engine.reading import Evidence, RiskReading, check_evidence
from mlservice.engine.statistics import Statistics
from mlservice.engine.types import BundleError, Modality

MANIFEST = "manifest.json"
PROVEN = (Modality.DERMOSCOPIC, Modality.RADIOGRAPH)  # what a version can be measured on
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Files:
    """File names inside the bundle folder."""

    litert: str
    keras: str
    statistics: str
    card: str
    metrics: str
    golden: str  # the logits of the golden pictures


@dataclass(frozen=True, slots=True)
class Manifest:
    """``manifest.json``, read and checked. Labels and everything by label go by name."""

    format: int
    name: str
    version: str
    pack: str
    labels: tuple[str, ...]
    harmful: tuple[str, ...]
    side: int
    preprocess_hash: str
    embedding_size: int
    temperature: float
    threshold: float
    r95: float
    r99: float
    conformal: Mapping[str, float | None]  # None: too few lesions, always in the set
    ood_cut: float
    not_skin_cut: float
    files: Files
    sha256: Mapping[str, str]
    training: Mapping[str, Any]  # data hash, split hash, seed, versions, the whole config
    no_lesion_cut: float | None = None  # None: made without outlines, never says "no lesion"
    fields: tuple[float, ...] = (1.0,)  # shares of the side at which each rotation is looked at
    modality: str = Modality.DERMOSCOPIC.value  # the kind of picture all the numbers are of
    risk: RiskReading | None = None  # None: the sum of the harmful labels' probabilities
    metadata: Evidence | None = None  # what age and site say of the names, by the pack's words

    @classmethod
    def read(cls, path: Path) -> Self:
        """Parse and check ``path``; raises :class:`BundleError` with what is wrong."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BundleError(f"The bundle {path.parent.name!r} has no {path.name}.") from None
        except (OSError, ValueError) as error:
            raise BundleError(
                f"{path.parent.name}/{path.name} is not readable: {error}."
            ) from error
        try:
            lists = {"labels", "harmful", "fields"} & raw.keys()
            raw |= {name: tuple(raw[name]) for name in lists}
            raw["files"] = Files(**raw["files"])
            if raw.get("risk") is not None:
                raw["risk"] = RiskReading(**raw["risk"])
            manifest = cls(**raw)
            manifest.check()
        except (KeyError, TypeError) as error:
            raise BundleError(
                f"{path.parent.name}/{path.name} lacks or misnames an entry: {error}."
            ) from error
        return manifest

    def check(self) -> None:
        """Hold the entries against each other; raises :class:`BundleError`."""
        self._check_kinds()
        if self.format != FORMAT:
            raise BundleError(f"The bundle format is {self.format}; this code reads {FORMAT}.")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise BundleError(f"The labels {list(self.labels)} are too few or repeated.")
        if not self.harmful or not set(self.harmful) < set(self.labels):
            raise BundleError(f"The harmful labels {list(self.harmful)} are not among the labels.")
        if set(self.conformal) != set(self.labels):
            raise BundleError("The conformal quantiles are not one for each label.")
        if self.preprocess_hash != preprocess_hash(self.side):
            raise BundleError(
                f"The bundle {self.version!r} was trained with another preprocessing "
                f"({self.preprocess_hash[:12]}) than this code does."
            )
        self._check_readings()
        if not 0 < self.threshold <= 1:
            raise BundleError(f"The threshold {self.threshold} is not above 0 and at most 1.")
        if not self.fields or not all(0 < field <= 1 for field in self.fields):
            raise BundleError(f"The fields {list(self.fields)} are not above 0 and at most 1.")
        if self.no_lesion_cut is not None and not 0 < self.no_lesion_cut <= 1:
            raise BundleError(f"The cut for no lesion, {self.no_lesion_cut}, makes no sense.")

    def _check_readings(self) -> None:
        """Temperatures, cuts, and what the risk and the metadata add to the logits."""
        if not (0 < self.temperature < 100 and 0 <= self.r99 <= self.r95 <= 1):
            raise BundleError("The temperature or the risk cuts make no sense.")
        if self.risk is not None:
            self.risk.check(self.labels)
        if self.metadata is not None:
            check_evidence(self.metadata, self.labels)

    def _check_kinds(self) -> None:
        """A manifest may come from anybody: names that can be kept and shown, and real tables."""
        for name in (self.name, self.version, self.pack):
            if not isinstance(name, str) or not 0 < len(name) <= 60 or not name.isprintable():
                raise BundleError(f"The name {name!r:.80} is not 1 to 60 characters that print.")
        if not isinstance(self.training, dict) or not isinstance(self.sha256, dict):
            raise BundleError("The manifest's training or its hashes are no table of entries.")
        if self.modality not in PROVEN:
            raise BundleError(f"The kind of picture {self.modality!r:.40} is not known here.")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle folder. Make one with :meth:`load`."""

    folder: Path
    manifest: Manifest
    statistics: Statistics

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read ``folder`` and verify every file; raises :class:`BundleError`.

        Verifies the hash of every file, the preprocessing, and that labels, cuts and statistics
        fit together. It does not run the network: see :func:`mlservice.engine.check_golden`.
        """
        if not folder.is_dir():
            raise BundleError(f"There is no bundle folder {folder.name!r}.")
        manifest = Manifest.read(folder / MANIFEST)
        for name, digest in manifest.sha256.items():
            _verify(folder, name, digest)
        for name in (manifest.files.litert, manifest.files.keras, manifest.files.statistics):
            if name not in manifest.sha256:
                raise BundleError(f"The manifest gives no hash for {name!r}.")
        statistics = Statistics.load(folder / manifest.files.statistics)
        statistics.check(len(manifest.labels), manifest.embedding_size)
        if (manifest.no_lesion_cut is None) != (statistics.no_lesion_weights is None):
            raise BundleError('Of the cut and the weights for "no lesion" only one is there.')
        return cls(folder, manifest, statistics)

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def fields(self) -> tuple[float, ...]:
        """Shares of a picture's side at which each of its rotations is looked at."""
        return self.manifest.fields

    @property
    def modality(self) -> Modality:
        """The kind of picture the version was measured on: others are scored, never GREEN."""
        return Modality(self.manifest.modality)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names in the order of the network's logits."""
        return self.manifest.labels

    @property
    def harmful(self) -> tuple[str, ...]:
        return self.manifest.harmful

    @property
    def side(self) -> int:
        return self.manifest.side

    @property
    def temperature(self) -> float:
        return self.manifest.temperature

    @property
    def threshold(self) -> float:
        """The shipped default of the 80 % rule."""
        return self.manifest.threshold

    @property
    def r95(self) -> float:
        return self.manifest.r95

    @property
    def r99(self) -> float:
        return self.manifest.r99

    @property
    def conformal(self) -> Mapping[str, float | None]:
        return self.manifest.conformal

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the served network's file: what every prediction names."""
        return self.manifest.sha256[self.manifest.files.litert]

    @cached_property
    def manifest_hash(self) -> str:
        """SHA-256 of the manifest: names the network, its cuts and its training together."""
        return file_sha256(self.folder / MANIFEST)

    @property
    def litert_path(self) -> Path:
        return self.folder / self.manifest.files.litert

    @property
    def keras_path(self) -> Path:
        return self.folder / self.manifest.files.keras

    @property
    def card_path(self) -> Path:
        return self.folder / self.manifest.files.card

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """``metrics.json``: the numbers on the frozen test part, as the card prints them."""
        path = self.folder / self.manifest.files.metrics
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return metrics

    @property
    def golden_images(self) -> tuple[Path, ...]:
        """The golden pictures, sorted by name; their logits are in ``golden_logits``."""
        return tuple(self.folder / name for name in sorted(self.golden_logits))

    @cached_property
    def golden_logits(self) -> dict[str, list[float]]:
        """Picture file name -> the logits it had when the bundle was made."""
        path = self.folder / self.manifest.files.golden
        logits: dict[str, list[float]] = json.loads(path.read_text(encoding="utf-8"))
        return logits


def shipped(pack: str = "skin") -> Path:
    """The folder of the newest bundle shipped for ``pack``; raises :class:`BundleError`."""
    home = Path(__file__).parents[1] / "bundles"
    found = [p.parent for p in home.glob(f"{pack}-*/{MANIFEST}")]
    if not found:
        raise BundleError(f"No bundle is shipped for {pack!r}.")
    return max(found, key=lambda folder: _natural(folder.name))


def _natural(name: str) -> list[int]:
    """``skin-10`` after ``skin-9``; ``skin-1.2`` after ``skin-1``."""
    return [int(part) for part in name.rpartition("-")[2].split(".") if part.isdigit()]


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _verify(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if folder.resolve() not in path.resolve().parents:
        raise BundleError(f"The manifest names a file outside its folder: {name!r}.")
    if not path.is_file():
        raise BundleError(f"The bundle {folder.name!r} lacks the file {name!r}.")
    if file_sha256(path) != digest:
        raise BundleError(
            f"The file {name!r} of the bundle {folder.name!r} is not the one that was made: "
            "its hash differs (truncated, damaged or replaced)."
        )

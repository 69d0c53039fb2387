"""What the training pictures taught beside the network: how far is far, and what is skin."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.types import BundleError, Floats

MOST_UNPACKED = 64 << 20  # bytes; the shipped ones have 60 kB
_STEEP = 500.0  # exp() of more overflows
GATE_ORDER = ("proven", "phone", "not_skin")  # proven: the bundle's own kind of picture


@dataclass(frozen=True)
class Statistics:
    """Arrays fitted at training time, kept in ``statistics.npz``.

    ``d`` is the embedding's size, ``c`` the number of labels.
    """

    centres: Floats  # (c, d): each label's mean embedding, of length one
    gate_weights: Floats  # (d, 3), columns in GATE_ORDER
    gate_bias: Floats  # (3,)
    # Both or neither: a version made without outlines of marks cannot know plain skin.
    no_lesion_weights: Floats | None = None  # (d,)
    no_lesion_bias: Floats | None = None  # (1,)

    @classmethod
    def load(cls, path: Path) -> Statistics:
        """Read ``path``; raises :class:`BundleError`."""
        try:
            with zipfile.ZipFile(path) as packed:
                if sum(one.file_size for one in packed.infolist()) > MOST_UNPACKED:
                    raise BundleError(f"The statistics {path.name!r} unpack to too much.")
            with np.load(path, allow_pickle=False) as arrays:
                wanted = (f for f in fields(cls) if f.default is MISSING or f.name in arrays)
                return cls(**{f.name: np.asarray(arrays[f.name], np.float32) for f in wanted})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise BundleError(f"The statistics {path.name!r} are not readable: {error}.") from error

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **self._arrays())

    def _arrays(self) -> dict[str, Any]:
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: array for name, array in arrays.items() if array is not None}

    def check(self, labels: int, size: int) -> None:
        """Raises :class:`BundleError` unless every array is finite and of its shape."""
        shapes = {
            "centres": (labels, size),
            "gate_weights": (size, len(GATE_ORDER)),
            "gate_bias": (len(GATE_ORDER),),
            "no_lesion_weights": (size,),
            "no_lesion_bias": (1,),
        }
        if (self.no_lesion_weights is None) != (self.no_lesion_bias is None):
            raise BundleError('The statistics hold half of what "no lesion" needs.')
        for name, array in self._arrays().items():
            shape = shapes[name]
            if array.shape != shape or not np.isfinite(array).all():
                raise BundleError(f"The statistics' {name!r} is not finite of shape {shape}.")

    def distances(self, embeddings: Floats) -> NDArray[np.float64]:
        """Cosine distance (0 to 2) of each row of ``(n, d)`` to its nearest label's centre.

        An embedding without any activation points nowhere and is as far as unrelated: 1.
        """
        lengths = np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
        nearest: NDArray[np.float64] = ((embeddings / lengths) @ self.centres.T).max(1)
        return 1.0 - nearest.astype(np.float64)

    def gate(self, embeddings: Floats) -> NDArray[np.float64]:
        """Probabilities of :data:`GATE_ORDER`, shape ``(n, 3)``."""
        scores = (embeddings @ self.gate_weights + self.gate_bias).astype(np.float64)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        shares: NDArray[np.float64] = scores / scores.sum(1, keepdims=True)
        return shares

    def no_lesion(self, embeddings: Floats) -> NDArray[np.float64]:
        """The share of "skin without a mark", shape ``(n,)``; 0 where nobody taught it."""
        if self.no_lesion_weights is None or self.no_lesion_bias is None:
            return np.zeros(len(embeddings))
        scores = (embeddings @ self.no_lesion_weights + self.no_lesion_bias).astype(np.float64)
        shares: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(scores, -_STEEP, _STEEP)))
        return shares

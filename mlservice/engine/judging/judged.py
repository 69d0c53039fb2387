"""Cases with what is true of them and what the computer said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.bundle import Bundle
from mlservice.engine.types import PictureAssessment, Tier

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Judgeable(Protocol):
    """One case: a picture with its truth. Only what the numbers need is asked of it."""

    @property
    def dx(self) -> str:
        """The true label's name."""

    @property
    def lesion_id(self) -> str:
        """The same for all pictures of one lesion; they are numbered in this order."""

    @property
    def groups(self) -> Mapping[str, str]:
        """Kind -> value, such as sex -> "female"; every case has the same kinds."""


@dataclass(frozen=True)
class Judged:
    """Arrays have ``n`` rows, one a picture; ``c`` is the number of labels.

    ``r95`` and ``r99`` are the shipped cuts on the risk, where there are any. ``raw`` is not kept
    of the clinic's cases.
    """

    labels: tuple[str, ...]
    harmful: tuple[str, ...]
    rows: tuple[Judgeable, ...]
    targets: NDArray[np.int64]
    probabilities: Doubles  # (n, c), as served
    risks: Doubles  # (n,), the malignancy score as served
    raw: Doubles | None  # (n, c), as served but with temperature 1
    tiers: NDArray[np.str_]
    no_disease: Flags
    threshold: float
    r95: float | None = None
    r99: float | None = None

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        rows: Sequence[Judgeable],
        assessed: Sequence[PictureAssessment],
        raw: Doubles | None,
    ) -> Judged:
        labels = bundle.labels
        return cls(
            labels,
            bundle.harmful,
            tuple(rows),
            np.array([labels.index(row.dx) for row in rows], np.int64),
            np.array([[a.probabilities[name] for name in labels] for a in assessed]),
            np.array([a.risk for a in assessed]),
            raw,
            np.array([a.tier.value for a in assessed]),
            np.array([a.no_disease for a in assessed]),
            bundle.threshold,
            bundle.r95,
            bundle.r99,
        )

    @cached_property
    def lesions(self) -> NDArray[np.int64]:
        """The number of each picture's lesion, from 0."""
        _, numbers = np.unique([row.lesion_id for row in self.rows], return_inverse=True)
        return numbers.astype(np.int64)

    @cached_property
    def guess(self) -> NDArray[np.int64]:
        """The likeliest label's number."""
        likeliest: NDArray[np.int64] = self.probabilities.argmax(1)
        return likeliest

    @cached_property
    def sick(self) -> Flags:
        return np.isin(self.targets, [self.labels.index(name) for name in self.harmful])

    def is_class(self, name: str) -> Flags:
        """Whose true label is ``name``; nobody's where the pack has no such label."""
        if name not in self.labels:
            return np.zeros(len(self.targets), np.bool_)
        own: Flags = self.targets == self.labels.index(name)
        return own

    def tier_is(self, *tiers: Tier) -> Flags:
        return np.isin(self.tiers, [tier.value for tier in tiers])

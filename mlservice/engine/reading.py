"""How a network's logits are read: once for the names, and once for the risk.

The names answer "what is it?" and want every class taken as likely as any other. The risk answers
"could it be harmful?" and is best where naevi are known to be common. One reading cannot be both,
so a bundle may give the risk one of its own. What is known beside the picture (age, body site) may
move the names, by how much more common each label is among such people; it never moves the risk:
to be young must take nobody's urgency away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.types import BundleError, Metadata

Doubles = NDArray[np.float64]
# Kind -> value -> label -> the log of how much more common it is there than elsewhere.
Evidence = Mapping[str, Mapping[str, Mapping[str, float]]]
FARTHEST = 20.0  # of an offset or a piece of evidence: beyond it a table is damaged, not informed


@dataclass(frozen=True, slots=True)
class RiskReading:
    """``offsets`` are added to the logits by label name, and the sum divided by ``temperature``."""

    offsets: Mapping[str, float]
    temperature: float

    def check(self, labels: Sequence[str]) -> None:
        """Raises :class:`BundleError`."""
        if not _whole(self.offsets, labels):
            raise BundleError("The risk's offsets are not one for each label.")
        if not isinstance(self.temperature, int | float) or not 0 < self.temperature < 100:
            raise BundleError(f"The risk's temperature {self.temperature!r:.20} makes no sense.")


def check_evidence(evidence: Evidence, labels: Sequence[str]) -> None:
    """Raises :class:`BundleError` unless it is a table for each kind, of each label."""
    if not isinstance(evidence, Mapping):
        raise BundleError("What the metadata say of the labels is no table.")
    for kind, values in evidence.items():
        told = values.values() if isinstance(values, Mapping) else [None]
        if not all(_whole(shares, labels) for shares in told):
            raise BundleError(f"What {kind!r:.40} says of the labels is not a number for each.")


def _whole(shares: object, labels: Sequence[str]) -> bool:
    if not isinstance(shares, Mapping):
        return False
    numbers = all(
        isinstance(x, int | float) and not isinstance(x, bool) and abs(x) <= FARTHEST
        for x in shares.values()
    )
    return set(shares) == set(labels) and numbers


def calibrated(logits: Doubles, temperature: float) -> Doubles:
    """Softmax of ``logits / temperature`` over the last axis."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    shares: Doubles = powers / powers.sum(-1, keepdims=True)
    return shares


def in_order(shares: Mapping[str, float], labels: Sequence[str]) -> Doubles:
    """``(c,)``: what a table by label name says, in the order of the logits."""
    return np.array([shares[name] for name in labels], np.float64)


def informed(shares: Doubles, evidence: Doubles) -> Doubles:
    """``(..., c)`` probabilities of the picture once ``evidence`` ``(..., c)`` is known as well.

    Bayes' rule, as if the picture and the metadata spoke independently of each other.
    """
    weighed = shares * np.exp(evidence)
    together: Doubles = weighed / weighed.sum(-1, keepdims=True)
    return together


def known_of(evidence: Evidence | None, metadata: Metadata) -> Iterator[tuple[str, str]]:
    """The kinds and values of ``metadata`` that the bundle knows anything of."""
    for kind, values in (evidence or {}).items():
        if metadata.get(kind, "") in values:
            yield kind, metadata[kind]


def weight_of(evidence: Evidence, metadata: Metadata, labels: Sequence[str]) -> Doubles:
    """``(c,)``: everything that is known of one person and place, together."""
    told = [evidence[kind][value] for kind, value in known_of(evidence, metadata)]
    return np.array([math.fsum(one[name] for one in told) for name in labels], np.float64)

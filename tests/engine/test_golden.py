"""Golden pictures: the network on this machine is the network that was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Sequence
from pathlib import Path

import numpy as np
import pytest

from mlservice.engine import (
    Bundle,
    BundleError,
    Picture,
    Predictor,
    RawScores,
    check_golden,
)


class Altered:
    """A predictor whose input or output was tampered with."""

    name, batch_size = "altered", 1

    def __init__(
        self,
        inner: Predictor,
        before: Callable[[Picture], Picture] = lambda batch: batch,
        shift: float = 0.0,
    ) -> None:
        self.inner, self.before, self.shift = inner, before, shift

    def predict(self, batch: Picture, mapped: Container[int] = ()) -> Sequence[RawScores]:
        scores = self.inner.predict(np.ascontiguousarray(self.before(batch)), mapped)
        return [RawScores(raw.logits + np.float32(self.shift), raw.embedding) for raw in scores]


def test_the_shipped_network_passes(bundle: Bundle, predictor: Predictor) -> None:
    check_golden(bundle, predictor)


def test_swapped_colour_channels_are_caught(bundle: Bundle, predictor: Predictor) -> None:
    """The fault of the published notebook: trained on RGB, served BGR."""
    with pytest.raises(BundleError, match="golden"):
        check_golden(bundle, Altered(predictor, before=lambda batch: batch[..., ::-1]))


@pytest.mark.parametrize("shift", [0.01, float("nan")])
def test_other_logits_are_caught(bundle: Bundle, predictor: Predictor, shift: float) -> None:
    with pytest.raises(BundleError, match="off by"):
        check_golden(bundle, Altered(predictor, shift=shift))


def test_rounding_is_allowed(bundle: Bundle, predictor: Predictor) -> None:
    check_golden(bundle, Altered(predictor, shift=1e-4))


def test_a_bundle_without_golden_pictures_is_refused(
    copy: Path, predictor: Predictor, resign: Callable[..., None]
) -> None:
    (copy / "golden.json").write_text(json.dumps({}))
    resign(copy)
    with pytest.raises(BundleError, match="no golden pictures"):
        check_golden(Bundle.load(copy), predictor)

"""Skin without a mark: a signal that a version may have, and that older ones do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlservice.engine import Bundle, BundleError, Modality, Tier
from mlservice.engine.assess import assess_scores
from mlservice.engine.statistics import Statistics
from mlservice.engine.types import RawScores

Resign = Callable[..., None]


@pytest.fixture
def blind(bundle: Bundle) -> Bundle:
    """The shipped bundle as one made without outlines."""
    statistics = replace(bundle.statistics, no_lesion_weights=None, no_lesion_bias=None)
    return Bundle(bundle.folder, replace(bundle.manifest, no_lesion_cut=None), statistics)


@pytest.fixture
def looking(blind: Bundle) -> Bundle:
    """The shipped bundle, sure that nothing it is shown has a mark unless its first unit fires."""
    weights = np.zeros(blind.manifest.embedding_size, np.float32)
    weights[0] = -8
    statistics = replace(
        blind.statistics, no_lesion_weights=weights, no_lesion_bias=np.array([4], np.float32)
    )
    return Bundle(blind.folder, replace(blind.manifest, no_lesion_cut=0.9), statistics)


def calm(bundle: Bundle, *, unit: float) -> list[RawScores]:
    """Four rotations of a picture that is surely a naevus; ``unit`` is its first feature."""
    logits = np.array([9.0 if name == "nv" else 0.0 for name in bundle.labels], np.float32)
    embedding = bundle.statistics.centres[bundle.labels.index("nv")].copy()
    embedding[0] = unit
    return [RawScores(logits, embedding)] * 4


def test_a_sure_class_is_no_reason_to_overlook_that_there_is_no_mark(looking: Bundle) -> None:
    found = assess_scores(
        looking, calm(looking, unit=0), Modality.DERMOSCOPIC, threshold=looking.threshold
    )
    assert found.confidence > 0.8
    assert found.modality is Modality.NO_LESION
    assert found.reasons[-1] == "no_lesion"
    assert found.tier is not Tier.GREEN


@pytest.mark.parametrize("version", ["looking", "blind"])
def test_a_mark_is_judged_as_ever(version: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(version)
    scores = calm(bundle, unit=1)
    found = assess_scores(bundle, scores, Modality.DERMOSCOPIC, threshold=bundle.threshold)
    assert found.modality.shows_a_mark
    assert "no_lesion" not in found.reasons


def test_the_share_stays_a_number_however_sure(looking: Bundle) -> None:
    far = np.zeros((2, looking.manifest.embedding_size), np.float32)
    far[:, 0] = -1e6, 1e6
    with np.errstate(all="raise"):
        assert looking.statistics.no_lesion(far) == pytest.approx([1, 0])


def test_statistics_are_kept_with_the_signal_and_without(
    looking: Bundle, blind: Bundle, tmp_path: Path
) -> None:
    for bundle in (looking, blind):
        path = tmp_path / "statistics.npz"
        bundle.statistics.save(path)
        kept = Statistics.load(path)
        kept.check(len(bundle.labels), bundle.manifest.embedding_size)
        np.testing.assert_equal(vars(kept), vars(bundle.statistics))


def _forget_the_cut(manifest: dict[str, Any]) -> None:
    manifest.pop("no_lesion_cut", None)


def _cut_at(value: float) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.update(no_lesion_cut=value)


def test_a_bundle_from_before_the_signal_still_serves(
    blind: Bundle, copy: Path, resign: Resign
) -> None:
    blind.statistics.save(copy / "statistics.npz")
    resign(copy, _forget_the_cut)
    old = Bundle.load(copy)
    scores = calm(old, unit=0)
    found = assess_scores(old, scores, Modality.DERMOSCOPIC, threshold=old.threshold)
    assert "no_lesion" not in found.reasons


def test_half_of_the_signal_is_refused(
    looking: Bundle, blind: Bundle, copy: Path, resign: Resign
) -> None:
    looking.statistics.save(copy / "statistics.npz")
    resign(copy, _forget_the_cut)
    with pytest.raises(BundleError, match="only one is there"):
        Bundle.load(copy)
    blind.statistics.save(copy / "statistics.npz")
    resign(copy, _cut_at(0.9))
    with pytest.raises(BundleError, match="only one is there"):
        Bundle.load(copy)
    replace(looking.statistics, no_lesion_bias=None).save(copy / "statistics.npz")
    resign(copy, _cut_at(0.9))
    with pytest.raises(BundleError, match="half of what"):
        Bundle.load(copy)


@pytest.mark.parametrize("cut", [0.0, -1.0, 1.5])
def test_a_cut_that_calls_every_picture_or_none_is_refused(
    cut: float, looking: Bundle, copy: Path, resign: Resign
) -> None:
    looking.statistics.save(copy / "statistics.npz")
    resign(copy, _cut_at(cut))
    with pytest.raises(BundleError, match="makes no sense"):
        Bundle.load(copy)

"""Names and risk are read apart, and what is known beside the picture moves the names alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlservice.engine import (
    Bundle,
    BundleError,
    Modality,
    Picture,
    PictureAssessment,
    PredictError,
    Predictor,
    RawScores,
    assess,
)
from mlservice.engine.assess import assess_scores, views_of_one
from mlservice.engine.bundle import MANIFEST
from mlservice.engine.reading import RiskReading, informed

YOUNG = {"age": "under_30"}
OLD = {"age": "from_70", "site": "face"}
WHOLE = dict.fromkeys(("mel", "bcc", "akiec", "nv", "bkl", "df", "vasc"), 0.0)


def table(bundle: Bundle, **known: float) -> dict[str, float]:
    return dict.fromkeys(bundle.labels, 0.0) | known


@pytest.fixture(scope="module")
def plain(bundle: Bundle) -> Bundle:
    """As bundles were before 2.1: one reading for both."""
    manifest = replace(bundle.manifest, risk=None, metadata=None)
    return Bundle(bundle.folder, manifest, bundle.statistics)


@pytest.fixture(scope="module")
def told(plain: Bundle) -> Bundle:
    """A version that knows something of age and of the face, by numbers made up here."""
    metadata = {
        "age": {
            "under_30": table(plain, mel=-1.0, nv=0.5),
            "from_70": table(plain, mel=0.8, bkl=1.2),
        },
        "site": {"face": table(plain, bcc=0.9, df=-2.0)},
    }
    return Bundle(plain.folder, replace(plain.manifest, metadata=metadata), plain.statistics)


def scores_of(bundle: Bundle, seed: int = 3) -> list[RawScores]:
    rng = np.random.default_rng(seed)
    embedding = bundle.statistics.centres[0]
    logits = rng.normal(0, 1, (views_of_one(bundle.fields), len(bundle.labels)))
    return [RawScores(row.astype(np.float32), embedding) for row in logits]


def said(
    bundle: Bundle, scores: list[RawScores], metadata: Mapping[str, str] | None = None
) -> PictureAssessment:
    return assess_scores(
        bundle, scores, Modality.DERMOSCOPIC, metadata=metadata or {}, threshold=0.8
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    shares: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return shares


def test_without_a_reading_of_its_own_the_risk_is_the_harmful_names_together(
    plain: Bundle,
) -> None:
    found = said(plain, scores_of(plain), OLD)
    harmful = sum(found.probabilities[name] for name in plain.harmful)
    assert found.risk == pytest.approx(harmful, abs=1e-12)
    assert found.metadata == {}
    assert found.by_picture is None


def test_the_risk_is_read_with_offsets_and_a_temperature_of_its_own(plain: Bundle) -> None:
    offsets = {name: 0.3 * number for number, name in enumerate(plain.labels)}
    manifest = replace(plain.manifest, risk=RiskReading(offsets, 0.7))
    apart = Bundle(plain.folder, manifest, plain.statistics)
    scores = scores_of(plain)
    one, other = said(plain, scores), said(apart, scores)
    assert other.probabilities == one.probabilities
    logits = np.stack([raw.logits for raw in scores]).astype(np.float64)
    shares = softmax((logits + 0.3 * np.arange(len(plain.labels))) / 0.7)
    harmful = [plain.labels.index(name) for name in plain.harmful]
    turned = shares[:, harmful].sum(1).reshape(4, -1).mean(1)
    assert other.rotation_risks == pytest.approx(tuple(turned), abs=1e-12)
    assert other.risk == pytest.approx(turned.mean(), abs=1e-12)
    assert other.risk != pytest.approx(one.risk, abs=1e-3)


def test_metadata_move_the_names_by_bayes_rule(plain: Bundle, told: Bundle) -> None:
    alone, known = said(plain, scores_of(plain)), said(told, scores_of(plain), OLD)
    moved = {
        name: p * np.exp({"mel": 0.8, "bkl": 1.2, "bcc": 0.9, "df": -2.0}.get(name, 0.0))
        for name, p in alone.probabilities.items()
    }
    whole = sum(moved.values())
    for name, p in moved.items():
        assert known.probabilities[name] == pytest.approx(p / whole, abs=1e-12)
    assert known.metadata == OLD
    assert known.by_picture == alone.probabilities
    assert known.confidence == max(known.probabilities.values())
    assert known.conformal_set[0] == known.top_label


@pytest.mark.parametrize("seed", range(20))
def test_metadata_never_move_the_risk_or_the_urgency(told: Bundle, seed: int) -> None:
    scores = scores_of(told, seed)
    alone = said(told, scores)
    for metadata in (YOUNG, OLD):
        known = said(told, scores, metadata)
        assert (known.risk, known.rotation_risks) == (alone.risk, alone.rotation_risks)
        assert (known.tier, known.reasons, known.stable) == (
            alone.tier,
            alone.reasons,
            alone.stable,
        )


@pytest.mark.parametrize(
    "metadata",
    [{}, {"age": ""}, {"age": "from_50", "site": "back"}, {"sex": "female"}, {"age": "young"}],
)
def test_what_the_version_has_not_learned_says_nothing(
    told: Bundle, metadata: dict[str, str]
) -> None:
    scores = scores_of(told)
    known = said(told, scores, metadata)
    assert known.probabilities == said(told, scores).probabilities
    assert known.metadata == {}
    assert known.by_picture is None


def test_a_half_known_person_counts_by_half(told: Bundle) -> None:
    known = said(told, scores_of(told), {"age": "", "site": "face", "bleeds": "yes"})
    assert known.metadata == {"site": "face"}


def test_each_picture_has_its_own_metadata(
    told: Bundle, predictor: Predictor, pictures: list[Picture]
) -> None:
    kinds = [Modality.DERMOSCOPIC] * 2
    both = assess(predictor, told, pictures[:2], kinds, metadata=[YOUNG, OLD])
    assert [one.metadata for one in both] == [YOUNG, OLD]
    [alone] = assess(predictor, told, pictures[1:2], kinds[:1], metadata=[OLD])
    assert both[1].probabilities == alone.probabilities
    with pytest.raises(PredictError, match="its metadata, or none does"):
        assess(predictor, told, pictures[:2], kinds, metadata=[YOUNG])


def test_to_be_informed_keeps_a_sum_of_one() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    found = informed(shares, np.array([[0.0, 1.0, -1.0], [-3.0, 2.0, 0.0]]))
    np.testing.assert_allclose(found.sum(1), 1)
    assert found[1].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"risk": {"offsets": {"mel": 0.1}, "temperature": 1.0}}, "offsets are not one for each"),
        ({"risk": {"offsets": "none", "temperature": 1.0}}, "offsets are not one for each"),
        ({"risk": {"offsets": {}, "warmth": 1.0}}, "lacks or misnames"),
        ({"risk": {"offsets": WHOLE, "temperature": 0.0}}, "temperature 0.0 makes no sense"),
        ({"risk": {"offsets": WHOLE, "temperature": "warm"}}, "temperature 'warm' makes no sense"),
        ({"metadata": ["age"]}, "no table"),
        ({"metadata": {"age": ["under_30"]}}, "'age' says"),
        ({"metadata": {"age": {"under_30": {"mel": 1.0}}}}, "'age' says"),
        ({"metadata": {"age": {"under_30": dict.fromkeys("abcdefg", 0.0)}}}, "'age' says"),
        ({"metadata": {"site": {"face": WHOLE | {"mel": float("nan")}}}}, "'site' says"),
        ({"metadata": {"site": {"face": WHOLE | {"mel": 1e9}}}}, "'site' says"),
        ({"metadata": {"site": {"face": WHOLE | {"mel": True}}}}, "'site' says"),
    ],
)
def test_a_reading_that_makes_no_sense_is_refused(
    copy: Path,
    resign: Callable[..., None],
    entry: dict[str, Any],
    sentence: str,
) -> None:
    resign(copy, lambda manifest: manifest.update(entry))
    with pytest.raises(BundleError, match=sentence):
        Bundle.load(copy)


def test_a_manifest_may_lack_both_as_those_before_did(
    copy: Path, resign: Callable[..., None]
) -> None:
    resign(copy, lambda manifest: (manifest.pop("risk", None), manifest.pop("metadata", None)))
    raw = json.loads((copy / MANIFEST).read_text())
    assert not {"risk", "metadata"} & raw.keys()
    old = Bundle.load(copy)
    assert old.manifest.risk is None
    assert old.manifest.metadata is None

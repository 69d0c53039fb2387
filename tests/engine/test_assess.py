"""From a network's logits to what is stored about a picture."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mlservice.engine import (
    Bundle,
    Modality,
    Picture,
    PredictError,
    Predictor,
    RawScores,
    assess,
)
from mlservice.engine.assess import assess_scores, conformal_set, views, views_of_one
from mlservice.engine.reading import calibrated


@pytest.fixture(scope="session")
def bundle(bundle: Bundle) -> Bundle:
    """One reading for names and risk; :mod:`tests.engine.test_reading` has the other kind."""
    manifest = replace(bundle.manifest, risk=None, metadata=None)
    return Bundle(bundle.folder, manifest, bundle.statistics)


def raw(bundle: Bundle, probabilities: Sequence[float]) -> RawScores:
    """The logits that, after this bundle's temperature, give ``probabilities``."""
    logits = np.log(np.asarray(probabilities)) * bundle.temperature
    embedding = bundle.statistics.centres[0]
    return RawScores(logits.astype(np.float32), embedding)


def spread(bundle: Bundle, **known: float) -> list[float]:
    """``known`` by label name, the rest shared evenly."""
    rest = (1 - sum(known.values())) / (len(bundle.labels) - len(known))
    return [known.get(name, rest) for name in bundle.labels]


def test_probabilities_are_the_mean_of_four_calibrated_rotations(bundle: Bundle) -> None:
    turned = [raw(bundle, spread(bundle, nv=p)) for p in (0.9, 0.8, 0.7, 0.6)]
    found = assess_scores(bundle, turned, Modality.DERMOSCOPIC, threshold=0.8)
    assert found.probabilities["nv"] == pytest.approx(0.75, abs=1e-6)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.confidence == max(found.probabilities.values())
    assert found.top_label == "nv"
    assert found.no_disease
    assert found.label is None


def test_risk_adds_up_the_harmful_labels_by_name(bundle: Bundle) -> None:
    scores = [raw(bundle, spread(bundle, mel=0.2, bcc=0.1, akiec=0.05))] * 4
    found = assess_scores(bundle, scores, Modality.DERMOSCOPIC, threshold=0.8)
    assert found.risk == pytest.approx(0.35, abs=1e-6)
    assert found.rotation_risks == pytest.approx((0.35,) * 4, abs=1e-6)


def test_the_threshold_can_be_configured_and_meets_the_unrounded_number(bundle: Bundle) -> None:
    scores = [raw(bundle, spread(bundle, nv=0.83))] * 4
    exact = assess_scores(bundle, scores, Modality.DERMOSCOPIC, threshold=0.5).confidence
    at = assess_scores(bundle, scores, Modality.DERMOSCOPIC, threshold=exact)
    assert (at.no_disease, at.label) == (False, "nv")
    above = np.nextafter(exact, 1)
    below_it = assess_scores(bundle, scores, Modality.DERMOSCOPIC, threshold=float(above))
    assert (below_it.no_disease, below_it.label) == (True, None)
    assert below_it.top_label == "nv"


def test_the_rule_does_not_hide_the_risk(bundle: Bundle) -> None:
    """P(melanoma) 0.30, P(naevus) 0.65: "No disease" by the rule, and RED all the same."""
    scores = [raw(bundle, spread(bundle, mel=0.30, nv=0.65))] * 4
    cuts = replace(bundle.manifest, r95=0.2, r99=0.02)
    strict = Bundle(bundle.folder, cuts, bundle.statistics)
    found = assess_scores(strict, scores, Modality.DERMOSCOPIC, threshold=0.8)
    assert found.no_disease
    assert found.tier == "red"
    assert found.reasons[0] == "risk_r95"


def test_views_are_the_four_quarter_turns(pictures: list[Picture]) -> None:
    turned = views(pictures[:2], (1.0,))
    assert turned.shape == (8, 224, 224, 3)
    assert np.array_equal(turned[0], pictures[0])
    assert np.array_equal(np.rot90(turned[5], -1), pictures[1])


def test_views_from_nearer_show_the_middle_larger() -> None:
    picture = np.full((80, 80, 3), 200, np.uint8)
    picture[30:50, 30:50] = 60
    seen = views([picture], (1.0, 0.5))
    assert seen.shape == (8, 80, 80, 3)
    assert np.array_equal(seen[2], np.rot90(picture))
    dark = (seen < 130).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(dark[::2], 1 / 16, rtol=1e-6)
    np.testing.assert_allclose(dark[1::2], 1 / 4, rtol=0.05)


def test_a_rotation_says_the_mean_of_its_fields(bundle: Bundle) -> None:
    near = Bundle(bundle.folder, replace(bundle.manifest, fields=(1.0, 0.7)), bundle.statistics)
    risks = [0.1, 0.3, 0.2, 0.4, 0.1, 0.1, 0.5, 0.7]
    scores = [raw(bundle, spread(bundle, mel=p, bcc=0.001, akiec=0.001)) for p in risks]
    found = assess_scores(near, scores, Modality.DERMOSCOPIC, threshold=0.8)
    assert found.rotation_risks == pytest.approx((0.202, 0.302, 0.102, 0.602), abs=1e-6)
    assert found.risk == pytest.approx(0.302, abs=1e-6)


def test_a_picture_turned_by_hand_is_assessed_alike(
    bundle: Bundle, predictor: Predictor, pictures: list[Picture]
) -> None:
    turned = np.ascontiguousarray(np.rot90(pictures[0]))
    one, two = assess(predictor, bundle, [pictures[0], turned], [Modality.DERMOSCOPIC] * 2)
    # The middle seen from nearer is rounded to whole numbers first along its rows: not quite alike.
    assert one.risk == pytest.approx(two.risk, abs=1e-3)
    assert one.tier is two.tier


def test_results_keep_the_order_of_the_pictures(
    bundle: Bundle, predictor: Predictor, pictures: list[Picture]
) -> None:
    declared = [Modality.PHONE] * len(pictures)
    together = assess(predictor, bundle, pictures, declared)
    alone = [assess(predictor, bundle, [p], [Modality.PHONE])[0] for p in pictures]
    for one, other in zip(together, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
        assert one.tier is other.tier
        assert one.tier != "green"  # a phone photo never is
    assert assess(predictor, bundle, [], []) == []


class Forgetful:
    """A predictor that answers fewer questions than it was asked."""

    name, batch_size = "forgetful", 1

    def __init__(self, inner: Predictor) -> None:
        self.inner = inner

    def predict(self, batch: Picture, mapped: Container[int] = ()) -> Sequence[RawScores]:
        return self.inner.predict(batch, mapped)[:-1]


def test_a_missing_answer_is_an_error_not_a_shift(
    bundle: Bundle, predictor: Predictor, pictures: list[Picture]
) -> None:
    asked = 2 * views_of_one(bundle.fields)
    with pytest.raises(PredictError, match=f"{asked - 1} answers to {asked} questions"):
        assess(Forgetful(predictor), bundle, pictures[:2], [Modality.PHONE] * 2)
    with pytest.raises(PredictError, match="declared"):
        assess(predictor, bundle, pictures[:2], [Modality.PHONE])


def test_the_conformal_set_holds_what_cannot_be_ruled_out(bundle: Bundle) -> None:
    quantiles = dict.fromkeys(bundle.labels, 0.7) | {"df": None, "vasc": None, "bkl": 0.1}
    known = Bundle(bundle.folder, replace(bundle.manifest, conformal=quantiles), bundle.statistics)
    p = np.array(spread(bundle, mel=0.35, bkl=0.5, nv=0.1))
    assert set(conformal_set(known, p)) == {"bkl", "mel", "df", "vasc"}
    assert conformal_set(known, p)[0] == "bkl"  # the likeliest is always in it, and first


def test_temperature_softens_without_changing_the_order() -> None:
    logits = np.array([[2.0, 1.0, -1.0]])
    sharp, soft = calibrated(logits, 0.5), calibrated(logits, 4.0)
    assert sharp.max() > soft.max()
    assert sharp.argsort().tolist() == soft.argsort().tolist()


def test_what_is_not_skin_is_not_taken_for_a_dermoscopic_picture(
    bundle: Bundle, predictor: Predictor
) -> None:
    """Coloured noise and green stripes are nobody's skin."""
    noise = np.random.default_rng(1).integers(0, 255, (224, 224, 3)).astype(np.uint8)
    stripes = np.zeros((224, 224, 3), np.uint8)
    stripes[::8] = (0, 255, 0)
    for found in assess(predictor, bundle, [noise, stripes], [Modality.DERMOSCOPIC] * 2):
        assert found.tier != "green"
        assert found.out_of_distribution or found.modality is not Modality.DERMOSCOPIC

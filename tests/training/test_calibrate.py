"""What the calibration lesions decide, on numbers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from training.calibrate import (
    conformal_quantiles,
    fit_names,
    fit_risk,
    fit_temperature,
    sensitivity_cut,
    served_probabilities,
)
from training.errors import TrainingError
from training.scores import lesion_weights

LABELS = ("mel", "bcc", "nv")


def overconfident(n: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits ``factor`` times too large for the labels drawn from them."""
    rng = np.random.default_rng(5)
    honest = rng.normal(0, 2, (n, 3))
    shares = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    targets = np.array([rng.choice(3, p=row) for row in shares])
    logits = np.repeat((honest * factor)[:, None, :], 4, axis=1).astype(np.float32)
    return logits, targets


def test_the_temperature_undoes_overconfidence() -> None:
    logits, targets = overconfident(4000, 3.0)
    assert fit_temperature(logits, targets, np.ones(4000)) == pytest.approx(3.0, rel=0.08)


def test_probabilities_are_averaged_after_the_softmax() -> None:
    logits = np.array([[[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0], [0, 0, 4.0]]], np.float32)
    [p] = served_probabilities(logits, 1.0)
    assert p[2] > p[0] == pytest.approx(p[1])
    assert p.sum() == pytest.approx(1)


def test_the_cut_is_the_highest_that_keeps_the_sensitivity() -> None:
    risks = np.random.default_rng(2).beta(4, 2, 400)
    lesions = [f"L{i}" for i in range(400)]
    cut = sensitivity_cut(risks, lesions, 0.95)
    assert (risks >= cut).mean() == 0.95
    assert (risks > cut).mean() < 0.95
    assert sensitivity_cut(risks, lesions, 0.99) < cut


def test_few_lesions_give_the_most_careful_cut() -> None:
    risks = np.array([0.9, 0.3, 0.5])
    assert sensitivity_cut(risks, ["a", "b", "c"], 0.99) == 0.3


def test_a_sure_cut_holds_for_other_lesions_too() -> None:
    """Cuts read off a hundred lesions: a plain one falls short on half of all clinics."""
    rng = np.random.default_rng(6)
    lesions = [f"L{i}" for i in range(100)]
    draws = rng.beta(4, 2, (400, 100))
    missed = beta(4, 2).cdf  # of all lesions there are, by a cut
    plain = [missed(sensitivity_cut(risks, lesions, 0.95)) <= 0.05 for risks in draws]
    sure = [missed(sensitivity_cut(risks, lesions, 0.95, 0.80)) <= 0.05 for risks in draws]
    assert np.mean(plain) < 0.65
    assert 0.78 <= np.mean(sure) < 0.95


def test_a_lesion_counts_once_however_often_it_was_photographed() -> None:
    """Forty pictures of one frightening lesion must not buy leave to miss three others."""
    risks = np.array([0.99] * 40 + [0.2, 0.3, 0.4])
    lesions = ["same"] * 40 + ["a", "b", "c"]
    assert sensitivity_cut(risks, lesions, 0.95) == 0.2
    assert sensitivity_cut(risks, lesions, 0.75) == 0.3
    assert lesion_weights(["x", "x", "y"]).tolist() == [0.5, 0.5, 1.0]


def test_easy_harmful_lesions_do_not_buy_leave_to_miss_hard_ones() -> None:
    """A thousand plain carcinomas and eighty hard melanomas: 95 % of the melanomas are RED too."""
    rng = np.random.default_rng(3)
    easy, hard, benign = rng.beta(30, 2, 1000), rng.beta(3, 3, 80), rng.beta(2, 8, 500)
    risk = np.concatenate([easy, hard, benign])
    targets = np.repeat([1, 0, 2], [1000, 80, 500])
    p = np.where(targets == 1, 1e-6, risk - 1e-6)
    logits = np.log(np.stack([p, risk - p, 1 - risk], axis=1)).astype(np.float32)
    logits = np.repeat(logits[:, None, :], 4, axis=1)
    lesions = [f"L{i}" for i in range(len(targets))]
    found = fit_risk(logits, targets, lesions, LABELS, ("mel", "bcc"))
    risks = served_probabilities(logits, found.temperature)[:, :2].sum(1)
    assert (risks[targets == 0] >= found.r95).mean() >= 0.95
    assert (risks[targets == 0] < found.r95).sum() == 1, "of 80 one may be missed, to be sure"
    few = fit_risk(logits[:1040], targets[:1040], lesions[:1040], LABELS, ("mel", "bcc"))
    assert few.r95 > found.r95, "a kind with a few lesions cannot set a cut"


def test_conformal_sets_cover_and_rare_classes_have_no_quantile() -> None:
    rng = np.random.default_rng(8)
    targets = np.repeat([0, 1, 2], [99, 29, 400])
    p = rng.dirichlet((1, 1, 1), len(targets))
    lesions = [f"L{i}" for i in range(len(targets))]
    quantiles = conformal_quantiles(p, targets, lesions, LABELS)
    assert quantiles["bcc"] is None
    assert quantiles["mel"] == pytest.approx(np.sort(1 - p[:99, 0])[89])
    nv = quantiles["nv"]
    assert nv is not None
    assert (1 - p[targets == 2, 2] <= nv).mean() >= 0.9


def test_everything_together_on_honest_logits() -> None:
    logits, targets = overconfident(3000, 1.0)
    lesions = [f"L{i}" for i in range(3000)]
    found = fit_risk(logits, targets, lesions, LABELS, ("mel", "bcc"))
    assert found.temperature == pytest.approx(1.0, abs=0.08)
    assert 0 < found.r99 < found.r95 < 1
    names = fit_names(logits, targets, lesions, LABELS)
    assert names.temperature == pytest.approx(found.temperature)
    assert set(names.conformal) == set(LABELS)
    with pytest.raises(TrainingError, match="no harmful lesion"):
        fit_risk(logits[:5], np.full(5, 2), lesions[:5], LABELS, ("mel",))

"""Measures under weights against scikit-learn on the pictures drawn, and the bootstrap itself."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, binomtest
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from mlservice.engine.judging import bootstrap
from mlservice.engine.judging.beta import beta_quantile
from mlservice.engine.judging.bootstrap import (
    draws,
    error_percentiles,
    exact_interval,
    percentiles,
    resampled,
)
from mlservice.engine.judging.measures import (
    BINS,
    Measure,
    auc_of,
    calibration_error,
    calibration_error_of,
    cut_at,
    expected_calibration_error,
    f1_of,
    mean_of,
    mean_over,
    once,
    share_of,
    shares_of,
    specificity_at,
)

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]


def value(measure: Measure, n: int) -> float:
    return float(measure(once(n))[0])


def sample(seed: int) -> tuple[Flags, Doubles, NDArray[np.int64]]:
    """Truth, scores with many ties, and lesions of one to four pictures."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 90))
    truth = rng.random(n) < rng.uniform(0.2, 0.8)
    truth[:2] = (True, False)
    scores = (rng.random(n) + 0.3 * truth).round(int(rng.integers(1, 4)))
    _, lesions = np.unique(rng.integers(0, n // 2, n), return_inverse=True)
    return truth, scores, lesions.astype(np.int64)


@pytest.mark.parametrize("seed", range(10))
def test_a_weighted_measure_is_the_measure_of_the_drawn_pictures(seed: int) -> None:
    """Every resample, drawn for real and given to scikit-learn, one at a time."""
    truth, scores, lesions = sample(seed)
    said = scores > 0.6
    measures = {
        "auc": auc_of(truth, scores),
        "recall": share_of(said, truth),
        "f1": f1_of(said, truth),
        "mean": mean_of(scores),
        "ece": calibration_error_of(np.clip(scores, 0, 1), truth),
    }
    [weights] = draws(lesions, 25, seed)
    found = {name: measure(weights) for name, measure in measures.items()}
    for number, times in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(len(truth)), times)
        own, p = truth[drawn], scores[drawn]
        expected = {
            "auc": roc_auc_score(own, p) if 0 < own.sum() < len(own) else np.nan,
            "recall": recall_score(own, said[drawn]) if own.any() else np.nan,
            "f1": f1_score(own, said[drawn]) if (own | said[drawn]).any() else np.nan,
            "mean": p.mean(),
            "ece": plain_calibration_error(np.clip(p, 0, 1), own),
        }
        for name, theirs in expected.items():
            assert found[name][number] == pytest.approx(theirs, nan_ok=True), name


def plain_calibration_error(confidence: Doubles, right: Flags) -> float:
    """As Guo et al. (2017) write it: bins of equal width, each with its upper end."""
    edges, total = np.linspace(0, 1, 16), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if low == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.sum() * abs(right[inside].mean() - confidence[inside].mean())
    return float(total / len(confidence))


@pytest.mark.parametrize("seed", range(10))
def test_the_calibration_error_is_the_plain_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random(400)
    confidence[:16] = np.linspace(0, 1, 16)  # the very edges, 0.8 among them
    right = rng.random(400) < confidence**2
    assert BINS == 15
    assert calibration_error(confidence, right) == pytest.approx(
        plain_calibration_error(confidence, right)
    )


def test_what_perfect_calibration_shows_falls_with_the_number_of_pictures() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 1, 4000)
    few, many = (expected_calibration_error(confidence[:n]) for n in (250, 4000))
    assert few / many == pytest.approx(4, rel=0.15)  # as one over the root of n
    simulated = [
        plain_calibration_error(confidence[:250], rng.random(250) < confidence[:250])
        for _ in range(200)
    ]
    assert few == pytest.approx(np.mean(simulated), rel=0.06)


@pytest.mark.parametrize("wanted", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("seed", range(6))
def test_the_cut_is_the_highest_that_finds_enough(seed: int, wanted: float) -> None:
    truth, scores, lesions = sample(seed)
    cut, specificity = cut_at(wanted, scores, truth), specificity_at(wanted, scores, truth)
    for weights in [once(len(truth)), *np.split(next(draws(lesions, 10, seed)), 10)]:
        drawn = np.repeat(np.arange(len(truth)), weights[0].astype(int))
        sick, well = scores[drawn][truth[drawn]], scores[drawn][~truth[drawn]]
        if not len(sick) or not len(well):
            continue
        enough = [c for c in np.unique(sick) if (sick >= c).mean() >= wanted - 1e-12]
        assert cut(weights)[0] == max(enough)
        assert specificity(weights)[0] == pytest.approx((well < max(enough)).mean())


def test_what_is_not_there_is_no_number() -> None:
    nobody, everybody = np.zeros(5, np.bool_), np.ones(5, np.bool_)
    scores = np.linspace(0, 1, 5)
    for measure in (
        share_of(everybody, nobody),
        f1_of(nobody, nobody),
        auc_of(nobody, scores),
        auc_of(everybody, scores),
        auc_of(everybody, scores, nobody),
        cut_at(0.95, scores, nobody),
        specificity_at(0.95, scores, nobody),
        specificity_at(0.95, scores, everybody),
        mean_over([share_of(everybody, nobody)]),
    ):
        assert np.isnan(value(measure, 5))
    some = mean_over([share_of(everybody, nobody), share_of(everybody, everybody)])
    assert value(some, 5) == 1.0


def test_many_shares_at_once_are_the_same_shares() -> None:
    truth, scores, lesions = sample(3)
    shares = {"a": (scores > 0.5, truth), "b": (truth, scores > 0.7), "c": (truth, truth & ~truth)}
    [weights] = draws(lesions, 8, 0)
    for name, together in shares_of(shares)(weights).items():
        np.testing.assert_allclose(together, share_of(*shares[name])(weights))


def test_the_bootstrap_meets_every_draw_of_a_tiny_set_as_often_as_it_should() -> None:
    """Three lesions of one, two and three pictures: all 27 draws, counted out."""
    lesions = np.array([0, 1, 1, 2, 2, 2])
    right = np.array([True, False, True, True, False, False])
    exact: Counter[float] = Counter()
    for chosen in itertools.product(range(3), repeat=3):
        drawn = np.concatenate([np.flatnonzero(lesions == lesion) for lesion in chosen])
        exact[round(float(right[drawn].mean()), 9)] += 1
    everyone = np.ones(6, np.bool_)
    values = resampled({"accuracy": (right, everyone)}, {}, lesions, 20_000, 0)["accuracy"]
    met = Counter(np.round(values, 9).tolist())
    assert set(met) == set(exact)
    for share, times in exact.items():
        assert met[share] / 20_000 == pytest.approx(times / 27, abs=0.012)
    spelled_out = sorted(itertools.chain.from_iterable([s] * t for s, t in exact.items()))
    low, high = percentiles(values) or (0.0, 0.0)
    assert (low, high) == pytest.approx((spelled_out[0], spelled_out[-1]))  # one in 27 is 3.7 %


def test_draws_are_of_whole_lesions_repeat_and_do_not_depend_on_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lesions = np.array([0, 1, 1, 2, 2, 2, 3])
    [whole] = draws(lesions, 50, 9)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 3 * len(lesions))
    blocks = list(draws(lesions, 50, 9))
    assert [len(block) for block in blocks] == [3] * 16 + [2]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    assert (whole[:, 1] == whole[:, 2]).all()
    first = whole[:, [0, 1, 3, 6]]
    assert (first.sum(1) == 4).all()
    [other] = draws(lesions, 2, 10)
    assert not np.array_equal(other, whole[:2])


def test_the_exact_interval_is_clopper_and_pearsons_and_counts_lesions() -> None:
    part = np.array([True] * 3 + [False] * 37)
    everyone, alone = np.ones(40, np.bool_), np.arange(40)
    theirs = binomtest(3, 40).proportion_ci(0.95, "exact")
    assert exact_interval(part, everyone, alone) == pytest.approx((theirs.low, theirs.high))
    four_times = exact_interval(np.repeat(part, 4), np.ones(160, np.bool_), np.repeat(alone, 4))
    assert four_times == pytest.approx((theirs.low, theirs.high))
    none = exact_interval(~everyone, everyone, alone)
    assert none == pytest.approx((0, 1 - 0.025 ** (1 / 40)))
    assert exact_interval(everyone, everyone, alone) == pytest.approx((0.025 ** (1 / 40), 1))
    assert exact_interval(everyone, ~everyone, alone) is None


def test_an_interval_needs_the_number_in_most_draws() -> None:
    values = np.array([np.nan] * 6 + [0.5] * 4)
    assert percentiles(values) is None
    assert percentiles(values[3:]) == (0.5, 0.5)
    assert error_percentiles(np.full(3, np.nan), 0.1) is None


def test_the_interval_of_the_calibration_error_is_not_above_the_error_itself() -> None:
    """Drawing with replacement scatters every bin: left alone, the interval misses its number."""
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.3, 1, 600)
    right = rng.random(600) < confidence
    error = calibration_error_of(confidence, right)
    values = resampled({"x": (right, right)}, {"ece": error}, np.arange(600), 400, 0)["ece"]
    found = value(error, 600)
    plain, moved = percentiles(values), error_percentiles(values, found)
    assert plain is not None
    assert moved is not None
    assert (plain[0] + plain[1]) / 2 > found + 0.005
    assert 0 <= moved[0] < found < moved[1]


def test_exact_intervals_need_no_scipy_and_are_scipys() -> None:
    """The web process, which has none, shows the same ones."""
    for share in (0.025, 0.5, 0.975):
        for a in (0.5, 1.0, 3.0, 30.4, 900.0):
            for b in (1.0, 2.2, 50.0, 3300.5):
                expected = pytest.approx(float(beta.ppf(share, a, b)), abs=1e-12)
                assert beta_quantile(share, a, b) == expected

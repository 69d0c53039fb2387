"""The numbers of the card against scikit-learn and against counting by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from mlservice.engine import Tier
from mlservice.engine.judging.judged import Judged
from mlservice.engine.judging.measures import calibration_error
from mlservice.engine.judging.metrics import measure
from training.data import Row
from training.release import gate_verdict

LABELS = ("mel", "bcc", "akiec", "nv", "bkl", "df", "vasc")
HARMFUL = ("mel", "bcc", "akiec")


def row(number: int, dx: str, **given: Any) -> Row:
    return Row(f"I{number}", dx, given.pop("lesion", f"L{number}"), Path("none"), **given)


def judged(
    targets: np.ndarray, p: np.ndarray, *, rows: list[Row] | None = None, tiers: Any = None
) -> Judged:
    made = rows or [row(i, LABELS[t]) for i, t in enumerate(targets)]
    return Judged(
        LABELS,
        HARMFUL,
        tuple(made),
        targets,
        p,
        p[:, [LABELS.index(name) for name in HARMFUL]].sum(1),
        p,
        np.array(tiers if tiers is not None else ["amber"] * len(targets)),
        p.max(1) < 0.8,
        0.8,
    )


@pytest.fixture(scope="module")
def sample() -> Judged:
    rng = np.random.default_rng(4)
    targets = rng.choice(7, 300, p=[0.12, 0.05, 0.04, 0.6, 0.12, 0.03, 0.04])
    logits = rng.normal(0, 1.2, (300, 7))
    logits[np.arange(300), targets] += 1.8
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    tiers = rng.choice([tier.value for tier in Tier], 300)
    return judged(targets, p, tiers=tiers)


@pytest.fixture(scope="module")
def found(sample: Judged) -> dict[str, Any]:
    return measure(sample, resamples=60)


def test_the_bins_of_the_reliability_plot_are_those_of_the_calibration_error(
    sample: Judged, found: dict[str, Any]
) -> None:
    bins = found["reliability"]
    counts = np.array([one["n"] for one in bins])
    gaps = np.array([abs(one["confidence"] - one["right"]) for one in bins])
    assert counts.sum() == len(sample.rows)
    assert (counts > 0).all()
    assert float((gaps * counts).sum() / counts.sum()) == pytest.approx(found["ece"])


def test_the_scores_are_scikit_learns(sample: Judged, found: dict[str, Any]) -> None:
    truth, p = sample.targets, sample.probabilities
    guess = p.argmax(1)
    sick = truth < 3
    assert found["bmca"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert found["accuracy"] == pytest.approx((truth == guess).mean())
    assert found["macro_auc"] == pytest.approx(
        roc_auc_score(truth, p, multi_class="ovr", average="macro")
    )
    assert found["melanoma_auc"] == pytest.approx(roc_auc_score(truth == 0, p[:, 0]))
    assert found["malignancy_auc"] == pytest.approx(roc_auc_score(sick, p[:, :3].sum(1)))
    assert found["brier"] == pytest.approx(
        sum(brier_score_loss(truth == k, p[:, k]) for k in range(7))
    )
    for name, function in (
        ("recall", recall_score),
        ("precision", precision_score),
        ("f1", f1_score),
    ):
        theirs = function(truth, guess, average=None, labels=range(7), zero_division=0)
        assert [found[name][label] or 0.0 for label in LABELS] == pytest.approx(theirs)


@pytest.mark.parametrize("seed", range(6))
def test_scikit_learn_agrees_on_small_uneven_sets_too(seed: int) -> None:
    """Few pictures, classes that do not occur, probabilities with many ties."""
    rng = np.random.default_rng(seed)
    n, known = int(rng.integers(9, 60)), rng.choice(7, int(rng.integers(2, 7)), replace=False)
    targets = rng.choice(known, n)
    p = np.round(rng.dirichlet(np.full(7, 0.5), n), 1) + 1e-3
    p /= p.sum(1, keepdims=True)
    found = measure(judged(targets, p), resamples=3)
    guess, present = p.argmax(1), np.unique(targets)
    recall = recall_score(targets, guess, average=None, labels=present, zero_division=0)
    assert found["bmca"] == pytest.approx(recall.mean())
    assert found["confusion"] == confusion_matrix(targets, guess, labels=range(7)).tolist()
    assert found["brier"] == pytest.approx(((p - np.eye(7)[targets]) ** 2).sum(1).mean())
    aucs = []
    for number, name in enumerate(LABELS):
        own = targets == number
        if own.all() or not own.any():
            assert found["auc"][name] is None
            continue
        aucs.append(roc_auc_score(own, p[:, number]))
        assert found["auc"][name] == pytest.approx(aucs[-1])
    assert found["macro_auc"] == pytest.approx(np.mean(aucs))


def test_the_shipped_cut_finds_what_lies_on_it() -> None:
    targets = np.array([0, 0, 1, 3, 3, 4])
    p = np.zeros((6, 7))
    p[:, 0] = [0.25, 0.2, 0.5, 0.25, 0.1, 0.0]
    p[:, 3] = 1 - p[:, 0]
    cut = replace(judged(targets, p), r95=0.25, r99=0.2)
    found = measure(cut, resamples=3)
    assert found["sensitivity"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(2 / 3)
    assert (found["sensitivity_r99"], found["specificity_r99"]) == (1.0, pytest.approx(2 / 3))
    assert found["cut_at_95_sensitivity"] == 0.2
    assert found["specificity_at_95_sensitivity"] == pytest.approx(2 / 3)
    assert "sensitivity" not in measure(judged(targets, p), resamples=3), "no cut, no number"


def test_none_and_all_have_an_honest_interval() -> None:
    """Resampling what agrees shows no spread; 20 of 20 does not prove a hundred per cent."""
    targets = np.array([0] * 20 + [3] * 20)
    p = np.full((40, 7), 0.02)
    p[np.arange(40), targets] = 0.88
    found = measure(judged(targets, p, tiers=["red"] * 20 + ["green"] * 20), resamples=20)
    assert found["melanoma_red"] == 1.0
    assert found["melanoma_red_interval"] == pytest.approx((0.025 ** (1 / 20), 1.0))
    assert found["recall_interval"]["nv"] == found["melanoma_red_interval"]
    assert found["green_malignant"] == 0
    assert found["green_malignant_interval"] == pytest.approx((0, 20 * (1 - 0.025 ** (1 / 20))))


def test_the_numbers_are_strict_json_whatever_is_missing() -> None:
    p = np.full((1, 7), 1 / 7)
    for targets in ([0], [3]):
        found = measure(judged(np.array(targets), p), resamples=3)
        json.dumps(found, allow_nan=False)


def test_every_documented_key_is_there(found: dict[str, Any]) -> None:
    keys = """n lesions accuracy bmca bmca_interval recall precision f1 macro_auc melanoma_auc
        ece_raw ece melanoma_red melanoma_flagged green_malignant green_benign red_benign
        ece_expected rule_no_disease_malignant confusion subgroups"""
    assert set(keys.split()) <= set(found)


def test_intervals_hold_their_number_and_are_of_some_width(found: dict[str, Any]) -> None:
    for name in ("bmca", "accuracy", "malignancy_auc", "green_benign"):
        low, high = found[f"{name}_interval"]
        assert low < found[name] < high


def test_the_bootstrap_draws_lesions_not_pictures() -> None:
    """Fifty copies of four lesions know no more than the four: the interval stays wide."""
    targets = np.array([3, 3, 0, 0])
    p = np.full((4, 7), 0.02)
    p[[0, 1, 2, 3], [3, 0, 0, 3]] = 0.88
    rows = [row(i, LABELS[targets[i % 4]], lesion=f"L{i % 4}") for i in range(200)]
    many = judged(np.tile(targets, 50), np.tile(p, (50, 1)), rows=rows)
    found: dict[str, Any] = measure(many, resamples=200)
    low, high = found["accuracy_interval"]
    assert high - low > 0.7


def test_tiers_and_the_price_of_the_rule_are_counted() -> None:
    targets = np.array([0, 0, 1, 2, 3, 3, 4])
    p = np.full((7, 7), 0.01)
    p[np.arange(7), targets] = [0.94, 0.7, 0.6, 0.94, 0.94, 0.5, 0.94]
    tiers = ["red", "amber", "green", "green", "green", "red", "amber"]
    found: dict[str, Any] = measure(judged(targets, p, tiers=tiers), resamples=5)
    assert found["melanoma_red"] == 0.5
    assert found["melanoma_flagged"] == 1.0
    assert (found["green_malignant"], found["n_malignant"]) == (2, 4)
    assert found["green_benign"] == pytest.approx(1 / 3)
    assert found["red_benign"] == pytest.approx(1 / 3)
    assert found["rule_no_disease_malignant"] == 2
    assert found["rule"]["bcc"] == {
        "n": 1,
        "no_disease": 1,
        "no_disease_green": 1,
        "no_disease_amber": 0,
        "no_disease_red": 0,
    }


def test_what_does_not_occur_has_no_number_rather_than_zero() -> None:
    p = np.full((2, 7), 0.05)
    p[:, 3] = 0.7
    found: dict[str, Any] = measure(judged(np.array([3, 3]), p), resamples=5)
    assert found["recall"]["mel"] is None
    assert found["melanoma_auc"] is None
    assert found["melanoma_red"] is None
    assert found["bmca"] == 1.0


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    expected = (4 * abs(0.75 - 0.95) + 2 * abs(0.5 - 0.55)) / 6
    assert calibration_error(confidence, right) == pytest.approx(expected)


def test_a_perfect_model_shows_about_the_expected_error() -> None:
    rng = np.random.default_rng(6)
    p = rng.dirichlet(np.full(7, 0.4), 2000)
    targets = np.array([rng.choice(7, p=one) for one in p])
    found: dict[str, Any] = measure(judged(targets, p), resamples=5)
    assert found["ece"] == pytest.approx(found["ece_expected"], abs=0.012)


def test_a_small_group_says_so_instead_of_a_number() -> None:
    targets = np.array([3] * 40 + [0] * 12)
    p = np.full((52, 7), 0.02)
    p[np.arange(52), targets] = 0.88
    rows = [
        row(i, LABELS[t], sex="female" if i < 45 else "male", age=25.0 if i % 2 else 49.0)
        for i, t in enumerate(targets)
    ]
    found: dict[str, Any] = measure(judged(targets, p, rows=rows), resamples=5)
    groups = found["subgroups"]
    assert groups["sex"]["male"] == {"n": 7, "note": "not enough cases"}
    assert groups["sex"]["female"]["accuracy"] == 1.0
    assert groups["sex"]["female"]["malignant_flagged"] == "not enough cases"
    assert groups["age"]["under 30"]["n"] + groups["age"]["30 to 49"]["n"] == 52


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, True),
        ({"green_malignant": 5}, False),
        ({"green_benign": 0.249}, False),
        ({"red_benign": 0.451}, False),
        ({"green_benign": None}, False),
        ({"n_malignant": 0, "green_malignant": 0}, False),
    ],
)
def test_the_card_says_whether_the_release_gate_is_passed(
    changes: dict[str, float | None], passed: bool
) -> None:
    numbers = {
        "n_malignant": 9,
        "green_malignant": 4,
        "green_benign": 0.25,
        "red_benign": 0.45,
    } | changes
    verdict = gate_verdict(numbers)
    assert ("**passed**" in verdict) == passed
    assert verdict.count("not met") == (0 if passed else 1)

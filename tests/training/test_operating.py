"""With how much of the prior names and risk are read, on made-up answers."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import Names, Risk
from training.operating import (
    SHARES,
    Held,
    NamesPoint,
    RiskPoint,
    best_names,
    best_risk,
    log_prior,
    names_points,
    risk_points,
    risk_reading,
    told,
)

LABELS = ("mel", "bcc", "nv")
COUNTS = (120, 60, 1200)


@pytest.fixture(scope="module")
def held() -> Held:
    """A network whose logits know the marks and not how common they are."""
    rng = np.random.default_rng(11)
    targets = np.repeat([0, 1, 2], COUNTS)
    single = 2.0 * np.eye(3)[targets] + rng.normal(0, 1, (len(targets), 3))
    logits = np.repeat(single[:, None, :], 4, axis=1).astype(np.float32)
    lesions = [f"L{number}" for number in range(len(targets))]
    prior = log_prior(targets, LABELS)
    return Held(logits, targets, lesions, LABELS, ("mel", "bcc"), prior)


@pytest.fixture(scope="module")
def names(held: Held) -> list[NamesPoint]:
    return names_points(held)


@pytest.fixture(scope="module")
def risks(held: Held) -> list[RiskPoint]:
    return risk_points(held)


def test_the_prior_is_how_common_each_class_is() -> None:
    found = log_prior(np.repeat([0, 1, 2], [20, 5, 75]), ("a", "b", "c"))
    np.testing.assert_allclose(np.exp(found), [0.20, 0.05, 0.75], rtol=1e-6)


def test_every_share_is_measured_and_the_prior_costs_balanced_accuracy(
    names: list[NamesPoint], risks: list[RiskPoint]
) -> None:
    assert [point.share for point in names] == list(SHARES) == [p.share for p in risks]
    assert names[1].bmca > names[-1].bmca + 0.05
    assert names[-1].log_loss < names[1].log_loss
    for point in risks:
        assert 0 <= point.benign_above_r95 <= 1 - point.benign_below_r99 + 1e-9 <= 1 + 1e-9


def test_the_standard_error_is_that_of_a_share_of_lesions(names: list[NamesPoint]) -> None:
    """Of classes with 120, 60 and 1200 lesions, half of each right."""
    worst = np.sqrt(sum(0.25 / n for n in COUNTS)) / 3
    assert all(0 < point.error <= worst for point in names)


def test_the_naevi_that_are_common_make_the_risk_better(risks: list[RiskPoint]) -> None:
    """Of three classes: with none of the prior a rare carcinoma frightens every naevus."""
    assert best_risk(risks).share > 0
    assert best_risk(risks).specificity > risks[0].specificity


def names_point(share: float, bmca: float, log_loss: float, error: float = 0.02) -> NamesPoint:
    return NamesPoint(share, bmca, error, log_loss, Names(1.0, 0.0, {}))


def test_of_what_is_as_good_but_for_luck_the_truest_is_chosen() -> None:
    best, close, worse = (
        names_point(-0.25, 0.80, 0.65),
        names_point(0.0, 0.79, 0.45),
        names_point(0.25, 0.76, 0.38),
    )
    assert best_names([best, close, worse]) is close
    assert best_names([names_point(-0.25, 0.80, 0.65, 0.005), close, worse]).share == -0.25


def test_the_risk_is_read_from_a_network_that_has_the_names_share() -> None:
    """What the names put into the logits is taken out again before the risk adds its own."""
    prior = log_prior(np.repeat([0, 1, 2], COUNTS), LABELS)
    point = RiskPoint(0.25, 0.8, 0.5, 0.2, Risk(0.6, 0.04, 0.02))
    found = risk_reading(point, names_point(-0.25, 0.8, 0.6), prior, LABELS)
    assert found.temperature == 0.6
    for number, name in enumerate(LABELS):
        assert found.offsets[name] == pytest.approx(0.5 * prior[number], rel=1e-6)


def test_metadata_that_tell_are_believed_and_noise_is_not(held: Held) -> None:
    rng = np.random.default_rng(4)
    truth = np.where(np.eye(3, dtype=bool)[held.targets], 1.0, 0.0)
    telling = Held(**{**vars(held), "evidence": truth + rng.normal(0, 0.5, truth.shape)})
    noise = Held(**{**vars(held), "evidence": rng.normal(0, 1.0, truth.shape)})
    known, fooled = names_points(telling)[1], names_points(noise)[1]
    unaided = names_points(held)[1]
    assert known.names.weight > 0.8
    assert known.bmca > unaided.bmca + 0.02
    assert fooled.names.weight < 0.1
    assert fooled.log_loss <= unaided.log_loss + 1e-6
    assert unaided.names.weight == 0


def test_what_was_tried_is_told_flat(names: list[NamesPoint], risks: list[RiskPoint]) -> None:
    assert set(told(names[0])) == {"share", "bmca", "error", "log_loss", "temperature", "weight"}
    assert {"share", "specificity", "temperature", "r95", "r99"} < set(told(risks[0]))

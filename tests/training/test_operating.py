"""Where a bundle stands between balanced accuracy and a calm worklist, on made-up answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.calibrate import Calibration
from training.operating import Point, best_point, log_prior, operating_points

LABELS = ("mel", "bcc", "nv")
HARMFUL = ("mel", "bcc")
COUNTS = (120, 60, 1200)


@pytest.fixture(scope="module")
def points() -> list[Point]:
    """A network whose logits know the marks and not how common they are."""
    rng = np.random.default_rng(11)
    targets = np.repeat([0, 1, 2], COUNTS)
    single = 2.0 * np.eye(3)[targets] + rng.normal(0, 1, (len(targets), 3))
    logits = np.repeat(single[:, None, :], 4, axis=1).astype(np.float32)
    lesions = [f"L{number}" for number in range(len(targets))]
    return operating_points(logits, targets, lesions, LABELS, HARMFUL, log_prior(targets, LABELS))


def test_the_prior_is_how_common_each_class_is() -> None:
    found = log_prior(np.repeat([0, 1, 2], [20, 5, 75]), ("a", "b", "c"))
    np.testing.assert_allclose(np.exp(found), [0.20, 0.05, 0.75], rtol=1e-6)


def test_every_share_is_measured_and_the_prior_costs_balanced_accuracy(
    points: list[Point],
) -> None:
    assert [point.share for point in points] == [-0.25, 0.0, 0.25, 0.5, 0.75, 1.0]
    assert points[1].bmca > points[-1].bmca + 0.05
    for point in points:
        assert 0 <= point.benign_above_r95 <= 1 - point.benign_below_r99 + 1e-9 <= 1 + 1e-9


def point(share: float, bmca: float, below: float, above: float) -> Point:
    nothing = Calibration(1.0, 0.1, 0.05, {})
    return Point(share, bmca, below, above, nothing)


def test_the_best_of_the_calm_points_is_chosen() -> None:
    wild, calm, dull = (
        point(0.0, 0.80, 0.10, 0.30),
        point(0.25, 0.78, 0.45, 0.30),
        point(0.5, 0.74, 0.60, 0.25),
    )
    assert best_point([wild, calm, dull]) is calm
    assert best_point([wild, replace(calm, benign_above_r95=0.6), dull]) is dull


def test_without_a_calm_point_the_calmest_is_chosen() -> None:
    assert best_point([point(0.0, 0.8, 0.1, 0.5), point(1.0, 0.6, 0.2, 0.5)]).share == 1.0

"""The gate's arithmetic: what a version must reach, and how much worse than another it may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlservice.engine import shipped
from mlservice.engine.gate import (
    MARGINS,
    frozen_set,
    margin_lines,
    release_gate,
    release_lines,
)

GOOD: dict[str, Any] = {
    "part": "test",
    "n": 1004,
    "n_malignant": 202,
    "bmca": 0.75,
    "melanoma_red": 0.93,
    "melanoma_flagged": 0.97,
    "malignant_red": 0.96,
    "malignant_flagged": 0.985,
    "ece_excess": 0.005,
    "green_malignant": 3,
    "green_benign": 0.39,
    "red_benign": 0.33,
}


def not_met(candidate: dict[str, Any], incumbent: dict[str, Any]) -> set[str]:
    return {line.name for line in margin_lines(candidate, incumbent) if not line.met}


def test_a_version_is_not_worse_than_itself() -> None:
    assert not_met(GOOD, GOOD) == set()
    assert {line.name for line in margin_lines(GOOD, GOOD)} == {m.name for m in MARGINS}


@pytest.mark.parametrize("margin", MARGINS, ids=lambda margin: margin.name)
def test_just_inside_a_margin_is_let_through_and_just_outside_is_not(margin: Any) -> None:
    worse = -1 if margin.better == "higher" else 1
    start = GOOD[margin.name]
    inside = GOOD | {margin.name: start + worse * margin.allowed}
    assert not_met(inside, GOOD) == set()
    outside = GOOD | {margin.name: start + worse * (margin.allowed + 0.001)}
    assert not_met(outside, GOOD) == {margin.name}
    better = GOOD | {margin.name: start - worse * margin.allowed}
    assert not_met(better, GOOD) == set()


def test_calibration_better_than_chance_is_no_reason_to_refuse_the_next() -> None:
    lucky = GOOD | {"ece_excess": -0.03}
    assert not_met(GOOD | {"ece_excess": 0.02}, lucky) == set()
    assert not_met(GOOD | {"ece_excess": 0.021}, lucky) == {"ece_excess"}


def test_what_the_candidate_lacks_is_not_met_and_what_neither_has_is_not_asked() -> None:
    lacking = {key: value for key, value in GOOD.items() if not key.startswith("melanoma")}
    assert not_met(lacking, GOOD) == {"melanoma_red", "melanoma_flagged"}
    assert not_met(lacking, lacking) == set()
    assert not_met(GOOD, lacking) == set(), "there is nothing to be worse than"


@pytest.mark.parametrize("value", [None, "0.9", True, float("nan")])
def test_what_is_no_number_meets_nothing(value: object) -> None:
    assert not_met(GOOD | {"bmca": value}, GOOD) == {"bmca"}
    assert not release_gate(GOOD | {"green_benign": value})["passed"]


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        ({"green_malignant": 5}, "green_malignant"),
        ({"n_malignant": 0, "green_malignant": 0}, "green_malignant"),
        ({"green_benign": 0.2499}, "green_benign"),
        ({"red_benign": 0.4501}, "red_benign"),
    ],
)
def test_the_conditions_of_a_release_are_held_each(change: dict[str, Any], fails: str) -> None:
    assert release_gate(GOOD)["passed"]
    met = {line.name: line.met for line in release_lines(GOOD | change)}
    assert [name for name, holds in met.items() if not holds] == [fails]


def test_the_frozen_pictures_are_named_by_data_split_and_part() -> None:
    training = {"data_hash": "a", "split_hash": "b"}
    name = frozen_set(training, GOOD)
    assert name == frozen_set(dict(training), {"part": "test"})
    others = [
        frozen_set(training | {"data_hash": "c"}, GOOD),
        frozen_set(training | {"split_hash": "c"}, GOOD),
        frozen_set(training, GOOD | {"part": "calibration"}),
    ]
    assert len({name, *others}) == 4
    assert frozen_set({}, GOOD) == frozen_set(training, {}) == ""


def test_each_shipped_version_passes_beside_those_before_and_not_the_other_way_round() -> None:
    """The numbers of the cards, read by hand: balanced accuracy 0.764, 0.755 and 0.720; harmful
    pictures in GREEN 1, 3 and 2; melanomas in RED or AMBER 0.991, 0.974 and 0.983."""
    newest, middle, oldest = (
        json.loads((shipped("skin").with_name(name) / "metrics.json").read_text())
        for name in ("skin-2.1", "skin-2", "skin-1.1")
    )
    assert not_met(newest, middle) == not_met(newest, oldest) == not_met(middle, oldest) == set()
    assert not_met(oldest, middle) == {"bmca"}
    assert not_met(oldest, newest) == {"bmca"}
    assert not_met(middle, newest) == {"green_malignant", "melanoma_flagged"}

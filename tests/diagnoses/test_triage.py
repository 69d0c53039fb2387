"""The answers raise the urgency, and never lower it."""

from __future__ import annotations

from itertools import product

import pytest

from diagnoses.triage import Answers, by_answers, points_of, unanswered_safety
from mlservice.engine.types import Tier
from mlservice.packs import load_pack
from tests.cases import ALL_ANSWERED

SKIN = load_pack("skin")


def answers(**changes: str) -> Answers:
    return ALL_ANSWERED | changes


def test_calm_answers_leave_green() -> None:
    urgency = by_answers(SKIN, answers())
    assert (urgency.tier, urgency.reasons, urgency.points) == (Tier.GREEN, (), 0)


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({"change_size": "yes"}, 2),
        ({"irregular_shape": "yes", "irregular_colour": "yes"}, 4),
        ({"diameter": "yes", "inflamed": "yes"}, 2),
        ({"bleeding": "oozes"}, 1),
        ({"change_size": "yes", "sensation": "yes"}, 3),
        ({"change_size": "not_sure"}, 0),
    ],
)
def test_the_weighted_checklist(changes: dict[str, str], points: int) -> None:
    assert points_of(SKIN, answers(**changes)) == points


def test_three_points_are_red_and_two_are_not() -> None:
    assert by_answers(SKIN, answers(change_size="yes")).tier is Tier.GREEN
    urgent = by_answers(SKIN, answers(change_size="yes", diameter="yes"))
    assert urgent.tier is Tier.RED
    assert "points_urgent" in urgent.reasons


def test_bleeding_and_growing_is_red() -> None:
    urgency = by_answers(SKIN, answers(bleeding="bleeds", change_size="yes"))
    assert urgency.tier is Tier.RED
    assert "bleeding_and_growing" in urgency.reasons


def test_dark_skin_rules_out_green() -> None:
    assert by_answers(SKIN, answers(skin_type="v")).tier is Tier.AMBER
    assert by_answers(SKIN, answers(skin_type="iv")).tier is Tier.GREEN


def test_a_safety_question_left_open_rules_out_green() -> None:
    for question in SKIN.questions:
        if not question.safety:
            continue
        open_ = {k: v for k, v in ALL_ANSWERED.items() if k != question.name}
        for case in (open_, ALL_ANSWERED | {question.name: "not_sure"}):
            urgency = by_answers(SKIN, case)
            assert urgency.tier is Tier.AMBER, question.name
            assert urgency.reasons == ("safety_question_unanswered",)
            assert unanswered_safety(SKIN, case) == [question]


def test_no_answers_at_all_are_amber() -> None:
    assert by_answers(SKIN, {}).tier is Tier.AMBER


def test_joining_never_lowers() -> None:
    for mine, other in product(Tier, Tier):
        start = by_answers(SKIN, answers()).joined_with(mine, ("a",))
        joined = start.joined_with(other, ("b",))
        assert joined.tier.rank == max(mine.rank, other.rank)
        assert set(joined.reasons) == {"a", "b"}


def test_the_more_urgent_reason_comes_first() -> None:
    amber = by_answers(SKIN, {})
    red = amber.joined_with(Tier.RED, ("risk_r95",))
    assert red.reasons == ("risk_r95", "safety_question_unanswered")

"""What the patient's answers mean for the urgency. Pure; the rules themselves are the pack's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlservice.engine.types import Tier
from mlservice.packs import Pack, Question

Answers = Mapping[str, str | list[str]]

POINTS_URGENT = "points_urgent"
SAFETY_UNANSWERED = "safety_question_unanswered"


@dataclass(frozen=True, slots=True)
class Urgency:
    """A tier with the codes that led to it, most urgent first."""

    tier: Tier
    reasons: tuple[str, ...]
    points: int | None  # of the pack's weighted checklist; None where the pack has none

    def joined_with(self, tier: Tier, reasons: tuple[str, ...]) -> Urgency:
        """Raised by another finding, never lowered; the more urgent one's reasons first."""
        first, second = (
            (reasons, self.reasons)
            if tier.rank >= self.tier.rank
            else (
                self.reasons,
                reasons,
            )
        )
        return Urgency(self.tier.raised_to(tier), tuple(dict.fromkeys(first + second)), self.points)


def by_answers(pack: Pack, answers: Answers) -> Urgency:
    """How urgent the answers alone make a case. Unanswered safety questions rule out GREEN."""
    found: list[tuple[Tier, str]] = []
    points = points_of(pack, answers)
    if pack.points and points is not None and points >= pack.points.urgent_from:
        found.append((Tier.RED, POINTS_URGENT))
    found += [
        (Tier(rule.tier), rule.code)
        for rule in pack.urgency
        if all(given(answers, question) & set(values) for question, values in rule.when.items())
    ]
    if unanswered_safety(pack, answers):
        found.append((Tier.AMBER, SAFETY_UNANSWERED))
    found.sort(key=lambda finding: -finding[0].rank)
    tier = found[0][0] if found else Tier.GREEN
    return Urgency(tier, tuple(code for _, code in found), points)


def points_of(pack: Pack, answers: Answers) -> int | None:
    """The weighted checklist's sum; an unanswered question counts nothing."""
    if pack.points is None:
        return None
    return sum(
        max((weights.get(value, 0) for value in given(answers, question)), default=0)
        for question, weights in pack.points.weights.items()
    )


def unanswered_safety(pack: Pack, answers: Answers) -> list[Question]:
    """Safety questions left open, or answered "not sure"."""
    return [
        question
        for question in pack.questions
        if question.safety
        and not any(not question.choice(value).unknown for value in given(answers, question.name))
    ]


def given(answers: Answers, question: str) -> set[str]:
    """The values given to one question, none if it was left open."""
    value = answers.get(question, "")
    return set(value) if isinstance(value, list) else {value} - {""}

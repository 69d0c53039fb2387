"""Answers to a pack's questions as they come in JSON: over the API, and in an archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from diagnoses.questions import MOST_WORDS
from mlservice.packs import Pack, PackError, Question

# What the form takes as a text: no more of it, and no characters a database cannot keep.
WORDS = serializers.CharField(max_length=MOST_WORDS, allow_blank=True, trim_whitespace=False)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        },
    }
)
class AnswersField(serializers.JSONField):
    """JSON of any depth is a fault of the field, never one of ours."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except RecursionError:
            self.fail("invalid")

    def run_validation(self, data: Any = serializers.empty) -> Any:
        answers = super().run_validation(data)
        if not isinstance(answers, dict) or not all(map(_is_answer, answers.values())):
            raise serializers.ValidationError(
                "Answers are a JSON object: each question's name with a text or a list of texts."
            )
        return answers


def known(field: str, find: Any, name: str) -> Any:
    """What the pack has under this name; a fault of the field where it has nothing."""
    try:
        return find(name)
    except PackError as error:
        raise serializers.ValidationError({field: str(error)}) from error


def checked_answers(pack: Pack, answers: Mapping[str, Any]) -> None:
    """Each answers a question of the pack, as it is asked; a fault of the field where not."""
    for name, given in answers.items():
        _check_answer(known("answers", pack.question, name), given)


def _check_answer(question: Question, given: str | list[str]) -> None:
    """As the form holds it: one choice, several where the question asks for them, or a text."""
    if question.kind != "choices" and not isinstance(given, str):
        raise serializers.ValidationError(
            {"answers": f"The question '{question.name}' takes one answer."}
        )
    if question.kind == "text":
        try:
            WORDS.run_validation(given)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"answers": error.detail}) from error
        return
    for value in [given] if isinstance(given, str) else given:
        known("answers", question.choice, value)


def _is_answer(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )

"""A pack's questions as a form's fields, and the form that asks what is new."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from diagnoses.triage import Answers
from mlservice.packs import Pack, Question

MOST_WORDS = 2000  # characters of an answer in the patient's own words


class QuestionsForm(forms.Form):
    """Some of a pack's questions. None has to be answered."""

    def __init__(self, *args: Any, questions: tuple[Question, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.questions = questions
        for question in questions:
            self.fields[_field_name(question)] = _question_field(question)

    def asked(self) -> Iterator[tuple[Question, forms.BoundField]]:
        """Each question the form asks with its field, in the pack's order."""
        for question in self.questions:
            if _field_name(question) not in self.fields:
                continue
            yield question, self[_field_name(question)]

    def answers(self) -> Answers:
        """What was answered, and nothing about what was left open."""
        given = {q.name: self.cleaned_data.get(_field_name(q)) for q in self.questions}
        return {name: value for name, value in given.items() if value}


class TellForm(QuestionsForm):
    """ "Tell us now": what is new since the case was sent."""

    what = forms.CharField(
        label=_("What has changed, in your words?"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, pack: Pack, **kwargs: Any) -> None:
        super().__init__(*args, questions=telling_questions(pack), **kwargs)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not data.get("what") and not self.answers():
            raise ValidationError(_("Answer a question or write what has changed."))
        return data


def telling_questions(pack: Pack) -> tuple[Question, ...]:
    """Those whose answer can make a case more urgent by the checklist; else all about safety."""
    weighed = pack.points.weights if pack.points else {}
    return tuple(q for q in pack.questions if (q.name in weighed if weighed else q.safety))


def _field_name(question: Question) -> str:
    return f"q_{question.name}"


def _question_field(question: Question) -> forms.Field:
    if question.kind == "text":
        return forms.CharField(
            required=False,
            max_length=MOST_WORDS,
            label=question.text,
            widget=forms.Textarea(attrs={"rows": 4}),
        )
    choices = [(choice.value, choice.text) for choice in question.choices]
    if question.kind == "choices":
        return forms.MultipleChoiceField(
            required=False,
            choices=choices,
            label=question.text,
            widget=forms.CheckboxSelectMultiple,
        )
    return forms.ChoiceField(
        required=False, choices=choices, label=question.text, widget=forms.RadioSelect
    )

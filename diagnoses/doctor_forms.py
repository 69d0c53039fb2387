"""What a doctor fills in: the reading made unaided, and the answer that is signed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from diagnoses.models import FirstReading, Review
from diagnoses.workflow import Answer
from mlservice.packs import AnswerTemplate, Label, Pack

# The form's value for "none of the classes". No label of a pack can be called that.
NO_LABEL = "-"
RECHECKS = {
    14: _("in two weeks"),
    30: _("in one month"),
    90: _("in three months"),
    180: _("in six months"),
    365: _("in one year"),
}
AGREES = [("yes", _("I agree")), ("no", _("I differ"))]


class KeyedRadios(forms.RadioSelect):
    """Radio buttons that say which key picks them, for the keyboard script.

    ``cycle`` is a key that picks one after the other, and ``says`` what it does.
    """

    def __init__(
        self, keys: Mapping[str, str] = MappingProxyType({}), *, cycle: str = "", says: Any = ""
    ) -> None:
        super().__init__()
        self.keys = keys
        self.cycle = {"data-cycle": cycle, "data-cycle-says": says} if cycle else {}

    def create_option(
        self,
        name: str,
        value: Any,
        label: int | str,
        selected: bool,
        index: int,
        subindex: int | None = None,
        attrs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        option = super().create_option(name, value, label, selected, index, subindex, attrs)
        if key := self.keys.get(str(value)):
            option["attrs"] |= {"data-key": key, "data-key-says": str(label)}
        option["attrs"] |= self.cycle
        return option


def plan_field() -> forms.ChoiceField:
    """The plans: one key for the urgent one, and one that goes through them all."""
    return forms.ChoiceField(
        label=_("Plan"),
        choices=Review.Plan.choices,
        widget=KeyedRadios({Review.Plan.REFER_URGENT: "u"}, cycle="p", says=_("Plan: the next")),
        error_messages={"required": _("Choose a plan.")},
    )


def diagnosis_field(pack: Pack) -> forms.ChoiceField:
    """The pack's labels by their own keys, and "none of these" on 0."""
    choices = [(label.name, label.title) for label in pack.labels]
    keys = {label.name: label.key for label in pack.labels} | {NO_LABEL: "0"}
    return forms.ChoiceField(
        label=_("Diagnosis"),
        choices=[*choices, (NO_LABEL, _("None of these, or no lesion"))],
        widget=KeyedRadios(keys),
        error_messages={"required": _("Choose a diagnosis, or “none of these”.")},
    )


class FirstReadingForm(forms.Form):
    """The doctor's own reading, before the computer's view opens. It cannot be changed later."""

    confidence = forms.ChoiceField(
        label=_("How sure are you?"),
        choices=FirstReading.CONFIDENCE,
        widget=KeyedRadios(cycle="c", says=_("How sure you are: the next")),
        error_messages={"required": _("Say how sure you are.")},
    )
    plan = plan_field()
    field_order: tuple[str, ...] = ("diagnosis", "confidence", "plan")

    def __init__(self, *args: Any, pack: Pack, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["diagnosis"] = diagnosis_field(pack)
        self.order_fields(self.field_order)

    def clean_diagnosis(self) -> str:
        return _label_name(self.cleaned_data["diagnosis"])


class AnswerForm(forms.Form):
    """The final answer. ``view_open`` says that the computer's view stands beside it;
    ``patient_reads`` is the patient's language, where it is not the doctor's.

    What is harmful and left alone all the same is asked about once more: a slip of one key.
    """

    plan = plan_field()
    recheck_days = forms.TypedChoiceField(
        label=_("Photograph again"),
        choices=[("", _("not asked for"))],
        coerce=int,
        empty_value=None,
        required=False,
    )
    advice = forms.CharField(
        label=_("Answer to the patient"),
        help_text=_("In plain words. This is what they read."),
        max_length=4000,
        widget=forms.Textarea(
            attrs={"rows": 8, "data-key": "w", "data-key-says": _("Write the answer")}
        ),
        error_messages={"required": _("Write what the patient should read.")},
    )
    note = forms.CharField(
        label=_("Note for colleagues"),
        help_text=_("The patient does not see it."),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    agrees = forms.ChoiceField(
        label=_("Agreement with the computer"),
        choices=AGREES,
        widget=KeyedRadios({"yes": "a", "no": "o"}),
        error_messages={"required": _("Say whether you agree with the computer.")},
    )
    differs_because = forms.CharField(
        label=_("If you differ, why?"),
        help_text=_("A few words that help to find what the computer gets wrong."),
        max_length=300,
        required=False,
    )
    field_order = (
        "diagnosis",
        "agrees",
        "differs_because",
        "plan",
        "recheck_days",
        "advice",
        "note",
    )

    def __init__(
        self, *args: Any, pack: Pack, view_open: bool, patient_reads: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if patient_reads:
            reads = gettext("The patient reads %(language)s.") % {"language": patient_reads}
            self.fields["advice"].help_text = f"{self.fields['advice'].help_text} {reads}"
        self.fields["diagnosis"] = diagnosis_field(pack)
        self.fields["recheck_days"].choices = [("", _("not asked for")), *_rechecks(pack)]  # type: ignore[attr-defined]  # a TypedChoiceField, declared above
        if not view_open:
            del self.fields["agrees"], self.fields["differs_because"]
        order = list(self.field_order)
        if left_alone := _left_alone(pack, self.data):
            # By its name: a box that was ticked for one diagnosis says nothing of another.
            sure = f"sure_{left_alone.name}"
            self.fields[sure] = _sure_field(left_alone)
            order.insert(order.index("plan") + 1, sure)
        self.order_fields(order)

    def clean_diagnosis(self) -> str:
        return _label_name(self.cleaned_data["diagnosis"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("plan") == Review.Plan.RECHECK and data.get("recheck_days") is None:
            self.add_error("recheck_days", _("Say when the patient should photograph it again."))
        if data.get("agrees") == "no" and not data.get("differs_because"):
            self.add_error("differs_because", _("Say in a few words why you differ."))
        return data

    def answer(self) -> Answer:
        """What was filled in, once the form is valid."""
        data = self.cleaned_data
        agrees = {"yes": True, "no": False}.get(data.get("agrees", ""))
        return Answer(
            diagnosis=data["diagnosis"],
            plan=data["plan"],
            advice=data["advice"],
            note=data["note"],
            recheck_days=data["recheck_days"],
            agrees=agrees,
            differs_because=data.get("differs_because", "") if agrees is False else "",
        )


class AmendForm(AnswerForm):
    """An answer that follows a signed one; ``after`` is the one it was written against."""

    after = forms.IntegerField(widget=forms.HiddenInput)


def starting_from(template: AnswerTemplate) -> dict[str, Any]:
    """The fields of an answer that one of the pack's templates fills."""
    filled: dict[str, Any] = {"advice": template.text, "recheck_days": template.recheck_days or ""}
    if template.label:
        filled["diagnosis"] = template.label
    return filled


def from_first_reading(reading: FirstReading) -> dict[str, Any]:
    return {"diagnosis": reading.diagnosis or NO_LABEL, "plan": reading.plan}


def from_review(review: Review) -> dict[str, Any]:
    """The fields as this doctor left them: after an undo, or to amend."""
    return {
        "diagnosis": review.diagnosis or NO_LABEL,
        "plan": review.plan,
        "recheck_days": review.recheck_days or "",
        "advice": review.advice,
        "note": review.note,
        "agrees": {True: "yes", False: "no", None: ""}[review.agrees],
        "differs_because": review.differs_because,
    }


def _left_alone(pack: Pack, data: Mapping[str, Any]) -> Label | None:
    """What was named, where it is harmful and nothing is to follow."""
    if data.get("plan") != Review.Plan.REASSURE:
        return None
    named = data.get("diagnosis")
    return next((one for one in pack.labels if one.harmful and one.name == named), None)


def _sure_field(label: Label) -> forms.BooleanField:
    plan = Review.Plan.REASSURE.label
    asked = gettext("%(label)s, and the plan is “%(plan)s”. Tick the box if you mean that.")
    return forms.BooleanField(
        label=gettext("I mean that"),
        widget=forms.CheckboxInput(
            attrs={"data-key": "y", "data-key-says": gettext("I mean that")}
        ),
        error_messages={"required": asked % {"label": label.title, "plan": plan}},
    )


def _rechecks(pack: Pack) -> list[tuple[int, Any]]:
    """The usual intervals, and whatever others the pack's templates suggest."""
    suggested = {template.recheck_days for template in pack.templates}
    return [
        (days, RECHECKS.get(days, gettext("in %(days)s days") % {"days": days}))
        for days in sorted({days for days in suggested if days} | set(RECHECKS))
    ]


def _label_name(value: str) -> str:
    """As it is stored: nothing for "none of these"."""
    return "" if value == NO_LABEL else value

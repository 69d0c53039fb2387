"""What a doctor fills in beside the answer: a question to a colleague, a second reading, what it
turned out to be, a letter."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from diagnoses.doctor_forms import NO_LABEL, FirstReadingForm, diagnosis_field
from diagnoses.models import Case, Outcome
from mlservice.packs import Pack


class AskColleagueForm(forms.Form):
    """Whom, and what about."""

    colleague = forms.ModelChoiceField(
        label=_("Whom do you want to ask?"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("Any colleague of my clinic"),
        error_messages={"invalid_choice": _("This doctor cannot be asked. Choose another one.")},
    )
    elsewhere = forms.EmailField(
        label=_("Or a doctor of another clinic, by e-mail address"),
        help_text=_("The address they log in with here. Your patient is asked first."),
        required=False,
        max_length=254,
        error_messages={"invalid": _("Write a whole e-mail address.")},
        widget=forms.EmailInput(attrs={"autocomplete": "off", "inputmode": "email"}),
    )
    question = forms.CharField(
        label=_("Your question"),
        help_text=_("Your colleague reads the case blind: do not write what you think it is."),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, case: Case, doctor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        here = User.objects.reading_doctors().filter(clinic=case.clinic_id).exclude(pk=doctor.pk)
        self.fields["colleague"].queryset = here.order_by("name")  # type: ignore[attr-defined]  # a ModelChoiceField

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("colleague") and data.get("elsewhere"):
            self.add_error("elsewhere", _("Choose a colleague or write an address, not both."))
        return data


class SecondReadingForm(FirstReadingForm):
    """As a first reading, with words to the colleague."""

    words = forms.CharField(
        label=_("Words to your colleague"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    field_order: tuple[str, ...] = ("diagnosis", "confidence", "plan", "words")


class OutcomeForm(forms.Form):
    """What it turned out to be."""

    source = forms.ChoiceField(
        label=_("How is it known?"),
        choices=Outcome.Source.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Say how it is known.")},
    )
    found_on = forms.DateField(
        label=_("When?"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={
            "required": _("Write the day of the report or the visit."),
            "invalid": _("Write the day as year, month and day, such as 2026-03-14."),
        },
    )
    words = forms.CharField(
        label=_("In a few words"),
        help_text=_("Such as the thickness, or what else it is."),
        max_length=300,
        required=False,
    )
    field_order = ("diagnosis", "source", "found_on", "words")

    def __init__(self, *args: Any, pack: Pack, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = diagnosis_field(pack)
        # On a page with a decision of its own the keys are that one's.
        labels: Any = field.choices
        field.widget = forms.Select()
        field.choices = [("", _("Choose")), *labels]
        self.fields["diagnosis"] = field
        self.order_fields(self.field_order)

    def clean_diagnosis(self) -> str:
        chosen = str(self.cleaned_data["diagnosis"])
        return "" if chosen == NO_LABEL else chosen

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("diagnosis") == "" and not data.get("words"):
            self.add_error("words", _("Say in a few words what it is, if it is none of these."))
        if data.get("found_on") and data["found_on"] > timezone.localdate():
            self.add_error("found_on", _("This day is still to come."))
        return data


class LetterForm(forms.Form):
    """A letter to whoever sees the patient next."""

    addressee = forms.CharField(
        label=_("To"),
        help_text=_("A person, a department, or both."),
        max_length=200,
        error_messages={"required": _("Write to whom the letter goes.")},
    )
    words = forms.CharField(
        label=_("The letter"),
        help_text=_("The patient’s name, the answers, the diagnosis and the photos are added."),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 8}),
        error_messages={"required": _("Write what your colleague should know.")},
    )
    with_photos = forms.BooleanField(label=_("With the photos"), required=False, initial=True)

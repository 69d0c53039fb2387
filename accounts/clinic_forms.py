"""The rules of a clinic, each with what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.validators import MinValueValidator
from django.utils.translation import gettext_lazy as _

from accounts import clinics
from accounts.models import Clinic

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Clinic]
else:
    ModelForm = forms.ModelForm  # Django's class takes no parameter when it runs

HOURS = ("red_answer_hours", "amber_answer_hours", "green_answer_hours")
NEW_CASES = _("Patients read this time. A change counts for new cases.")


class ClinicForm(ModelForm):
    """All that admins set. ``seen`` is what the page showed, so that nobody undoes another's."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=16)

    class Meta:
        model = Clinic
        fields = clinics.SETTINGS
        labels: ClassVar = {
            "name": _("Name"),
            "release_policy": _("When patients see the computer’s view"),
            "blind_reading": _("Doctors read first, then see the computer’s view"),
            "double_reading_percent": _("Of 100 answers, so many are read twice"),
            "red_answer_hours": _("Hours to answer an urgent case (red)"),
            "amber_answer_hours": _("Hours to answer an unclear case (amber)"),
            "green_answer_hours": _("Hours to answer any other case (green)"),
            "time_zone": _("Time zone"),
            "sun_month": _("Sunny months begin in"),
            "full_report": _("Doctors’ answers may travel by WhatsApp"),
        }
        help_texts: ClassVar = {
            "name": _("Patients choose it when they sign up, and read it beside their answers."),
            "release_policy": _(
                "At once, they read within a minute what the computer thinks, marked as seen by no "
                "doctor yet. With the answer, they read nothing before a doctor has signed."
            ),
            "blind_reading": _(
                "Their own reading is kept first, so that the computer sways nobody. Without it "
                "they see the computer’s view as they open a case."
            ),
            "double_reading_percent": _(
                "Chosen by chance after signing, and read by another doctor who does not know the "
                "first answer. 0 reads none twice."
            ),
            **dict.fromkeys(HOURS, NEW_CASES),
            "time_zone": _(
                "Such as Europe/Madrid. Nobody is written to at night by its clock. Empty is the "
                "portal’s own."
            ),
            "sun_month": _(
                "May in the north, November in the south. Patients are reminded of the sun once a "
                "year. Empty reminds nobody."
            ),
            "full_report": _(
                "Only to patients who asked for it: their initials and the doctor’s own words, "
                "which pass through WhatsApp and Twilio. Without it a message has a link and "
                "nothing else."
            ),
        }
        error_messages: ClassVar = {
            "name": {"unique": _("There is a clinic of this name already.")},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = clinics.seen(self.instance)
        self.fields["double_reading_percent"].widget.attrs["max"] = 100
        for name in HOURS:
            self.fields[name].validators.append(MinValueValidator(1))
            self.fields[name].widget.attrs["min"] = 1

    def rules(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in clinics.SETTINGS}

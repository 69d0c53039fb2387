"""The forms of accounts: signing up, and one more number."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import people
from accounts.models import Clinic, Consent, ContactNumber, User
from accounts.phone import to_e164
from accounts.wording import WORDING

CARE = WORDING[Consent.Kind.CARE]
MESSAGES = WORDING[Consent.Kind.MESSAGES]


class PhoneField(forms.CharField):
    """Takes a number as people write it, gives E.164, or an empty string where that is allowed."""

    widget = forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"})

    def clean(self, value: Any) -> str:
        raw = super().clean(value)
        return to_e164(raw) if raw else ""


class NumberForm(forms.Form):
    """A contact number and whether messages may go to it."""

    number = PhoneField(
        label=_("Phone number"),
        max_length=40,
        help_text=_("Start with + and the country code if it is not a local number."),
    )
    messages = forms.BooleanField(label=MESSAGES.text, required=False, help_text=MESSAGES.meaning)

    def save(self, user: User) -> ContactNumber:
        """Keep the number, and the consent if it was given."""
        return keep_number(
            user, self.cleaned_data["number"], messages=self.cleaned_data["messages"]
        )


class SignupForm(AllauthSignupForm):  # type: ignore[misc]  # allauth ships no types
    """Whoever signs up becomes a patient: nothing in this form, or beside it, says otherwise."""

    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    clinic = forms.ModelChoiceField(Clinic.objects.none(), label=_("Your clinic"), empty_label=None)
    number = PhoneField(
        label=_("Phone number"),
        max_length=40,
        required=False,
        help_text=_("Only if you want messages. Start with + and the country code."),
    )
    messages = forms.BooleanField(label=MESSAGES.text, required=False, help_text=MESSAGES.meaning)
    care = forms.BooleanField(
        label=CARE.text,
        help_text=CARE.meaning,
        error_messages={
            "required": _("Tick this if you agree. Without it no doctor may help you.")
        },
    )
    field_order = ("name", "email", "password1", "clinic", "number", "messages", "care")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        clinics = Clinic.objects.all()
        if clinics.count() > 1:
            self.fields["clinic"].queryset = clinics
        else:
            del self.fields["clinic"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        if data.get("messages") and not data.get("number") and "number" not in self.errors:
            self.add_error("number", _("Give the number we should send messages to."))
        return data

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        """The account and what was agreed to, or neither."""
        user: User = super().save(request)
        user.name = self.cleaned_data["name"]
        user.clinic = self.cleaned_data.get("clinic") or people.default_clinic()
        user.save(update_fields=["name", "clinic"])
        people.give_consent(user, Consent.Kind.CARE)
        if self.cleaned_data["number"]:
            keep_number(user, self.cleaned_data["number"], messages=self.cleaned_data["messages"])
        return user


@transaction.atomic
def keep_number(user: User, e164: str, *, messages: bool) -> ContactNumber:
    """A number somebody gave in a form, with what they ticked beside it."""
    if messages:
        people.give_consent(user, Consent.Kind.MESSAGES)
    return people.add_number(user, e164, opt_in=messages)

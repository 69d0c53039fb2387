"""The forms of accounts: signing up, and one more number."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.utils import get_next_redirect_url
from allauth.core import context
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from accounts import people, signing_up
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
        return people.keep_number(
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
        kwargs["initial"] = signing_up.typed(context.request) | (kwargs.get("initial") or {})
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

    def validate_unique_email(self, value: str) -> str:
        """Whether it is taken is told by the letter, and not by the page."""
        return value

    def try_save(self, request: HttpRequest) -> tuple[None, HttpResponse]:
        """No account yet: a letter with a code, and the page where it is typed."""
        onward = get_next_redirect_url(request)
        if not signing_up.begin(request, self.cleaned_data, onward):
            messages.error(request, signing_up.NOT_SENT)
        return None, redirect("account_signup_code")

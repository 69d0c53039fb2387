"""The forms of messages that are answered: an invitation, a code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.forms import PhoneField
from accounts.models import Clinic, Role, User
from notifications.models import Invitation


class CodeForm(forms.Form):
    """The code that was sent to a phone, typed as its owner reads it: spaces do not matter."""

    code = forms.CharField(
        label=_("The code from the message"),
        help_text=_("Six digits, for example 123 456."),
        max_length=20,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": "code"}
        ),
        error_messages={"required": _("Type the code from the message.")},
    )

    def clean_code(self) -> str:
        digits = re.sub(r"[\s-]", "", self.cleaned_data["code"])
        if not re.fullmatch(r"[0-9]{6}", digits):
            raise ValidationError(_("A code has six digits."), code="not_a_code")
        return digits


class JoinForm(forms.Form):
    """A new account for someone invited; the number they were invited on is filled in."""

    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("E-mail address"),
        help_text=_("You log in with it. Use the one you use at work."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=_("At least 10 characters. A few words are easier to remember than one."),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    number = PhoneField(label=_("Phone number"), max_length=40, required=False)
    messages = forms.BooleanField(
        label=_("You may send me messages by WhatsApp or SMS when a case waits for me."),
        help_text=_("A message only says that there is work. It never says whose or what."),
        required=False,
    )

    def __init__(self, invitation: Invitation, data: Mapping[str, Any] | None) -> None:
        initial = {
            "name": invitation.name,
            "email": invitation.email,
            "number": invitation.e164,
        }
        super().__init__(data, initial=initial)
        # Nobody verifies an admin, so theirs is the very address that was invited.
        self._only = invitation.email if invitation.role == Role.ADMIN else ""

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).strip().lower()
        if self._only and email != self._only:
            raise ValidationError(_("Use the address that the invitation was sent to."))
        if User.objects.filter(email=email).exists():
            raise ValidationError(_("There is an account with this address already."))
        return email

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        person = User(
            email=self.cleaned_data.get("email", ""), name=self.cleaned_data.get("name", "")
        )
        validate_password(password, person)
        return password

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("messages") and not data.get("number") and "number" not in self.errors:
            self.add_error("number", _("Give the number we should send messages to."))
        return data


class InviteForm(forms.Form):
    """Whom an admin invites, as what, and where to."""

    role = forms.ChoiceField(
        label=_("What will they be?"),
        choices=[
            (Role.DOCTOR.value, _("A doctor, who sees nothing until somebody verifies them")),
            (Role.ADMIN.value, _("An admin, who looks after the clinic’s people at once")),
        ],
        initial=Role.DOCTOR.value,
        widget=forms.RadioSelect,
    )
    name = forms.CharField(
        label=_("Their name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    clinic = forms.ModelChoiceField(
        Clinic.objects.none(), label=_("Clinic"), empty_label=_("Choose a clinic")
    )
    number = PhoneField(
        label=_("Phone number"),
        max_length=40,
        required=False,
        help_text=_("For a doctor: it goes by WhatsApp. Start with + and the country code."),
        widget=forms.TextInput(attrs={"type": "tel", "inputmode": "tel", "autocomplete": "off"}),
    )
    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_("Used where there is no number, or where it fails. An admin needs one."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, clinics: QuerySet[Clinic], by: User, data: Mapping[str, Any] | None) -> None:
        super().__init__(data)
        self._by = by
        field = self.fields["clinic"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = clinics
            if by.clinic is not None:  # there is nothing to choose
                field.initial, field.disabled = by.clinic, True
                field.widget = forms.HiddenInput()

    @property
    def as_admin(self) -> bool:
        return bool(self.cleaned_data.get("role") == Role.ADMIN)

    def clean_email(self) -> str:
        """Said now, and not when they try: somebody of this address may be here already."""
        email = str(self.cleaned_data["email"]).strip().lower()
        known = User.objects.managed_by(self._by).filter(email=email).first() if email else None
        if known is not None:
            words = {"name": known}
            raise ValidationError(_("%(name)s has an account with this address.") % words)
        if email and self.as_admin and User.objects.filter(email=email).exists():
            raise ValidationError(_("An admin cannot join with this address. Use another one."))
        return email

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        if self.as_admin and data.get("number"):
            self.add_error("number", _("Leave it empty: an admin is invited by e-mail."))
        elif self.as_admin and not data.get("email"):
            self.add_error("email", _("An admin is invited by e-mail. Give their address."))
        elif not (data.get("number") or data.get("email")):
            self.add_error("number", _("Give a number or an e-mail address."))
        return data

"""The forms of accounts."""

from __future__ import annotations

from django import forms

from accounts.models import User


class SignupExtras(forms.Form):
    """What we ask beside e-mail and password."""

    name = forms.CharField(max_length=120)

    def signup(self, request: object, user: User) -> None:
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])

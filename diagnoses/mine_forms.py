"""The form with which a patient asks for the end of their account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

WORD = _("erase")
WAIT, WITHDRAW = "wait", "withdraw"


class EraseForm(forms.Form):
    """What becomes of open cases, and a word to type: a slip types no word."""

    open_cases = forms.ChoiceField(
        label=_("What shall become of your open cases?"),
        choices=[
            (WAIT, _("Wait until a doctor has answered, and a week for me to read it")),
            (WITHDRAW, _("Withdraw those still open on the day. Nobody will answer them")),
        ],
        initial=WAIT,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the two.")},
    )
    word = forms.CharField(
        label=_("Type the word “erase”"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
        error_messages={"required": _("Type the word “erase” if you want this.")},
    )

    def __init__(self, *args: Any, has_open_cases: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_open_cases:
            del self.fields["open_cases"]

    def clean_word(self) -> str:
        if str(self.cleaned_data["word"]).strip().casefold() != str(WORD).casefold():
            raise ValidationError(_("Type the word “erase” if you want this."), code="other_word")
        return str(WORD)

    @property
    def after_answers(self) -> bool:
        """A case sent between now and then is answered too, unless they chose otherwise."""
        return bool(self.cleaned_data.get("open_cases", WAIT) == WAIT)

"""The one question a reminder asks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from diagnoses.models import Nudge

MOST_WORDS = 500


class VisitForm(forms.Form):
    """Did you see the doctor? A few words are welcome and never needed."""

    reply = forms.ChoiceField(
        label=_("Did you see the doctor?"),
        choices=Nudge.Reply.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the four.")},
    )
    words = forms.CharField(
        label=_("Is there something your doctors here should know?"),
        help_text=_(
            "Such as what the doctor said, or what stands in the way. You can leave it out."
        ),
        required=False,
        max_length=MOST_WORDS,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"max_length": _("Please write 500 letters at most.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The server refuses with a sentence what a browser would cut off without a word.
        del self.fields["words"].widget.attrs["maxlength"]

    def clean_words(self) -> str:
        """A browser sends a line break as two characters."""
        return str(self.cleaned_data["words"]).replace("\r\n", "\n").strip()

"""The one question a reminder asks."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from diagnoses.models import Nudge
from diagnoses.talk_forms import WordsField

MOST_WORDS = 500


class VisitForm(forms.Form):
    """Did you see the doctor? A few words are welcome and never needed."""

    reply = forms.ChoiceField(
        label=_("Did you see the doctor?"),
        choices=Nudge.Reply.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the four.")},
    )
    words = WordsField(
        label=_("Is there something your doctors here should know?"),
        help_text=_(
            "Such as what the doctor said, or what stands in the way. You can leave it out."
        ),
        required=False,
        rows=3,
        most=MOST_WORDS,
        error_messages={"max_length": _("Please write 500 letters at most.")},
    )

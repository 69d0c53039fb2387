"""What is said on a case, how a doctor asks for a new photo, and how the patient sends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4, uuid5

from django import forms
from django.utils.translation import gettext_lazy as _

from diagnoses.drafts import Slot, clean_photo
from diagnoses.forms import JUDGE_THE_PHOTO, PhotoInput
from diagnoses.models import MOST_SAID
from diagnoses.states import NewPhoto
from mlservice.packs import Pack

TOO_LONG = _("This is longer than 2,000 characters. Please send it in two parts.")


class KeyedForm(forms.Form):
    """A form whose key was drawn with it."""

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid4()

    def key_for(self, *said: str) -> UUID:
        """The same words sent twice are one remark; others under the same key, after a step back in
        the browser, are another one and must not get lost."""
        return uuid5(self.cleaned_data["key"] or uuid4(), "\n".join(said))


class WordsField(forms.CharField):
    """Own words. A browser sends a line break as two characters and counts it as one: so do we."""

    def __init__(self, *, rows: int, most: int = MOST_SAID, **options: Any) -> None:
        super().__init__(max_length=most, widget=forms.Textarea(attrs={"rows": rows}), **options)
        # The server refuses with a sentence what a browser would cut off without a word.
        del self.widget.attrs["maxlength"]

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("\r\n", "\n") if value else value)


class TalkForm(KeyedForm):
    """A word to the other side."""

    text = WordsField(
        label=_("Your message"),
        rows=4,
        error_messages={"required": _("Write your message first."), "max_length": TOO_LONG},
    )


class RetakeRequestForm(KeyedForm):
    """Why the doctor wants a new photo: ready reasons of the pack, own words, or neither."""

    reasons = forms.MultipleChoiceField(
        label=_("What is wrong with it?"), required=False, widget=forms.CheckboxSelectMultiple
    )
    words = WordsField(
        label=_("In your own words"),
        rows=2,
        required=False,
        error_messages={"max_length": TOO_LONG},
    )

    def __init__(self, *args: Any, pack: Pack, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="ask_%s", **kwargs)
        choices = [(code, _first_large(reason.problem)) for code, reason in pack.quality.items()]
        self.fields["reasons"].choices = choices  # type: ignore[attr-defined]  # a MultipleChoiceField


class RetakeForm(forms.Form):
    """One new photo for an open case; ``slot`` holds it (:mod:`diagnoses.drafts`)."""

    main_photo = forms.FileField(
        label=_("Your new photo"), required=False, allow_empty_file=True, widget=PhotoInput
    )
    main_kind = forms.ChoiceField(required=False, widget=forms.RadioSelect)
    main_as_it_is = forms.BooleanField(required=False)

    def __init__(self, *args: Any, slot: Slot, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slot = slot
        kinds = [(one.name, one.text) for one in slot.kinds]
        self.fields["main_kind"].choices = kinds  # type: ignore[attr-defined]  # a ChoiceField
        named = {name for name, _text in kinds}
        self.fields["main_kind"].initial = kind if kind in named else kinds[0][0]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.slot.refusal:
            self.add_error("main_photo", self.slot.refusal)
        elif self.slot.draft is None:
            self.add_error("main_photo", self.slot.pack.asking.none)
        elif self.slot.problems and not data.get("main_as_it_is"):
            self.add_error("main_photo", JUDGE_THE_PHOTO)
        return data

    def photos(self) -> Iterator[NewPhoto]:
        """As the workflow takes them. Raises ``FileNotFoundError`` for a discarded photo."""
        if self.slot.draft is not None:
            kind = self.cleaned_data["main_kind"] or self.fields["main_kind"].initial
            poor = bool(self.slot.problems)
            yield NewPhoto(kind, clean_photo(self.slot.draft), sent_anyway=poor)


def _first_large(text: str) -> str:
    return text[:1].upper() + text[1:]

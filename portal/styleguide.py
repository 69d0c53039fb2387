"""What the style guide shows: sample forms and data, one for every state of every piece.

Nothing here is read by any other page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.utils import timezone

from diagnoses.drafts import drawings_of
from mlservice.packs import load_pack
from portal import icons

SITES = [("face", "Face"), ("arm", "Left forearm"), ("back", "Back"), ("leg", "Leg")]
COLOURS: Final = [
    "paper", "surface", "sunken", "ink", "muted", "line", "edge", "accent", "accent-strong",
    "accent-soft", "red", "red-soft", "amber", "amber-soft", "green", "green-soft",
]  # fmt: skip


class Sample(forms.Form):
    """One field of each kind."""

    name = forms.CharField(label="Your name", max_length=40)
    number = forms.CharField(
        label="Phone number",
        required=False,
        help_text="Start with + and the country code.",
        widget=forms.TextInput(attrs={"type": "tel"}),
    )
    site = forms.ChoiceField(label="Where is it?", choices=SITES)
    since = forms.ChoiceField(
        label="Has it changed?",
        choices=[("yes", "Yes"), ("no", "No"), ("unsure", "I am not sure")],
        widget=forms.RadioSelect,
    )
    signs = forms.MultipleChoiceField(
        label="What have you noticed?",
        choices=[("itch", "It itches"), ("bleed", "It bleeds"), ("grow", "It grows")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="Tick all that fit.",
    )
    more = forms.CharField(label="Anything else?", widget=forms.Textarea, required=False)
    photo = forms.FileField(
        label="Photo",
        help_text="Hold the phone a hand’s width away, in daylight.",
        widget=forms.FileInput(attrs={"accept": "image/*"}),
    )
    agree = forms.BooleanField(
        label="A doctor may look at my photos.", help_text="Without it nobody can answer you."
    )

    def clean(self) -> dict[str, object]:
        data = super().clean() or {}
        if data.get("site") == "face":
            self.add_error(None, "Two answers do not fit together.")
        return data


class Cards(forms.Form):
    """Choices that are cards."""

    since = forms.ChoiceField(
        choices=[("yes", "Yes"), ("no", "No"), ("unsure", "I am not sure")],
        widget=forms.RadioSelect,
    )
    picture = forms.ChoiceField(
        label="With pictures",
        choices=[("take", "You send a photo"), ("check", "A check"), ("sign", "An answer")],
        widget=forms.RadioSelect,
    )


@dataclass(frozen=True)
class Step:
    name: str
    state: str
    when: datetime | None = None


def context() -> dict[str, object]:
    now = timezone.now()
    pack = load_pack(settings.PACK)
    return {
        "colours": COLOURS,
        "icon_names": sorted(icons.PATHS),
        "form": Sample(prefix="a"),
        "bad_form": Sample({"b-site": "face", "b-number": "07"}, prefix="b"),
        "other": Cards({"c-since": "no", "c-picture": "check"}, prefix="c"),
        "journeys": _journeys(now),
        "child": {"pk": 0, "name": "Leo Duarte"},
        "tiers": ["red", "amber", "green", None],
        "tones": ["red", "amber", "green", "neutral", "signed"],
        "facts": [("Age and sex", "54, female"), ("Place", "Left forearm"), ("Bleeds", "No")],
        "headers": ["Case", "Urgency", "Answer due", "Doctor"],
        "rows": [
            ("7F3A21C9", "Red", "in two hours", "Dr Ada Okafor"),
            ("0B94D2E1", "Green", "in three days", "nobody yet"),
        ],
        "page": Paginator(range(60), 20).page(2),
        "moments": [
            now + timedelta(days=2, seconds=5),
            now - timedelta(hours=3),
            now,
            now - timedelta(days=400),
        ],
        "retakes": drawings_of(pack, pack.quality),
        "shares": [0.7996, 0.8, 1.0],
    }


def _journeys(now: datetime) -> list[list[Step]]:
    names = ("Sent", "Checked", "Doctor", "Answer")
    times = [now - timedelta(hours=26), now - timedelta(hours=25), None, None]
    journeys = []
    for reached in range(1, 5):
        states = ["done"] * reached + ["now"] * (reached < 4) + ["todo"] * (3 - reached)
        pairs = zip(names, states, times, strict=True)
        journeys.append([Step(name, state, moment) for name, state, moment in pairs])
    return journeys

"""What a pack is made of, and how it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent


class PackError(Exception):
    """A pack is missing or says something that does not hold together."""


@dataclass(frozen=True, slots=True)
class Label:
    """One class the network knows. ``kind`` decides the words; ``harmful`` enters the risk score."""

    name: str  # as in the data set and the bundle, e.g. "mel"
    title: str  # for doctors: "Melanoma"
    plain: str  # for patients: "melanoma, a skin cancer"
    kind: Literal["harmful", "harmless"]
    key: str  # the doctor's key, "1".."7"
    codes: Mapping[str, str] = field(default_factory=dict)  # e.g. {"icd10": "C43.9"}

    @property
    def harmful(self) -> bool:
        return self.kind == "harmful"


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the patient. ``safety``: left unanswered it rules out GREEN."""

    name: str
    text: str
    why: str
    kind: Literal["choice", "choices", "text"]
    choices: tuple[Choice, ...] = ()
    safety: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    name: str  # stored: "upper_extremity"
    text: str  # shown: "Arm or hand"
    codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PhotoKind:
    """A view the patient may send; ``scored`` views go to the network, ``modality`` as declared."""

    name: str
    text: str
    hint: str
    scored: bool
    modality: Literal["dermoscopic", "phone"]


@dataclass(frozen=True, slots=True)
class Points:
    """The weighted checklist: ``weights[question][value]`` points, urgent from ``urgent_from``."""

    name: str
    source: str
    urgent_from: int
    weights: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class UrgencyRule:
    """All of ``when`` (question -> values, any of which matches) raise the case to ``tier``."""

    code: str  # stored with the prediction: "bleeding_and_growing"
    text: str  # for doctors
    tier: Literal["amber", "red"]
    when: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a patient reads for one result. ``body`` may hold ``{doctor}``, ``{due}``, ``{label}``."""

    headline: str
    body: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    name: str
    title: str
    version: str
    intended_use: str
    labels: tuple[Label, ...]
    sites: tuple[Site, ...]
    photo_kinds: tuple[PhotoKind, ...]
    questions: tuple[Question, ...]
    points: Points | None
    urgency: tuple[UrgencyRule, ...]
    outcomes: Mapping[str, Outcome]
    reasons: Mapping[str, str]  # reason code -> words for doctors
    templates: tuple[Mapping[str, str], ...] = ()  # answer templates for doctors

    def label(self, name: str) -> Label:
        """The label called ``name``; raises :class:`PackError` if the pack does not know it."""
        for label in self.labels:
            if label.name == name:
                return label
        raise PackError(f"The pack {self.name!r} has no label {name!r}.")


def available_packs() -> list[str]:
    """Names of the packs on disk, sorted."""
    return sorted(p.parent.name for p in FOLDER.glob("*/pack.toml"))


@cache
def load_pack(name: str) -> Pack:
    """The pack called ``name``, checked whole; raises :class:`PackError` with what is wrong."""
    raise PackError(f"There is no pack {name!r}.") if not (FOLDER / name / "pack.toml").exists() else NotImplementedError(tomllib)

"""What a pack is made of. The words and rules themselves are in the pack's folder, as TOML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from mlservice.packs.learning import Condition, Drawing, Lesson

MODALITIES = ("dermoscopic", "radiograph", "phone")
"""How a picture that is sent can have been taken; a phone's is never the one that was proven."""


class PackError(Exception):
    """A pack is missing or says something that does not hold together."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Named)


@dataclass(frozen=True, slots=True)
class Label:
    """One class the network knows. ``kind`` decides the words; harmful ones make up the risk."""

    name: str  # as in the data set and the bundle, e.g. "mel"
    title: str  # for doctors: "Melanoma"
    plain: str  # for patients: "melanoma, a skin cancer"
    kind: Literal["harmful", "harmless"]
    key: str  # the doctor's key, "1".."7"
    codes: Mapping[str, str] = field(default_factory=dict)  # e.g. {"icd10": "C43.9"}

    @property
    def harmful(self) -> bool:
        return self.kind == "harmful"

    @property
    def short(self) -> str:
        """The title without what stands in brackets behind it, for where there is little room."""
        return self.title.partition(" (")[0]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to pick. ``unknown`` marks "not sure": to a safety question it is no answer."""

    value: str
    text: str
    unknown: bool = False
    tone: str = ""  # a colour to show beside the text, "#rrggbb"


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the patient. ``safety``: left unanswered it rules out GREEN.

    The same goes for answering a safety question with a choice marked ``unknown``. ``subgroup``:
    the computer's numbers are also looked at answer by answer; only where one choice is picked.
    """

    name: str
    text: str
    why: str
    kind: Literal["choice", "choices", "text"]
    choices: tuple[Choice, ...] = ()
    safety: bool = False
    hint: str = ""  # help under the question, for patients
    short: str = ""  # the question in a few words, for the doctor's page
    picture: str = ""  # the drawing that shows what is meant: templates/drawings/<picture>.html
    subgroup: bool = False

    @property
    def drawing(self) -> str:
        """The template that draws its picture."""
        return f"drawings/{self.picture}.html"

    def choice(self, value: str) -> Choice:
        """The choice stored as ``value``; raises :class:`PackError` if there is none."""
        for choice in self.choices:
            if choice.value == value:
                return choice
        raise PackError(f"The question {self.name!r} has no answer {value!r}.")


@dataclass(frozen=True, slots=True)
class Site:
    name: str  # stored: "upper_extremity"
    text: str  # shown: "Arm"
    group: str = ""  # heading in the list; the sites of one group stand together
    codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Area:
    """One area to tap on, a polygon in its view's units; ``side`` is the person's own."""

    site: str
    side: Literal["", "left", "right"]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class BodyView:
    """One figure to tap on, ``width`` × ``height`` units; x to the viewer's right, y down."""

    name: str
    text: str  # shown: "Front"
    width: int
    height: int
    areas: tuple[Area, ...]


@dataclass(frozen=True, slots=True)
class PhotoKind:
    """A view the patient may send; ``scored`` views go to the network, ``modality`` as declared."""

    name: str
    text: str
    hint: str
    scored: bool
    modality: str  # one of :data:`MODALITIES`


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
    """What a patient reads for one result.

    Any of the texts may hold ``{doctor}``, ``{due}``, ``{label}`` and the like; which ones is
    :data:`mlservice.packs.read.OUTCOMES`. ``{doctor}`` only ever starts a sentence, so both
    "Dr Okafor" and "A doctor" fit.
    """

    headline: str
    body: tuple[str, ...]
    next_steps: tuple[str, ...] = ()  # what the patient can do now
    label_line: str = ""  # the automatic label, printed small; empty where it stands in the text

    @property
    def tells_the_result(self) -> bool:
        """Whether the words say what the computer named, or that it named nothing."""
        said = " ".join((*self.body, self.label_line))
        return "{label}" in said or "{threshold}" in said

    def fill(self, **words: str) -> Outcome:
        """The same outcome with its placeholders replaced; words it does not use are ignored.

        Raises :class:`PackError` naming the first word that is missing.
        """
        try:
            return Outcome(
                headline=self.headline.format_map(words),
                body=tuple(text.format_map(words) for text in self.body),
                next_steps=tuple(text.format_map(words) for text in self.next_steps),
                label_line=self.label_line.format_map(words),
            )
        except KeyError as missing:
            raise PackError(f"This outcome needs a word for {missing}.") from missing


@dataclass(frozen=True, slots=True)
class QualityReason:
    """Why a photo cannot be judged, for the patient: "it is blurred", and how to do better."""

    problem: str  # continues "We can't judge this photo:"
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """What a picture's numbers say of it: found where their weighted sum is 0 or more.

    ``weights`` are over the names of :mod:`mlservice.engine.glance`; fitted, never written by hand.
    """

    code: str  # of a QualityReason
    bias: float
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Glance:
    """What is seen of a photo at once, before any network. Either may be missing.

    ``strange``: it does not show what the pack is about; a reason to take it again. ``misplaced``:
    what it shows may not be in the middle; a hint, for it is wrong too often to be a reason.
    """

    strange: Sign | None = None
    misplaced: Sign | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """What people read while they ask about a picture of this kind."""

    shows: str  # the answer to "What does the picture show?"
    about: str  # a line under it
    drawing: Drawing
    photo: str  # the heading over the place for the picture
    lead: str
    slot: str  # what the place for the picture is called
    none: str  # it is asked for once more
    missing: str  # it is not there yet
    more: str  # over the places for further pictures
    urgent: str  # when not to wait for an answer here


@dataclass(frozen=True, slots=True)
class AnswerTemplate:
    """A doctor's answer to start from. ``label`` is empty where no diagnosis is made."""

    name: str
    title: str  # for doctors
    label: str  # a label's name, or ""
    advice: str  # for doctors: what the patient is advised
    plan: str  # for doctors: what happens next
    recheck_days: int | None  # None: no re-check is suggested
    text: str  # to the patient; paragraphs are parted by an empty line


@dataclass(frozen=True, slots=True)
class Pack:
    name: str
    title: str
    version: str
    intended_use: str
    not_an_all_clear: str
    no_label: str  # stands for {label} where the computer named nothing; may hold {threshold}
    not_judged: str  # and where the photo may not show what the pack is about at all
    no_lesion: str  # and where it finds no mark in the photo
    labels: tuple[Label, ...]
    sites: tuple[Site, ...]  # in display order
    photo_kinds: tuple[PhotoKind, ...]  # the first is the default
    questions: tuple[Question, ...]
    points: Points | None
    urgency: tuple[UrgencyRule, ...]
    outcomes: Mapping[str, Outcome]
    reasons: Mapping[str, str]  # reason code -> words for doctors; holds the urgency rules' too
    modalities: Mapping[str, str]  # what the engine takes a picture for -> words for doctors
    quality: Mapping[str, QualityReason]
    conditions: tuple[Condition, ...]  # in the order they are listed
    lesson: Lesson | None
    asking: Asking
    templates: tuple[AnswerTemplate, ...] = ()
    body: tuple[BodyView, ...] = ()  # empty where a list of sites is enough
    glance: Glance = Glance()

    @property
    def only_site(self) -> Site | None:
        """The one place there is: then nobody is asked for it."""
        return self.sites[0] if len(self.sites) == 1 else None

    def body_view(self, name: str) -> BodyView:
        """The figure called ``name``; raises :class:`PackError` if there is none."""
        return self._named("body view", self.body, name)

    def label(self, name: str) -> Label:
        """The label called ``name``; raises :class:`PackError` if the pack does not know it."""
        return self._named("label", self.labels, name)

    def site(self, name: str) -> Site:
        """The site stored as ``name``; raises :class:`PackError` if there is none."""
        return self._named("site", self.sites, name)

    def photo_kind(self, name: str) -> PhotoKind:
        """The photo kind stored as ``name``; raises :class:`PackError` if there is none."""
        return self._named("photo kind", self.photo_kinds, name)

    def glance_at(self, kind: str) -> Glance:
        """What to look for in a photo of ``kind``: nothing in one that only helps the doctor."""
        return self.glance if self.photo_kind(kind).scored else Glance()

    def question(self, name: str) -> Question:
        """The question stored as ``name``; raises :class:`PackError` if there is none."""
        return self._named("question", self.questions, name)

    def condition(self, name: str) -> Condition:
        """The page about a label or :data:`~mlservice.packs.learning.NO_LABEL_PAGE`; raises
        :class:`PackError` if there is none."""
        return self._named("condition", self.conditions, name)

    def _named(self, what: str, things: Iterable[_Thing], name: str) -> _Thing:
        for thing in things:
            if thing.name == name:
                return thing
        raise PackError(f"The pack {self.name!r} has no {what} {name!r}.")

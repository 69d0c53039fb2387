"""What a pack teaches: a page for each condition, and a lesson. Words and drawings are its own.

Public pages show all of this to everybody, so every page says where its facts are from and
whether a clinician has read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

NO_LABEL_PAGE = "no_disease"
"""The page of the answer that names nothing; every pack has one."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG of the pack's own, of nothing but shapes, and what it shows in words."""

    svg: str
    says: str


@dataclass(frozen=True, slots=True)
class Source:
    """A public page that somebody really read before they wrote."""

    title: str
    publisher: str
    url: str
    opened: date


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Who of the clinicians read a page, and when. There is none until one has."""

    by: str
    on: date


@dataclass(frozen=True, slots=True)
class Section:
    name: str  # the address within the page
    title: str
    text: tuple[str, ...]  # paragraphs
    points: tuple[str, ...]  # a list below them


@dataclass(frozen=True, slots=True)
class Condition:
    """One page. ``name`` is a label's, or :data:`NO_LABEL_PAGE`."""

    name: str
    title: str
    also: str  # other names people may have heard; may be empty
    short: str  # one sentence for lists
    drawing: Drawing
    sections: tuple[Section, ...]
    worry: tuple[str, ...]  # continues "Show it to a doctor if"
    urgent: tuple[str, ...]  # continues "Get urgent care if"
    urgent_help: str  # what to do until then; may be empty
    mentions: tuple[str, ...]  # words by which a doctor's answer names it
    sources: tuple[Source, ...]
    reviewed: Reviewed | None

    @property
    def slug(self) -> str:
        return slug_of(self.name)

    def is_named_in(self, text: str) -> bool:
        """Whether a text already says what this is, so that a link gives nothing away.

        A mention is a whole word, or several of them in one or in number: "lunar" is in "lunares"
        and not in "lunaria".
        """
        words = "|".join(re.escape(each) for each in self.mentions)
        return bool(words) and bool(
            re.search(rf"(?<!\w)(?:{words})(?:s|es)?(?!\w)", text, re.IGNORECASE)
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing with a line beside it. ``points``: what this sign counts in the checklist."""

    drawing: Drawing
    title: str
    text: str
    points: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a question that tests the reader, and what is said to whoever chose it."""

    value: str
    text: str
    feedback: str
    right: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One idea. One with ``replies`` is a question to the reader."""

    name: str
    part: str  # the heading it stands under in the contents
    title: str
    text: tuple[str, ...]
    points: tuple[str, ...]
    drawing: Drawing | None
    pictures: tuple[Picture, ...]
    replies: tuple[Reply, ...]

    @property
    def slug(self) -> str:
        return slug_of(self.name)

    def reply(self, value: str) -> Reply | None:
        return next((reply for reply in self.replies if reply.value == value), None)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Steps to go through one by one. ``limits`` says on every step what it is not."""

    title: str
    short: str
    intro: tuple[str, ...]
    limits: str
    drawing: Drawing
    steps: tuple[Step, ...]
    sources: tuple[Source, ...]
    reviewed: Reviewed | None


def slug_of(name: str) -> str:
    """A name as it stands in an address."""
    return name.replace("_", "-")

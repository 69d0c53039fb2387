"""What every section of the page is, and what several of them need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from training.explore.shapes import ClassCount, Exploration
from training.explore.words import Said, share

MOST_LINES = 20  # of a plot; the table holds them all
NOT_RECORDED = "not recorded"
HARM = (("harmful", "harmful"), ("harmless", "harmless"))  # colour class and word of a legend


@dataclass(frozen=True, slots=True)
class Section:
    """``plot`` and ``grid`` are ``None`` where nothing is recorded that could be drawn."""

    name: str
    heading: str
    said: Said
    plot: Element | None = None
    grid: Element | None = None
    legend: tuple[tuple[str, str], ...] = ()
    reading: str = ""  # how the plot is read, where that is not plain


def kind_of(harmful: bool) -> str:
    return "harmful" if harmful else "harmless"


def by_harm(found: Exploration) -> Iterator[tuple[str, list[ClassCount]]]:
    """The classes under their headings, the largest first; no heading stands alone."""
    for harmful in (True, False):
        group = [of for of in found.classes if of.harmful is harmful]
        if group:
            yield kind_of(harmful), sorted(group, key=lambda of: -of.pictures)


def amount(number: int, part: float) -> str:
    return f"{number:,} ({share(part)})"


def empty(name: str, heading: str) -> Section:
    shows = "Not recorded: no picture of this folder says."
    matters = "How good a network is for one group or another cannot be measured on such a folder."
    return Section(name, heading, Said(shows, matters))

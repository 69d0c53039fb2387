"""Reads what a pack teaches, as strictly as its rules: see :mod:`mlservice.packs.read`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlservice.packs.learning import (
    NO_LABEL_PAGE,
    Condition,
    Drawing,
    Lesson,
    Picture,
    Reply,
    Reviewed,
    Section,
    Source,
    Step,
)
from mlservice.packs.model import Asking, Label, Points
from mlservice.packs.table import Table

SECTIONS = ("what", "looks", "course")
"""What the page of every label tells: what it is, what it looks like, what usually happens."""

# A drawing goes into pages as it is: shapes and classes, nothing that runs, loads or links.
_SHAPES = frozenset({"svg", "g", "path", "circle", "ellipse", "rect"})
_MEASURES = frozenset(
    {"class", "cx", "cy", "d", "height", "r", "rx", "ry", "transform", "viewBox", "width", "x", "y"}
    | {"aria-hidden", "focusable"}
)


def read_conditions(top: Table, folder: Path, labels: Sequence[Label]) -> tuple[Condition, ...]:
    """The pages, in the order of the file: one for every label and one for no label."""
    conditions = tuple(_condition(t, folder, labels) for t in top.tables("conditions"))
    names = [condition.name for condition in conditions]
    top.distinct("conditions", names)
    for name in (*(label.name for label in labels), NO_LABEL_PAGE):
        if name not in names:
            top.fail("conditions", f"has no page for {name!r}")
    return conditions


def read_lesson(top: Table, folder: Path, points: Points | None) -> Lesson | None:
    """The lesson, where the pack has one."""
    if not top.has("lesson"):
        return None
    t = top.table("lesson")
    steps = tuple(_step(each, folder, points) for each in t.tables("steps"))
    t.distinct("steps", [step.name for step in steps])
    lesson = Lesson(
        title=t.text("title"),
        short=t.text("short"),
        intro=t.texts("intro"),
        limits=t.text("limits"),
        drawing=_drawing(t, folder),
        steps=steps,
        sources=_sources(t),
        reviewed=_reviewed(t),
    )
    return t.all_of_it(lesson)


def read_asking(t: Table, folder: Path) -> Asking:
    """What people read while they ask."""
    asking = Asking(
        shows=t.text("shows"),
        about=t.text("about"),
        drawing=_drawing(t, folder),
        photo=t.text("photo"),
        lead=t.text("lead"),
        slot=t.text("slot"),
        none=t.text("none"),
        missing=t.text("missing"),
        more=t.text("more"),
        urgent=t.text("urgent"),
    )
    return t.all_of_it(asking)


def _condition(t: Table, folder: Path, labels: Sequence[Label]) -> Condition:
    name = t.name("name")
    of_a_label = name in {label.name for label in labels}
    if not of_a_label and name != NO_LABEL_PAGE:
        t.fail("name", f"{name!r} is neither a label of this pack nor {NO_LABEL_PAGE!r}")
    sections = tuple(_section(each) for each in t.tables("sections"))
    told = [section.name for section in sections]
    t.distinct("sections", told)
    for needed in SECTIONS if of_a_label else ():
        if needed not in told:
            t.fail("sections", f"has none named {needed!r}")
    condition = Condition(
        name=name,
        title=t.text("title"),
        also=t.text("also", default=""),
        short=t.text("short"),
        drawing=_drawing(t, folder),
        sections=sections,
        worry=t.texts("worry"),
        urgent=t.texts("urgent"),
        urgent_help=t.text("urgent_help", default=""),
        mentions=t.texts("mentions", optional=not of_a_label),
        sources=_sources(t),
        reviewed=_reviewed(t),
    )
    return t.all_of_it(condition)


def _section(t: Table) -> Section:
    section = Section(
        name=t.name("name"),
        title=t.text("title"),
        text=t.texts("text"),
        points=t.texts("points", optional=True),
    )
    return t.all_of_it(section)


def _step(t: Table, folder: Path, points: Points | None) -> Step:
    replies = tuple(_reply(each) for each in t.tables("replies", optional=True))
    t.distinct("replies", [reply.value for reply in replies], "value")
    if replies and sum(reply.right for reply in replies) != 1:
        t.fail("replies", "must hold exactly one that is right")
    pictures = tuple(_picture(each, folder, points) for each in t.tables("pictures", optional=True))
    step = Step(
        name=t.name("name"),
        part=t.text("part"),
        title=t.text("title"),
        text=t.texts("text"),
        points=t.texts("points", optional=True),
        drawing=_drawing(t, folder) if t.has("drawing") else None,
        pictures=pictures,
        replies=replies,
    )
    return t.all_of_it(step)


def _reply(t: Table) -> Reply:
    reply = Reply(
        value=t.name("value"),
        text=t.text("text"),
        feedback=t.text("feedback"),
        right=t.flag("right", default=False),
    )
    return t.all_of_it(reply)


def _picture(t: Table, folder: Path, points: Points | None) -> Picture:
    picture = Picture(
        drawing=_drawing(t, folder),
        title=t.text("title"),
        text=t.text("text"),
        points=_weight(t, points),
    )
    return t.all_of_it(picture)


def _weight(t: Table, points: Points | None) -> int:
    """What a sign counts, taken from the checklist itself so that the lesson can't disagree."""
    if not t.has("sign"):
        return 0
    sign = t.text("sign")
    if points is None or sign not in points.weights:
        t.fail("sign", f"{sign!r} is not in the checklist of this pack")
    return max(points.weights[sign].values())


def _sources(t: Table) -> tuple[Source, ...]:
    return tuple(_source(each) for each in t.tables("sources"))


def _source(t: Table) -> Source:
    url = t.text("url")
    if not re.fullmatch(r"https://[^\s/]+\.[^\s/]+(/\S*)?", url):
        t.fail("url", f"{url!r} is not an https address")
    source = Source(
        title=t.text("title"),
        publisher=t.text("publisher"),
        url=url,
        opened=t.day("opened"),
    )
    return t.all_of_it(source)


def _reviewed(t: Table) -> Reviewed | None:
    if not t.has("reviewed_by") and not t.has("reviewed_on"):
        return None
    return Reviewed(by=t.text("reviewed_by"), on=t.day("reviewed_on"))


def _drawing(t: Table, folder: Path) -> Drawing:
    """``drawing`` names a file of the pack's ``drawings``; ``says`` is it in words."""
    name = t.name("drawing")
    path = folder / "drawings" / f"{name}.svg"
    if not path.is_file():
        t.fail("drawing", f"there is no {folder.name}/drawings/{name}.svg")
    svg = path.read_text(encoding="utf-8").strip()
    if found := _beyond_shapes(svg):
        t.fail("drawing", f"{name}.svg may not hold {found!r}")
    return Drawing(svg, t.text("says"))


def _beyond_shapes(svg: str) -> str:
    """The first thing in a drawing that is neither a shape nor a measure of one, or nothing."""
    if not re.fullmatch(r"<svg\s.*</svg>", svg, re.DOTALL):
        return svg[:20]
    rest = re.sub(r'<(/?)(\w+)((?:\s+[\w-]+="[^"<>&]*")*)\s*/?>', _known, svg)
    return rest.strip()[:40]


def _known(tag: re.Match[str]) -> str:
    names = set(re.findall(r'([\w-]+)="', tag[3]))
    return "" if tag[2] in _SHAPES and names <= _MEASURES else tag[0]

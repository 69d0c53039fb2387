"""The page: one file that fetches nothing, and the same numbers as JSON beside it."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template
from xml.etree.ElementTree import Element

from training.explore import material, people
from training.explore.markup import html, tag
from training.explore.section import Section
from training.explore.shapes import Exploration
from training.explore.words import count, ratio, share

SECTIONS = (
    material.classes,
    material.lesions,
    people.sex,
    people.age,
    people.age_by_class,
    people.localization,
    material.missing,
    material.pictures,
)
STYLE = Path(__file__).with_name("page.css")
# The policy makes the browser itself refuse whatever would be fetched or run.
PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style</style>
</head>
<body>
$body
</body>
</html>
""")


def write(found: Exploration, folder: Path) -> tuple[Path, Path]:
    """``explore.html`` and ``explore.json`` in ``folder``; the same numbers give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    shown, numbers = folder / "explore.html", folder / "explore.json"
    shown.write_text(page(found), encoding="utf-8")
    text = json.dumps(found.as_dict(), indent=1, ensure_ascii=False)
    numbers.write_text(f"{text}\n", encoding="utf-8")
    return shown, numbers


def page(found: Exploration) -> str:
    """The whole page as HTML."""
    parts = [section(found) for section in SECTIONS]
    body = tag("main", _head(found), _contents(parts), *map(_section, parts), _foot(found))
    title = html(tag("title", f"{found.data or 'Labelled folder'}: data exploration"))
    return PAGE.substitute(
        title=title.removeprefix("<title>").removesuffix("</title>"),
        style=STYLE.read_text(encoding="utf-8"),
        body=html(body),
    )


def _head(found: Exploration) -> Element:
    present = len(found.classes) - len(found.imbalance.absent)
    sizes = f"{found.imbalance.largest} to {found.imbalance.smallest}"
    tiles = [
        ("Pictures", f"{found.pictures:,}", ""),
        ("Lesions", f"{found.lesions.count:,}", ""),
        ("Classes", f"{present} of {len(found.classes)}", ""),
        ("Harmful", share(found.harmful.share), count(found.harmful.pictures, "picture")),
        ("Largest to smallest", f"{ratio(found.imbalance.ratio)} : 1", sizes),
    ]
    return tag(
        "header",
        tag("p", "Data exploration", class_="over"),
        tag("h1", found.data or "Labelled folder"),
        tag("p", f"Classes as in the pack “{found.pack_title}”.", class_="matters"),
        tag("dl", *(_tile(*tile) for tile in tiles), class_="tiles"),
    )


def _tile(name: str, number: str, note: str) -> Element:
    small = [tag("dd", note, class_="note")] if note else []
    return tag("div", tag("dt", name), tag("dd", number), *small)


def _contents(parts: list[Section]) -> Element:
    links = [tag("li", tag("a", part.heading, href=f"#{part.name}-section")) for part in parts]
    return tag("nav", tag("ul", *links), aria_label="On this page")


def _section(part: Section) -> Element:
    text = tag(
        "div",
        tag("h2", part.heading),
        tag("p", part.said.shows, class_="shows"),
        *([tag("p", part.said.matters, class_="matters")] if part.said.matters else []),
        class_="text",
    )
    shown = [] if part.plot is None else [_figure(part.plot, part)]
    if part.grid is not None:
        shown.append(part.grid)
    beside = [tag("div", *shown, class_="shown")] if shown else []
    return tag("section", text, *beside, id=f"{part.name}-section")


def _figure(plot: Element, part: Section) -> Element:
    keys = [
        tag("li", tag("span", class_=f"key {kind}", aria_hidden="true"), word)
        for kind, word in part.legend
    ]
    above = [tag("ul", *keys, class_="legend")] if keys else []
    below = [tag("figcaption", part.reading)] if part.reading else []
    return tag("figure", *above, plot, *below)


def _foot(found: Exploration) -> Element:
    lines = [
        "A share is of all pictures unless the sentence says otherwise. Which classes are harmful "
        "is what the pack says."
    ]
    if found.files is not None:
        lines.append(
            f"{count(found.files.files, 'file')}, {count(found.files.bytes, 'byte')}. "
            f"Data hash {found.files.data_hash}."
        )
    return tag("footer", *(tag("p", line) for line in lines))

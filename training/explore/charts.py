"""The three kinds of plots, as inline SVG: bars, columns and boxes.

Lengths along the page are percentages and letters are pixels, so the same plot fits a phone and a
desktop. Colours are classes (``page.css``) and never the only sign: every bar carries its words.
There is no style attribute and no script, so a page under a strict content policy may hold them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from training.explore.markup import percent_of_width, tag
from training.explore.shapes import Quartiles

LETTERS = 44  # of a label with its note; more would leave a phone's screen
LETTERS_BESIDE = 20  # of the words at the end of a bar
BESIDE = 0.66  # the longest bar, where words stand at its end
HEADING, LABEL, BAR, GAP = 30, 21, 17, 11  # pixels
HEIGHT = 200  # of the columns
WIDEST = 0.08  # of one column: a share of the plot


@dataclass(frozen=True, slots=True)
class Plot:
    """``name`` is unique on the page; ``title`` and ``description`` are read aloud."""

    name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Part:
    """One coloured stretch of a bar; ``title`` is shown where a mouse rests."""

    value: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    parts: tuple[Part, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """``label`` and ``note`` above the bars; no bars make a heading."""

    label: str
    note: str = ""
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Box:
    """One row of a box plot; without quartiles it is a heading, or says ``note`` alone."""

    label: str
    note: str = ""
    kind: str = ""
    quartiles: Quartiles | None = None


def shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _svg(plot: Plot, height: float, kind: str, drawn: Sequence[Element]) -> Element:
    return tag(
        "svg",
        tag("title", plot.title, id=f"{plot.name}-title"),
        tag("desc", plot.description, id=f"{plot.name}-desc"),
        *drawn,
        class_=f"plot {kind}",
        role="img",
        width="100%",
        height=height,
        aria_labelledby=f"{plot.name}-title {plot.name}-desc",
    )


def _label(label: str, note: str, y: float) -> Element:
    """The longer of the two makes room for the other."""
    if len(label) > len(note):
        label = shortened(label, LETTERS - len(note))
    note = shortened(note, LETTERS - len(label))
    beside = [tag("tspan", note, dx="6", class_="note")] if note else []
    return tag("text", tag("tspan", label, class_="label"), *beside, x="0", y=y + 15)


def bars(plot: Plot, lines: Sequence[Line], whole: float | None = None) -> Element:
    """Horizontal bars; the longest fills the plot, or ``whole`` does where it is given.

    With ``whole`` the rest of each bar is drawn pale.
    """
    all_bars = [bar for line in lines for bar in line.bars]
    span = BESIDE if any(bar.text for bar in all_bars) else 1.0
    longest = whole or max((sum(part.value for part in bar.parts) for bar in all_bars), default=1)
    drawn: list[Element] = []
    y = 0.0
    for line in lines:
        if not line.bars:
            drawn.append(tag("text", line.label, x="0", y=y + 19, class_="heading"))
            y += HEADING
            continue
        drawn.append(_label(line.label, line.note, y))
        y += LABEL
        for bar in line.bars:
            drawn += _bar(bar, y, span / max(longest, 1e-9), span if whole else 0)
            y += BAR
        y += GAP
    return _svg(plot, y - GAP + 2, "bars", drawn)


def _bar(bar: Bar, y: float, scale: float, pale: float) -> list[Element]:
    drawn = []
    if pale:
        width = percent_of_width(pale)
        drawn.append(tag("rect", x="0", y=y, width=width, height="13", class_="pale"))
    start = 0.0
    for part in bar.parts:
        drawn.append(
            tag(
                "rect",
                tag("title", part.title),
                x=percent_of_width(start * scale),
                y=y,
                width=percent_of_width(part.value * scale),
                height="13",
                class_=part.kind,
            )
        )
        start += part.value
    if bar.text:
        end = percent_of_width(max(pale, start * scale))
        text = shortened(bar.text, LETTERS_BESIDE)
        drawn.append(tag("text", text, x=end, dx="7", y=y + 11, class_="value"))
    return drawn


def columns(
    plot: Plot, labels: Sequence[str], stacks: Sequence[tuple[Part, ...]], unit: str
) -> Element:
    """A histogram; a label stands where its column starts, an empty one leaves the place free."""
    ticks = _ticks(max(sum(part.value for part in stack) for stack in stacks))
    scale = HEIGHT / ticks[-1]
    drawn = []
    for tick in ticks:
        y = 12 + HEIGHT - tick * scale
        drawn.append(tag("line", x1="0", x2="100%", y1=y, y2=y, class_="grid"))
        drawn.append(tag("text", f"{tick:,}", x="-7", y=y + 4, class_="tick end"))
    width = min(1 / len(stacks), WIDEST)
    for number, (label, stack) in enumerate(zip(labels, stacks, strict=True)):
        drawn += _stack(stack, number * width, width, scale)
        if label:
            edge = percent_of_width(number * width)
            drawn.append(tag("text", label, x=edge, y=HEIGHT + 30, class_="tick middle"))
    drawn.append(tag("text", unit, x="50%", y=HEIGHT + 49, class_="tick middle"))
    return _svg(plot, HEIGHT + 54, "columns", drawn)


def _stack(stack: Sequence[Part], start: float, width: float, scale: float) -> list[Element]:
    drawn = []
    y = 12.0 + HEIGHT
    for part in stack:
        y -= part.value * scale
        drawn.append(
            tag(
                "rect",
                tag("title", part.title),
                x=percent_of_width(start + 0.06 * width),
                y=y,
                width=percent_of_width(0.88 * width),
                height=part.value * scale,
                class_=part.kind,
            )
        )
    return drawn


def _ticks(most: float) -> list[int]:
    """From 0 to the first round number from ``most`` on, in two to five steps."""
    size = 10 ** math.floor(math.log10(max(most, 2) / 2))
    step = max(1, next(s * size for s in (1, 2, 5, 10) if most <= 5 * s * size))
    return list(range(0, math.ceil(most / step) * step + 1, step))


def boxes(plot: Plot, rows: Sequence[Box], unit: str) -> Element:
    """Box plots on one scale from 0: least to most as a line, the middle half as a box."""
    known = [row.quartiles for row in rows if row.quartiles]
    ticks = _ticks(max((q.maximum for q in known), default=1))
    drawn: list[Element] = []
    y = 0.0
    for row in rows:
        if not row.note and row.quartiles is None:
            drawn.append(tag("text", row.label, x="0", y=y + 19, class_="heading"))
            y += HEADING
            continue
        drawn.append(_label(row.label, row.note, y))
        y += LABEL
        if row.quartiles:
            drawn += _box(row.quartiles, row.kind, y, ticks[-1])
            y += 31
        y += GAP
    grid = []
    for tick in ticks:
        x = percent_of_width(tick / ticks[-1])
        grid.append(tag("line", x1=x, x2=x, y1="0", y2=y, class_="grid"))
        grid.append(tag("text", str(tick), x=x, y=y + 15, class_="tick middle"))
    grid.append(tag("text", unit, x="50%", y=y + 34, class_="tick middle"))
    return _svg(plot, y + 40, "boxes", [*grid, *drawn])


def _box(ages: Quartiles, kind: str, y: float, most: float) -> list[Element]:
    def at(value: float) -> str:
        return percent_of_width(value / most)

    middle = y + 8
    width = percent_of_width((ages.upper - ages.lower) / most)
    return [
        tag("line", x1=at(ages.minimum), x2=at(ages.maximum), y1=middle, y2=middle, class_="reach"),
        tag("rect", x=at(ages.lower), y=y, width=width, height="16", class_=kind),
        tag("line", x1=at(ages.median), x2=at(ages.median), y1=y - 2, y2=y + 18, class_="median"),
        tag("text", f"{ages.median:g}", x=at(ages.median), y=y + 31, class_="value middle"),
    ]

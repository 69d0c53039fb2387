"""HTML and inline SVG as an element tree: what a table says can never become markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring


def tag(name: str, *children: Element | str, **attributes: str | float) -> Element:
    """``tag("th", "n", class_="number")``: a trailing ``_`` is dropped, others become ``-``."""
    element = Element(
        name,
        {key.rstrip("_").replace("_", "-"): _written(value) for key, value in attributes.items()},
    )
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            element.append(child)
            last = child
        elif last is None:
            element.text = (element.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return element


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def percent_of_width(share: float) -> str:
    """A length along the plot's width, so that a plot stretches and its letters do not."""
    return f"{100 * share:.2f}%"


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, unfolded: bool = False
) -> Element:
    """Folded away under its plot; the first column names the row, the others hold its numbers."""
    head = tag("tr", *(tag("th", text, scope="col") for text in header))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", text) for text in row[1:]))
        for row in rows
    ]
    grid = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    scroll = tag("div", grid, class_="scroll", tabindex="0", role="region", aria_label=caption)
    shown = {"open": ""} if unfolded else {}
    return tag("details", tag("summary", "The numbers as a table"), scroll, **shown)


def html(element: Element) -> str:
    return tostring(element, encoding="unicode", method="html")

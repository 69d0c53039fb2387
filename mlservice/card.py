"""A model card as a page: the Markdown that a training run writes, and nothing beyond it.

Headings, paragraphs, lists, tables, bold, code and the card's own plots. Everything else stays the
text it is, and all of it is escaped: a card may come from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

Plot = Callable[[str], str]  # the address of a plot's picture by its name; "" for none such

_HEADING = re.compile(r"(#{1,4}) (.+)")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([\w-]+)\.png\)$")
_RULE = re.compile(r"\|( ?:?-+:? ?\|)+$")
_BOLD, _CODE = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"`([^`]+)`")


def as_html(card: str, plot: Plot) -> SafeString:
    """The card below a page's own title: its title is left out, its headings begin with h3."""
    return format_html_join("\n", "{}", ((block,) for block in _blocks(card, plot)))


def _blocks(card: str, plot: Plot) -> Iterator[SafeString]:
    lines = [line.rstrip() for line in card.splitlines()]
    while lines:
        line = lines[0]
        if not line:
            lines.pop(0)
        elif heading := _HEADING.match(line):
            lines.pop(0)
            level = len(heading[1])
            if level > 1:
                yield format_html("<h{0}>{1}</h{0}>", level + 1, _inline(heading[2]))
        elif picture := _PICTURE.match(line):
            lines.pop(0)
            if address := plot(picture[2]):
                yield format_html('<img src="{}" alt="{}" loading="lazy">', address, picture[1])
        elif len(lines) > 1 and line.startswith("|") and _RULE.match(lines[1]):
            yield _table(_taken(lines, lambda one: one.startswith("|")))
        elif line.startswith("- "):
            yield _list(_taken(lines, lambda one: one.startswith(("- ", "  "))))
        else:
            yield format_html("<p>{}</p>", _inline(" ".join(_paragraph(lines))))


def _taken(lines: list[str], while_: Callable[[str], bool]) -> list[str]:
    taken = []
    while lines and while_(lines[0]):
        taken.append(lines.pop(0))
    return taken


def _paragraph(lines: list[str]) -> list[str]:
    """Up to an empty line or the beginning of something else; at least one line."""
    first = lines.pop(0)
    begins = ("#", "- ", "|", "![")
    return [first, *_taken(lines, lambda one: bool(one) and not one.startswith(begins))]


def _list(lines: list[str]) -> SafeString:
    items: list[str] = []
    for line in lines:
        if line.startswith("- "):
            items.append(line[2:])
        else:
            items[-1] += " " + line.strip()
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", _each(items)))


def _table(lines: list[str]) -> SafeString:
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head = format_html_join("", '<th scope="col">{}</th>', _each(header))
    body = format_html_join("", "<tr>{}</tr>", ((_row(row, header),) for row in rows))
    return format_html(
        '<table class="table measures"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        head,
        body,
    )


def _row(cells: list[str], header: list[str]) -> SafeString:
    first, *others = cells or [""]
    named = [
        (header[n] if n < len(header) else "", _inline(cell)) for n, cell in enumerate(others, 1)
    ]
    return format_html(
        '<th scope="row">{}</th>{}',
        _inline(first),
        format_html_join("", '<td data-label="{}">{}</td>', named),
    )


def _each(texts: list[str]) -> Iterator[tuple[SafeString]]:
    return ((_inline(text),) for text in texts)


def _inline(text: str) -> SafeString:
    """Bold and code inside escaped text."""
    safe = str(escape(text))
    safe = _CODE.sub(r"<code>\1</code>", _BOLD.sub(r"<strong>\1</strong>", safe))
    return mark_safe(safe)  # noqa: S308 - escaped before; only our own tags came in

"""The sections on the material: classes, lesions, gaps of the table, picture files."""

from __future__ import annotations

from training.explore import words
from training.explore.charts import Bar, Line, Part, Plot, bars
from training.explore.files import Files
from training.explore.markup import table
from training.explore.section import (
    HARM,
    MOST_LINES,
    Section,
    amount,
    by_harm,
    kind_of,
)
from training.explore.shapes import ClassCount, Exploration
from training.explore.words import count, share, short_title


def classes(found: Exploration) -> Section:
    said = words.classes(found)
    lines = []
    for kind, group in by_harm(found):
        total = sum(of.share for of in group)
        lines.append(Line(f"{kind.capitalize()}: {share(total)} of the pictures"))
        lines += [Line(of.name, short_title(of.title), _class_bars(of, kind)) for of in group]
    rows = [
        [
            of.name,
            of.title,
            kind_of(of.harmful),
            f"{of.pictures:,}",
            share(of.share),
            f"{of.lesions:,}",
            "–" if of.times_rarer is None else words.ratio(of.times_rarer),
        ]
        for of in found.classes
    ]
    header = ("Class", "Name", "Kind", "Pictures", "Share", "Lesions", "Times rarer than largest")
    plot = Plot("classes", "Pictures and lesions of each class", said.shows)
    legend = (*HARM, ("lesions", "lesions"))
    grid = table("Pictures and lesions of each class", header, rows)
    return Section("classes", "Classes", said, bars(plot, lines), grid, legend)


def _class_bars(of: ClassCount, kind: str) -> tuple[Bar, ...]:
    if not of.pictures:
        return (Bar((), "no pictures"),)
    pictures, lesions = count(of.pictures, "picture"), count(of.lesions, "lesion")
    return (
        Bar((Part(of.pictures, kind, f"{of.name}: {pictures}"),), amount(of.pictures, of.share)),
        Bar((Part(of.lesions, "lesions", f"{of.name}: {lesions}"),), lesions),
    )


def lesions(found: Exploration) -> Section:
    said = words.lesions(found)
    lines = [
        Line(
            count(pile.pictures, "picture"),
            "",
            (
                Bar(
                    (Part(pile.lesions, "lesions", count(pile.lesions, "lesion")),),
                    amount(pile.lesions, pile.lesions / found.lesions.count),
                ),
            ),
        )
        for pile in found.lesions.per_lesion
    ]
    rows = [
        [
            str(pile.pictures),
            f"{pile.lesions:,}",
            share(pile.lesions / found.lesions.count),
            f"{pile.pictures * pile.lesions:,}",
        ]
        for pile in found.lesions.per_lesion
    ]
    header = ("Pictures of a lesion", "Lesions", "Share of lesions", "Pictures")
    plot = None
    if found.lesions.several:
        about = Plot("lesions", "Lesions by their number of pictures", said.shows)
        plot = bars(about, lines[:MOST_LINES])
    grid = table("Lesions by their number of pictures", header, rows)
    return Section("lesions", "Lesions with several pictures", said, plot, grid)


def missing(found: Exploration) -> Section:
    said = words.missing(found)
    gaps = [of for of in found.missing if of.pictures]
    lines = [
        Line(
            of.column,
            amount(of.pictures, of.share),
            (Bar((Part(of.pictures, "none", f"{of.column}: {of.pictures:,} missing"),)),),
        )
        for of in gaps
    ]
    names = [of.name for of in found.classes]
    rows = [
        [of.column, f"{of.pictures:,}", share(of.share), *(f"{of.by_class[n]:,}" for n in names)]
        for of in found.missing
    ]
    plot = Plot("missing", "Pictures without a value, of all pictures", said.shows)
    return Section(
        "missing",
        "What is not recorded",
        said,
        bars(plot, lines, whole=found.pictures) if lines else None,
        table("Pictures without a value", ("Column", "Missing", "Share", *names), rows),
    )


def pictures(found: Exploration) -> Section:
    said = words.pictures(found)
    files = found.files
    if files is None:
        return Section("pictures", "Picture files", said)
    lines = [
        Line(
            f"{of.width} × {of.height}",
            amount(of.pictures, of.pictures / files.files),
            (Bar((Part(of.pictures, "lesions", count(of.pictures, "picture")),)),),
        )
        for of in files.sizes[:6]
    ]
    plot = Plot("pictures", "The most frequent sizes in pixels", said.shows)
    drawn = bars(plot, lines, whole=files.files) if len(files.sizes) > 1 else None
    grid = table("Picture files", ("", "Number"), _file_rows(files), unfolded=drawn is None)
    return Section("pictures", "Picture files", said, drawn, grid)


def _file_rows(files: Files) -> list[list[str]]:
    rows = [["Files", f"{files.files:,}"]]
    rows += [[f"Files of format {name}", f"{number:,}"] for name, number in files.formats.items()]
    for name, of in (("Width", files.width), ("Height", files.height)):
        rows.append([f"{name} in pixels: least", f"{of.minimum:,}"])
        rows.append([f"{name} in pixels: median", f"{of.median:,.10g}"])
        rows.append([f"{name} in pixels: most", f"{of.maximum:,}"])
    copies = files.copies
    return [
        *rows,
        ["Byte-for-byte copies: files", f"{copies.pictures:,}"],
        ["Byte-for-byte copies: groups", f"{copies.groups:,}"],
        ["Groups with several lesions", f"{copies.across_lesions:,}"],
        ["Groups with several classes", f"{copies.across_classes:,}"],
    ]

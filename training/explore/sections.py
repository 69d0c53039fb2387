"""The sections of the page: sentences, plot and table of each, all from one exploration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from training.explore import words
from training.explore.charts import Bar, Box, Line, Part, Plot, bars, boxes, columns
from training.explore.markup import table
from training.explore.shapes import ClassCount, Column, Exploration
from training.explore.words import count, share, short_title

MOST_LINES = 20  # of a plot; the table holds them all
MOST_SEXES = 3
KINDS = ("one", "two", "three")
NOT_RECORDED = "not recorded"
HARM = (("harmful", "harmful"), ("harmless", "harmless"))  # colour class and word of a legend


@dataclass(frozen=True, slots=True)
class Section:
    """``plot`` and ``grid`` are ``None`` where nothing is recorded that could be drawn."""

    name: str
    heading: str
    said: words.Said
    plot: Element | None = None
    grid: Element | None = None
    legend: tuple[tuple[str, str], ...] = ()


def sections(found: Exploration) -> list[Section]:
    """In the order of the page."""
    return [
        _classes(found),
        _lesions(found),
        _sex(found),
        _age(found),
        _age_by_class(found),
        _localization(found),
        _missing(found),
        _pictures(found),
    ]


def _kind(harmful: bool) -> str:
    return "harmful" if harmful else "harmless"


def _by_harm(found: Exploration) -> Iterator[tuple[str, list[ClassCount]]]:
    """The classes under their headings, the largest first; no heading stands alone."""
    for harmful in (True, False):
        group = [of for of in found.classes if of.harmful is harmful]
        if group:
            yield _kind(harmful), sorted(group, key=lambda of: -of.pictures)


def _classes(found: Exploration) -> Section:
    said = words.classes(found)
    lines = []
    for kind, group in _by_harm(found):
        total = sum(of.share for of in group)
        lines.append(Line(f"{kind.capitalize()}: {share(total)} of the pictures"))
        lines += [Line(of.name, short_title(of.title), _class_bars(of, kind)) for of in group]
    rows = [
        [
            of.name,
            of.title,
            _kind(of.harmful),
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


def _class_bars(of: ClassCount, kind: str) -> tuple[Bar, Bar]:
    pictures, lesions = count(of.pictures, "picture"), count(of.lesions, "lesion")
    return (
        Bar((Part(of.pictures, kind, f"{of.name}: {pictures}"),), _amount(of.pictures, of.share)),
        Bar((Part(of.lesions, "lesions", f"{of.name}: {lesions}"),), lesions),
    )


def _amount(number: int, part: float) -> str:
    return f"{number:,} ({share(part)})"


def _lesions(found: Exploration) -> Section:
    said = words.lesions(found)
    lines = [
        Line(
            count(pile.pictures, "picture"),
            "",
            (
                Bar(
                    (Part(pile.lesions, "lesions", count(pile.lesions, "lesion")),),
                    _amount(pile.lesions, pile.lesions / found.lesions.count),
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


def _empty(name: str, heading: str) -> Section:
    shows = "Not recorded: no picture of this folder says."
    matters = "How good a network is for one group or another cannot be measured on such a folder."
    return Section(name, heading, words.Said(shows, matters))


def _sex(found: Exploration) -> Section:
    if not found.sex.groups:
        return _empty("sex", "Sex")
    said = words.sex(found)
    lines = [
        Line(
            of.name,
            f"{_amount(of.pictures, of.share)}, {share(of.harmful / of.pictures)} harmful",
            (
                Bar(
                    (
                        Part(of.harmful, "harmful", f"{of.name}: {of.harmful:,} harmful"),
                        Part(
                            of.pictures - of.harmful,
                            "harmless",
                            f"{of.name}: {of.pictures - of.harmful:,} harmless",
                        ),
                    )
                ),
            ),
        )
        for of in found.sex.groups[:MOST_LINES]
    ]
    if found.sex.not_recorded:
        lines.append(_not_recorded_line(found.sex, found.pictures))
    plot = Plot("sex", "Pictures of each sex", said.shows)
    grid = table("Pictures of each sex", _GROUP_HEADER, _group_rows(found.sex))
    return Section("sex", "Sex", said, bars(plot, lines), grid, HARM)


def _not_recorded_line(column: Column, pictures: int) -> Line:
    missing = column.not_recorded
    bar = Bar((Part(missing, "none", f"{NOT_RECORDED}: {missing:,}"),))
    return Line(NOT_RECORDED, _amount(missing, missing / pictures), (bar,))


_GROUP_HEADER = ("", "Pictures", "Share", "Lesions", "Harmful", "Share harmful")


def _group_rows(column: Column) -> list[list[str]]:
    rows = [
        [
            of.name,
            f"{of.pictures:,}",
            share(of.share),
            f"{of.lesions:,}",
            f"{of.harmful:,}",
            share(of.harmful / of.pictures),
        ]
        for of in column.groups
    ]
    total = column.recorded + column.not_recorded
    missing = column.not_recorded
    return [*rows, [NOT_RECORDED, f"{missing:,}", share(missing / total), "–", "–", "–"]]


def _age(found: Exploration) -> Section:
    if not found.age.bins:
        return _empty("age", "Age")
    said = words.age(found)
    stacks, labels = [], []
    every = 2 if len(found.age.bins) <= 24 else 4
    for number, of in enumerate(found.age.bins):
        years = f"{of.start} to {of.end - 1} years"
        harmless = of.pictures - of.harmful
        stacks.append(
            (
                Part(of.harmful, "harmful", f"{years}: {of.harmful:,} harmful"),
                Part(harmless, "harmless", f"{years}: {harmless:,} harmless"),
            )
        )
        labels.append(str(of.start) if number % every == 0 else "")
    rows = [
        [f"{of.start}–{of.end - 1}", f"{of.pictures:,}", f"{of.harmful:,}"] for of in found.age.bins
    ]
    rows.append([NOT_RECORDED, f"{found.age.not_recorded:,}", "–"])
    plot = Plot("age", "Pictures by age in years, in steps of five", said.shows)
    grid = table("Pictures by age in years", ("Age", "Pictures", "Harmful"), rows)
    return Section("age", "Age", said, columns(plot, labels, stacks), grid, HARM)


def _age_by_class(found: Exploration) -> Section:
    if not found.age.recorded:
        return _empty("age-by-class", "Age by class")
    said = words.age_by_class(found)
    ages = {of.name: of for of in found.age.by_class}
    drawn = []
    for kind, group in _by_harm(found):
        drawn.append(Box(kind.capitalize()))
        for of in group:
            quartiles = ages[of.name].quartiles
            note = short_title(of.title) if quartiles else NOT_RECORDED
            drawn.append(Box(of.name, note, kind, quartiles))
    rows = []
    for age in found.age.by_class:
        q = age.quartiles
        five = (q.minimum, q.lower, q.median, q.upper, q.maximum) if q else ()
        numbers = [f"{value:g}" for value in five] or ["–"] * 5
        rows.append([age.name, f"{age.recorded:,}", *numbers])
    header = ("Class", "Recorded", "Youngest", "Lower quarter", "Median", "Upper quarter", "Oldest")
    plot = boxes(Plot("age-by-class", "Age by class", said.shows), drawn, "years")
    return Section("age-by-class", "Age by class", said, plot, table("Age by class", header, rows))


def _localization(found: Exploration) -> Section:
    if not found.localization.groups:
        return _empty("site", "Body site by sex")
    said = words.localization(found)
    named = [of.name for of in found.sex.groups]
    shown = sorted(named[:MOST_SEXES])
    lines = []
    for of in found.localization.groups[:MOST_LINES]:
        amounts = [(name, of.by_sex.get(name, 0), KINDS[n]) for n, name in enumerate(shown)]
        others = sum(of.by_sex.values()) - sum(amount for _, amount, _ in amounts)
        gaps = [("other", others, "other"), (f"sex {NOT_RECORDED}", of.sex_not_recorded, "none")]
        drawn = [*amounts, *(gap for gap in gaps if gap[1])]
        lines.append(
            Line(
                of.name,
                _amount(of.pictures, of.share),
                tuple(
                    Bar((Part(n, kind, f"{of.name}, {name}: {n:,}"),), f"{n:,} {name}")
                    for name, n, kind in drawn
                ),
            )
        )
    left_out = len(found.localization.groups) - len(lines)
    if left_out:
        lines.append(Line(f"and {count(left_out, 'site')} more, in the table"))
    plot = Plot("site", "Pictures of each body site, by sex", said.shows)
    grid = table("Pictures of each body site, by sex", *_site_rows(found, named))
    return Section("site", "Body site by sex", said, bars(plot, lines), grid)


def _site_rows(found: Exploration, sexes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    header = ["Site", "Pictures", "Share", "Lesions", "Harmful", *sexes, f"Sex {NOT_RECORDED}"]
    rows = [
        [
            of.name,
            f"{of.pictures:,}",
            share(of.share),
            f"{of.lesions:,}",
            f"{of.harmful:,}",
            *(f"{of.by_sex.get(name, 0):,}" for name in sexes),
            f"{of.sex_not_recorded:,}",
        ]
        for of in found.localization.groups
    ]
    missing = found.localization.not_recorded
    blank = ["–"] * (len(header) - 3)
    return header, [*rows, [NOT_RECORDED, f"{missing:,}", share(missing / found.pictures), *blank]]


def _missing(found: Exploration) -> Section:
    said = words.missing(found)
    gaps = [of for of in found.missing if of.pictures]
    lines = [
        Line(
            of.column,
            _amount(of.pictures, of.share),
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


def _pictures(found: Exploration) -> Section:
    said = words.pictures(found)
    files = found.files
    if files is None:
        return Section("pictures", "Picture files", said)
    lines = [
        Line(
            f"{of.width} × {of.height}",
            _amount(of.pictures, of.pictures / files.files),
            (Bar((Part(of.pictures, "lesions", count(of.pictures, "picture")),)),),
        )
        for of in files.sizes[:6]
    ]
    rows = [
        [name, f"{of.minimum:,}", f"{of.median:,g}", f"{of.maximum:,}"]
        for name, of in (("Width", files.width), ("Height", files.height))
    ]
    plot = Plot("pictures", "The most frequent sizes in pixels", said.shows)
    return Section(
        "pictures",
        "Picture files",
        said,
        bars(plot, lines, whole=files.files) if len(files.sizes) > 1 else None,
        table("Pixels", ("", "Least", "Median", "Most"), rows),
    )

"""The sections on the people and the places on them: sex, age and body site."""

from __future__ import annotations

from collections.abc import Sequence

from training.explore import words
from training.explore.charts import Bar, Box, Line, Part, Plot, bars, boxes, columns
from training.explore.markup import table
from training.explore.section import (
    HARM,
    MOST_LINES,
    NOT_RECORDED,
    Section,
    amount,
    by_harm,
    empty,
)
from training.explore.shapes import Column, Exploration
from training.explore.words import count, share, short_title

MOST_SEXES = 3
KINDS = ("one", "two", "three")


def sex(found: Exploration) -> Section:
    if not found.sex.groups:
        return empty("sex", "Sex")
    said = words.sex(found)
    lines = [
        Line(
            of.name,
            f"{amount(of.pictures, of.share)}, {share(of.harmful / of.pictures)} harmful",
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
    return Line(NOT_RECORDED, amount(missing, missing / pictures), (bar,))


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


def age(found: Exploration) -> Section:
    if not found.age.bins:
        return empty("age", "Age")
    said = words.age(found)
    stacks, labels = [], []
    every = 2 if len(found.age.bins) <= 18 else 4
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
    return Section("age", "Age", said, columns(plot, labels, stacks, "years"), grid, HARM)


def age_by_class(found: Exploration) -> Section:
    if not found.age.recorded:
        return empty("age-by-class", "Age by class")
    said = words.age_by_class(found)
    ages = {of.name: of for of in found.age.by_class}
    drawn = []
    for kind, group in by_harm(found):
        drawn.append(Box(kind.capitalize()))
        for of in group:
            quartiles = ages[of.name].quartiles
            note = short_title(of.title)
            if quartiles is None:
                note = NOT_RECORDED if of.pictures else "no pictures"
            drawn.append(Box(of.name, note, kind, quartiles))
    rows = []
    for age in found.age.by_class:
        q = age.quartiles
        five = (q.minimum, q.lower, q.median, q.upper, q.maximum) if q else ()
        numbers = [f"{value:g}" for value in five] or ["–"] * 5
        rows.append([age.name, f"{age.recorded:,}", *numbers])
    header = ("Class", "Recorded", "Youngest", "Lower quarter", "Median", "Upper quarter", "Oldest")
    plot = boxes(Plot("age-by-class", "Age by class", said.shows), drawn, "years")
    grid = table("Age by class", header, rows)
    reading = "Line: youngest to oldest. Box: the middle half. Stroke and number: the median."
    return Section("age-by-class", "Age by class", said, plot, grid, reading=reading)


def localization(found: Exploration) -> Section:
    if not found.localization.groups:
        return empty("site", "Body site by sex")
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
                amount(of.pictures, of.share),
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

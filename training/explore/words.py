"""The sentences beside the plots: what each shows and why it matters, said from the numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from training.explore.shapes import ClassCount, Column, Exploration, Group

SPACE = "\u00a0"
FEW = 30  # as in the evaluation: fewer are not judged
NARROW_TEST = 0.1
OPEN = "Nothing is guessed and no picture is left out for it."


@dataclass(frozen=True, slots=True)
class Said:
    """``shows`` is the finding; ``matters`` why somebody who trains should know."""

    shows: str
    matters: str


def share(value: float) -> str:
    """``0.0057`` -> "0.6 %"; never 0 % for something, nor 100 % for not quite everything."""
    if value in (0, 1):
        return f"{value:.0%}".replace("%", f"{SPACE}%")
    if value < 0.001 or value > 0.999:
        return f"under{SPACE}0.1{SPACE}%" if value < 0.5 else f"over{SPACE}99.9{SPACE}%"
    digits = 1 if value < 0.0995 or value >= 0.995 else 0
    return f"{100 * value:.{digits}f}{SPACE}%"


def count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def listed(things: Iterable[str]) -> str:
    *first, last = things
    return f"{', '.join(first)} and {last}" if first else last


def ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0")


def short_title(title: str) -> str:
    """Without what stands in brackets, for plots and sentences."""
    return title.split(" (", maxsplit=1)[0]


def _named(of: ClassCount) -> str:
    return f"{short_title(of.title)} ({of.name})"


def _class(found: Exploration, name: str) -> ClassCount:
    return next(of for of in found.classes if of.name == name)


def classes(found: Exploration) -> Said:
    largest = _class(found, found.imbalance.largest)
    smallest = _class(found, found.imbalance.smallest)
    if largest is smallest:
        shows = f"Every picture is {_named(largest)}."
    elif largest.pictures == smallest.pictures:
        shows = f"Every class that is there has {count(largest.pictures, 'picture')}."
    else:
        shows = (
            f"{share(largest.share)} of the pictures are {_named(largest)}. The rarest class, "
            f"{_named(smallest)}, has {count(smallest.pictures, 'picture')} of "
            f"{count(smallest.lesions, 'lesion')}: the largest is {ratio(found.imbalance.ratio)} "
            "times as large."
        )
    matters = [_accuracy(found, largest), *_rarest_harmful(found), *_absent(found)]
    held_back = round(smallest.lesions * NARROW_TEST)
    if held_back < FEW:
        about = f"about {count(held_back, 'lesion')}" if held_back else "hardly a lesion"
        matters.append(
            f"A tenth held back for testing holds {about} of {smallest.name}: how well that class "
            "is found will be known only roughly."
        )
    return Said(shows, " ".join(matters))


def _accuracy(found: Exploration, largest: ClassCount) -> str:
    if largest.share == 1:
        return "With one class there is nothing to tell apart, so nothing can be learned."
    if largest.harmful:
        harmless = found.pictures - found.harmful.pictures
        missed = f" and calls every harmless picture ({harmless:,}) harmful"
    elif found.harmful.pictures:
        missed = f" and finds none of the harmful pictures ({found.harmful.pictures:,})"
    else:
        missed = ""
    return (
        f"A network that always answers {largest.name} is right {share(largest.share)} of the "
        f"time{missed}. Accuracy alone says little: read the balanced accuracy and the recall "
        "of each class, and balance the classes in training."
    )


def _rarest_harmful(found: Exploration) -> list[str]:
    """Unless the first sentence names it already."""
    harmful = [of for of in found.classes if of.harmful and of.times_rarer]
    if not harmful:
        return []
    rarest = min(harmful, key=lambda of: of.pictures)
    if rarest.name in (found.imbalance.largest, found.imbalance.smallest):
        return []
    return [
        f"The rarest harmful class is {rarest.name}, with {count(rarest.pictures, 'picture')}: "
        f"{ratio(rarest.times_rarer or 1)} times fewer than {found.imbalance.largest}."
    ]


def _absent(found: Exploration) -> list[str]:
    if not found.imbalance.absent:
        return []
    names = listed(_named(_class(found, name)) for name in found.imbalance.absent)
    return [f"There is no picture of {names}: trained on this folder, no network can name it."]


def lesions(found: Exploration) -> Said:
    of = found.lesions
    matters = []
    if of.several:
        shows = (
            f"{of.several:,} of {count(of.count, 'lesion')} ({share(of.several / of.count)}) "
            f"{'has' if of.several == 1 else 'have'} several pictures, up to {of.most}: "
            f"{share(of.pictures_of_several / found.pictures)} of all pictures."
        )
        matters.append(
            "Split by lesion, never by picture: otherwise photos of one mark stand on both sides, "
            "and the network is praised for recognising what it has seen."
        )
    else:
        shows = "Every lesion has one picture, as far as is recorded."
    if alone := found.missing_in("lesion_id").pictures:
        matters.append(
            f"Without a lesion id of its own: {count(alone, 'picture')}, counted as a lesion "
            "each. If two of them show one mark, a split cannot know."
        )
    if of.several_classes:
        matters.append(
            f"With more than one class: {count(len(of.several_classes), 'lesion')}, first "
            f"{of.several_classes[0]}. Correct the table before training."
        )
    return Said(shows, " ".join(matters) or "A split by lesion and one by picture are the same.")


def sex(found: Exploration) -> Said:
    groups = found.sex.groups
    parts = [f"{share(of.share)} {of.name}" for of in groups[:4]]
    if found.sex.not_recorded:
        parts.append(f"{share(found.sex.not_recorded / found.pictures)} not recorded")
    rates = [f"{share(of.harmful / of.pictures)} of {of.name}" for of in groups[:2]]
    return Said(
        f"{listed(parts)}.",
        f"{listed(rates)} pictures are of a harmful class. Measure the network for each sex: a "
        f"good average can hide a poor group. {OPEN}",
    )


def age(found: Exploration) -> Said:
    of = found.age
    if of.quartiles is None:
        return Said("No age is recorded.", OPEN)
    young = sum(part.pictures for part in of.bins if part.end <= 20)
    if of.quartiles.minimum == of.quartiles.maximum:
        shows = f"Every recorded age is {of.quartiles.median:g}."
    else:
        shows = (
            f"The middle half of the pictures shows people aged {of.quartiles.lower:g} to "
            f"{of.quartiles.upper:g} (median {of.quartiles.median:g}); "
            f"{share(young / of.recorded)} show people under 20."
        )
    matters = ["Where there are few pictures the network can be wrong unnoticed."]
    if of.median_harmful is not None and of.median_harmless is not None:
        matters.append(
            f"Harmful pictures have a median age of {of.median_harmful:g}, harmless ones of "
            f"{of.median_harmless:g}."
        )
    if of.step and of.step > 1:
        matters.append(f"Every age is a multiple of {of.step}: they were rounded.")
    if of.not_recorded:
        matters.append(f"Not recorded for {count(of.not_recorded, 'picture')}. {OPEN}")
    return Said(shows, " ".join(matters))


def age_by_class(found: Exploration) -> Said:
    known = [(of, of.quartiles) for of in found.age.by_class if of.quartiles]
    if not known:
        return Said("No age is recorded.", OPEN)
    youngest = min(known, key=lambda pair: pair[1].median)
    oldest = max(known, key=lambda pair: pair[1].median)
    if youngest[1].median == oldest[1].median:
        shows = f"The median age of every class is {youngest[1].median:g}."
    else:
        shows = (
            f"The median age runs from {youngest[1].median:g} ({youngest[0].name}) to "
            f"{oldest[1].median:g} ({oldest[0].name})."
        )
    young = sum(part.harmful for part in found.age.bins if part.end <= 40)
    return Said(
        shows,
        "Where classes differ by age, age helps to guess and can mislead: look separately at the "
        f"harmful pictures of people under 40 ({young:,} here).",
    )


def localization(found: Exploration) -> Said:
    groups = found.localization.groups
    most = listed(f"{of.name} ({share(of.share)})" for of in groups[:3])
    few = [of.name for of in groups if of.pictures < FEW]
    matters = []
    if few:
        shown = few if len(few) <= 4 else [*few[:3], f"{len(few) - 3} more"]
        matters.append(f"Fewer than {FEW} pictures: {listed(shown)}. No claim can be made there.")
    if one_sided := _one_sided(found.localization):
        matters.append(one_sided)
    matters.append("A site seen mostly with one class or one sex can become a shortcut.")
    if found.localization.not_recorded:
        missing = found.localization.not_recorded
        matters.append(f"Not recorded for {count(missing, 'picture')}. {OPEN}")
    return Said(f"Most frequent: {most}.", " ".join(matters))


def _one_sided(column: Column) -> str:
    """The site, of those with enough pictures, where one sex makes up the largest share."""

    def largest_share(of: Group) -> float:
        return max(of.by_sex.values()) / sum(of.by_sex.values())

    several = {name for of in column.groups for name in of.by_sex}
    enough = [of for of in column.groups if sum(of.by_sex.values()) >= FEW]
    if len(several) < 2 or not enough:
        return ""
    site = max(enough, key=largest_share)
    sex_name = max(site.by_sex, key=lambda name: site.by_sex[name])
    return f"The sexes differ most at {site.name}: {share(largest_share(site))} {sex_name}."


def missing(found: Exploration) -> Said:
    gaps = [of for of in found.missing if of.pictures]
    if not gaps:
        return Said("Nothing is missing: every column says something for every picture.", "")
    parts = listed(f"{of.column} for {of.pictures:,} ({share(of.share)})" for of in gaps)
    return Said(
        f"Not recorded: {parts}.",
        "Results for a group can only be given for pictures that say which group they are of; "
        "where one class lacks more than the others, that too can be learned by mistake.",
    )


def pictures(found: Exploration) -> Said:
    of = found.files
    if of is None:
        return Said("The picture files were not looked at.", "")
    formats = listed(of.formats)
    first = of.sizes[0]
    if len(of.sizes) == 1:
        shows = f"Every picture is {first.width} × {first.height} pixels ({formats})."
    else:
        shows = (
            f"{len(of.sizes):,} sizes ({formats}), most often {first.width} × {first.height}: "
            f"{of.width.minimum:,} to {of.width.maximum:,} pixels wide, "
            f"{of.height.minimum:,} to {of.height.maximum:,} high."
        )
    matters = [
        "Every picture is scaled to the square a network sees: a smaller one is enlarged and gains "
        "no detail."
    ]
    return Said(shows, " ".join([*matters, *_copies(found)]))


def _copies(found: Exploration) -> list[str]:
    if found.files is None:
        return []
    of = found.files.copies
    said = []
    if not of.groups:
        said.append("No two files are the same byte for byte.")
    else:
        said.append(
            f"{count(of.pictures, 'file')} are byte-for-byte copies, in "
            f"{count(of.groups, 'group')}, first {listed(of.examples[0])}: keep one of each, or a "
            "copy weighs twice."
        )
    if of.across_lesions:
        said.append(
            f"In {count(of.across_lesions, 'group')} the copies claim to be different lesions, so "
            "a split by lesion can part them."
        )
    if of.across_classes:
        said.append(
            f"In {count(of.across_classes, 'group')} the copies carry different classes: "
            "at least one is wrong."
        )
    return said

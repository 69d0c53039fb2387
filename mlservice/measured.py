"""The numbers of cases from the clinic as they are read: each with its n, and none from too few.

They are keyed as a bundle's own numbers are, and written by the same code, so that what the card
says and what came of it can be laid side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mlservice import numbers
from mlservice.engine.judging.subgroups import ENOUGH
from mlservice.numbers import Number
from mlservice.packs import Pack

AT_CUTS: Final[dict[str, str | Promise]] = {
    "sensitivity": _("Sensitivity at the RED cut, by the risk alone"),
    "specificity": _("Specificity at the RED cut, by the risk alone"),
    "sensitivity_r99": _("Sensitivity at the AMBER cut, by the risk alone"),
    "specificity_r99": _("Specificity at the AMBER cut, by the risk alone"),
}
OF_HARMFUL: Final = {*numbers.OF_HARMFUL, "sensitivity", "sensitivity_r99"}
OF_BENIGN: Final = {*numbers.OF_BENIGN, "specificity", "specificity_r99"}
OF_BOTH: Final = {"malignancy_auc"}
# What is shown of each group, and of whom it is a share.
OF_GROUP: Final[dict[str, str | Promise]] = {
    "accuracy": _("Right at first place"),
    "malignant_flagged": _("Harmful in RED or AMBER"),
    "malignant_red": _("Harmful in RED"),
    "green_benign": _("Benign ending GREEN"),
    "malignancy_auc": _("AUC, harmful against benign"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """``number`` is a number of ``n`` cases; with fewer than :data:`ENOUGH` it is not shown."""

    name: str
    number: Number
    n: int

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH and self.number.measured


@dataclass(frozen=True, slots=True)
class Group:
    """One value of a kind, with the same figures as all others of it."""

    value: str
    n: int
    figures: list[Figure]


def figures(measured: Mapping[str, Any], pack: Pack | None) -> list[Figure]:
    """What a bundle's own page shows, and what its cuts come to."""
    named = [(name, numbers.text_of(name, pack)) for name in numbers.WORDS]
    named += [(name, str(text)) for name, text in AT_CUTS.items()]
    named.insert(0, ("accuracy", str(OF_GROUP["accuracy"])))
    return [
        Figure(name, numbers.number(dict(measured), name, text), n_of(measured, name))
        for name, text in named
        if text
    ]


def n_of(measured: Mapping[str, Any], name: str) -> int:
    """How many cases a number rests on: of an AUC, the fewer of both kinds."""
    everyone, harmful = int(measured["n"]), int(measured["n_malignant"])
    if own := numbers.OWN_LABEL.get(name.partition("_")[0]):
        return int(measured["classes"].get(own, 0))
    if name in OF_HARMFUL:
        return harmful
    if name in OF_BENIGN:
        return everyone - harmful
    return min(harmful, everyone - harmful) if name in OF_BOTH else everyone


def groups(measured: Mapping[str, Any], kind: str) -> list[Group]:
    """The subgroups of one kind; the largest first."""
    found = []
    for value, inside in measured["subgroups"].get(kind, {}).items():
        n = int(inside["n"])
        shown = [_of_group(inside, name) for name in OF_GROUP] if "note" not in inside else []
        found.append(Group(value, n, shown))
    return sorted(found, key=lambda group: (-group.n, group.value))


def _of_group(inside: Mapping[str, Any], name: str) -> Figure:
    """What there are too few cases for is a sentence there, and no number."""
    number = numbers.number(dict(inside), name, str(OF_GROUP[name]))
    return Figure(name, number, n_of({**inside, "classes": {}}, name))

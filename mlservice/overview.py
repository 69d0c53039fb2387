"""Packs and their versions as the list shows them: what serves, since when, by whom.

A handful of queries, however many versions there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from mlservice import deciding, numbers
from mlservice.models import (
    Activation,
    BundleCheck,
    ModelVersion,
    Override,
    Pause,
    Shadow,
    ThresholdChange,
)
from mlservice.numbers import Number
from mlservice.packs import available_packs
from mlservice.readers import pack_for_reader

LATEST = 10
REFUSED_FOR = timedelta(days=7)  # so long a bundle that was refused stays in sight
State = ModelVersion.State
ORDER = {State.ACTIVE: 0, State.REGISTERED: 1, State.RETIRED: 2}
SHOWN = ("bmca", "malignant_flagged", "green_malignant")


@dataclass(frozen=True, slots=True)
class Row:
    """One version: ``since`` is of its present state, ``by`` who brought it there."""

    version: ModelVersion
    since: datetime | None
    by: User | None
    numbers: Sequence[Number]

    @property
    def serves(self) -> bool:
        return self.version.state == State.ACTIVE


@dataclass(frozen=True, slots=True)
class Section:
    """A pack with its versions; ``back`` is what one press would put into service again."""

    name: str
    title: str
    rows: Sequence[Row]
    serving: Row | None
    back: ModelVersion | None
    paused: Pause | None
    asked: Sequence[Override]
    history: Sequence[Activation]
    shadow: Shadow | None
    thresholds: Sequence[ThresholdChange]


def sections() -> list[Section]:
    """Every pack there is, and every one that has a version."""
    versions = list(ModelVersion.objects.select_related("registered_by"))
    people = ("by", "agreed_by", "version", "replaced")
    activations = list(Activation.objects.select_related(*people).order_by("-pk"))
    paused = {one.pack: one for one in Pause.objects.filter(ended_at=None).select_related("by")}
    open_ones = Override.objects.filter(outcome="")
    asked = list(open_ones.select_related("version", "instead_of", "asked_by"))
    runs = Shadow.objects.filter(ended_at=None).select_related("version", "started_by")
    shadows = {one.pack: one for one in runs}
    changes = ThresholdChange.objects.filter(outcome="").select_related("version", "asked_by")
    there = available_packs()
    names = sorted({*there, *(version.pack for version in versions)})
    return [
        _section(
            name,
            pack_for_reader(name).title if name in there else name,
            [version for version in versions if version.pack == name],
            [one for one in activations if one.version.pack == name],
            paused.get(name),
            [one for one in asked if one.version.pack == name],
            shadows.get(name),
            [one for one in changes if one.version.pack == name],
        )
        for name in names
    ]


def _section(
    name: str,
    title: str,
    versions: Sequence[ModelVersion],
    activations: Sequence[Activation],
    paused: Pause | None,
    asked: Sequence[Override],
    shadow: Shadow | None,
    changes: Sequence[ThresholdChange],
) -> Section:
    rows = [_row(version, activations) for version in versions]
    rows.sort(key=lambda row: ORDER[State(row.version.state)])
    serving = next((row for row in rows if row.serves), None)
    back = _back(serving.version, activations) if serving else None
    history = activations[:LATEST]
    return Section(name, title, rows, serving, back, paused, asked, history, shadow, changes)


def _row(version: ModelVersion, activations: Iterable[Activation]) -> Row:
    since: datetime | None = version.registered_at
    by = version.registered_by
    for one in activations:  # the newest first
        mine = one.version_id == version.pk
        if mine and version.state == State.ACTIVE:
            since, by = one.at, one.by
            break
        if one.replaced_id == version.pk and version.state == State.RETIRED:
            since, by = one.at, one.by
            break
    shown = [numbers.number(version.metrics, key, str(numbers.WORDS[key])) for key in SHOWN]
    return Row(version, since, by, shown)


def _back(current: ModelVersion, activations: Iterable[Activation]) -> ModelVersion | None:
    """:func:`deciding.back_from` of rows that are here already."""
    ways = (one for one in activations if one.version_id == current.pk)
    came = next((one for one in ways if one.how != deciding.How.BACK), None)
    return came.replaced if came else None


def checks() -> list[BundleCheck]:
    """Bundles that wait for their golden pictures, and those refused in the last days."""
    lately = Q(state=BundleCheck.State.REFUSED, settled_at__gt=Now() - REFUSED_FOR)
    rows = BundleCheck.objects.filter(Q(state=BundleCheck.State.WAITING) | lately)
    return list(rows.select_related("asked_by")[:LATEST])

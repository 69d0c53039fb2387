"""What hangs on a case, asked for in the case's own statement.

A page about one case shows rows of a dozen tables, and ``prefetch_related`` asks once for each.
Here each table's rows come as one column of the case, as JSON, and are models again when they
arrive. Whoever reads them goes through :meth:`Part.of`, which asks where a case came without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BinaryField, OuterRef, QuerySet
from django.db.models.functions import JSONObject
from django.shortcuts import get_object_or_404

from accounts.models import User
from diagnoses.models import (
    Case,
    CaseEvent,
    CaseQuerySet,
    CaseShare,
    Claim,
    FirstReading,
    Letter,
    Outcome,
    Photo,
    ReadMark,
    Remark,
    Retake,
    Review,
    SecondReading,
)

PERSON = ("id", "name", "email", "clinic_id")  # all that a page says of whoever did something
ROW = "as_json"

M = TypeVar("M")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part(Generic[M]):
    """Rows of one table that point to a case, in the order pages show them."""

    name: str
    rows: QuerySet[Any]
    # What comes along: people and other rows by the names that a row calls them, and theirs
    # ("doctor__clinic").
    along: tuple[str, ...] = ()

    def of(self, case: Case) -> list[M]:
        """Those that came with the case; else one statement asks."""
        known = self.known(case)
        if known is None:
            return list(self.rows.filter(case=case).select_related(*self.along))
        return known

    def known(self, case: Case) -> list[M] | None:
        """Those that came with the case; ``None`` where none were asked for."""
        return _kept(case).get(self.name)

    def column(self, case: str = "pk") -> ArraySubquery:
        """For a statement whose rows call a case's key ``case``: this part of it."""
        mine = self.rows.filter(case=OuterRef(case))
        return ArraySubquery(mine.values(**{ROW: _packed(self.rows.model, self.along)}))

    def keep(self, case: Case, column: Sequence[Row]) -> None:
        """What :meth:`column` brought, as models, for :meth:`of`."""
        self.put(case, [_unpacked(self.rows.model, row, self.along) for row in column])

    def put(self, case: Case, rows: Sequence[M]) -> None:
        to_case = self.rows.model._meta.get_field("case")
        for row in rows:
            to_case.set_cached_value(row, case)
        _kept(case)[self.name] = list(rows)


def read(cases: CaseQuerySet, *parts: Part[Any]) -> list[Case]:
    """These cases with these parts of each, in one statement."""
    return [_filled(case, parts) for case in _with(cases, parts)]


def one_or_404(cases: CaseQuerySet, pk: UUID, *parts: Part[Any]) -> Case:
    """One of ``cases`` with these parts, in one statement."""
    return _filled(get_object_or_404(_with(cases, parts), pk=pk), parts)


def _with(cases: CaseQuerySet, parts: Sequence[Part[Any]]) -> CaseQuerySet:
    return cases.annotate(**{_column(part): part.column() for part in parts})


def _filled(case: Case, parts: Sequence[Part[Any]]) -> Case:
    for part in parts:
        part.keep(case, vars(case).pop(_column(part)))
    return case


def _column(part: Part[Any]) -> str:
    return f"gathered_{part.name}"


def _kept(case: Case) -> dict[str, list[Any]]:
    kept: dict[str, list[Any]] = vars(case).setdefault("gathered", {})
    return kept


def _carried(model: Any) -> list[Any]:
    """The columns that travel: no bytes, and of a person what may stand on a page."""
    columns = [one for one in model._meta.concrete_fields if not isinstance(one, BinaryField)]
    return [one for one in columns if one.attname in PERSON] if model is User else columns


def _packed(model: Any, along: Sequence[str] = (), under: str = "") -> JSONObject:
    columns = {one.attname: f"{under}{one.attname}" for one in _carried(model)}
    others = {
        name: _packed(model._meta.get_field(name).related_model, theirs, f"{under}{name}__")
        for name, theirs in _tree(along).items()
    }
    return JSONObject(**columns, **others)


def _unpacked(model: Any, row: Row, along: Sequence[str] = ()) -> Any:
    columns = _carried(model)
    one = model.from_db(
        DEFAULT_DB_ALIAS,
        [column.attname for column in columns],
        [column.to_python(row[column.attname]) for column in columns],
    )
    for name, theirs in _tree(along).items():
        to_other = model._meta.get_field(name)
        other = to_other.related_model
        there = row[name][other._meta.pk.attname] is not None
        to_other.set_cached_value(one, _unpacked(other, row[name], theirs) if there else None)
    return one


def _tree(along: Sequence[str]) -> dict[str, list[str]]:
    """What comes along with a row, and what with each of those."""
    tree: dict[str, list[str]] = {}
    for path in along:
        name, _, rest = path.partition("__")
        tree.setdefault(name, []).extend([rest] if rest else [])
    return tree


PHOTOS: Part[Photo] = Part("photos", Photo.objects.all())
EVENTS: Part[CaseEvent] = Part("events", CaseEvent.objects.all(), ("actor",))
REMARKS: Part[Remark] = Part("remarks", Remark.objects.all(), ("author", "retake"))
RETAKES: Part[Retake] = Part("retakes", Retake.objects.all())
READ_MARKS: Part[ReadMark] = Part("read_marks", ReadMark.objects.all())
REVIEWS: Part[Review] = Part(
    "reviews", Review.objects.all(), ("doctor", "undoing", "opened__person")
)
FIRST_READINGS: Part[FirstReading] = Part("first_readings", FirstReading.objects.all())
SECOND_READINGS: Part[SecondReading] = Part(
    "second_readings",
    SecondReading.objects.all(),
    ("asked_by", "read_by__clinic", "doctor", "review"),
)
SHARES: Part[CaseShare] = Part(
    "shares", CaseShare.objects.all(), ("doctor__clinic", "shared_by", "asked")
)
OUTCOMES: Part[Outcome] = Part("outcomes", Outcome.objects.all(), ("recorded_by",))
LETTERS: Part[Letter] = Part("letters", Letter.objects.all(), ("doctor",))
# Who has it open at this moment, the longest first.
CLAIMS: Part[Claim] = Part("claims", Claim.objects.live().order_by("since", "pk"), ("doctor",))

"""Columns sealed anew, a few rows at a time: when they begin to be sealed, and with another key.

Every row is written only if it still holds what was read: whoever changes it meanwhile has sealed
it already. So this may run beside the portal, be stopped anywhere, and be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.apps import apps
from django.db import connection, models, transaction

from accounts import sealed
from accounts.fields import Sealed, SealedField

ROWS: Final = 500  # in one transaction
Change = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: looked at, sealed anew, and such as no key opens."""

    seen: int
    changed: int
    refused: int = 0


Walk = Callable[[], Iterator[Batch]]


@dataclass(frozen=True, slots=True)
class Column:
    """A sealed column of a table."""

    model: type[models.Model]
    field: Sealed

    @property
    def label(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    def batches(self) -> Iterator[list[tuple[Any, Any]]]:
        """(primary key, what lies in the table), as it lies there, in the order of the keys."""
        table, key, column = self._names()
        start: Any = None
        while True:
            after = f"AND {key} > %s" if start is not None else ""
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT {key}, {column} FROM {table} WHERE LENGTH({column}) > 0 {after}"  # noqa: S608 - names of our own tables
                    f" ORDER BY {key} LIMIT {ROWS}",
                    [start] if start is not None else [],
                )
                rows = cursor.fetchall()
            if not rows:
                return
            yield rows
            start = rows[-1][0]

    def _names(self) -> list[str]:
        """The table, its primary key and the column, quoted."""
        about = self.model._meta
        names = (about.db_table, about.pk.column or "", self.field.column or "")
        return [connection.ops.quote_name(name) for name in names]

    def change(self, rows: list[tuple[Any, Any]], change: Change) -> Batch:
        """Keep what ``change`` makes of each row."""
        table, key, column = self._names()
        statement = f"UPDATE {table} SET {column} = %s WHERE {key} = %s AND {column} = %s"  # noqa: S608 - names of our own tables
        done = refused = 0
        with transaction.atomic(), connection.cursor() as cursor:
            for pk, stored in rows:
                try:
                    new = change(stored)
                except sealed.SealError:
                    refused += 1
                    continue
                if new != stored:
                    cursor.execute(statement, [new, pk, stored])
                    done += cursor.rowcount
        return Batch(len(rows), done, refused)


# What else rests sealed, by what it is called: added by the rooms that keep it (see also()).
_OTHERS: dict[str, Walk] = {}


def also(label: str, walk: Walk) -> None:
    """Have ``rotate_keys`` go through more than columns: ``walk`` seals anew what needs it, and
    says so batch by batch."""
    _OTHERS[label] = walk


def everything() -> dict[str, Walk]:
    """All that rests sealed, by what it is called."""
    return {one.label: partial(reseal, one) for one in columns()} | _OTHERS


def columns() -> list[Column]:
    """Every sealed column there is."""
    return [
        Column(model, field)
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, Sealed)
    ]


def reseal(column: Column) -> Iterator[Batch]:
    """Under the first key."""

    def anew(kept: Any) -> Any:
        return kept if column.field.keys_in_use(kept) == first else column.field.resealed(kept)

    first = sealed.data_keys()[0].name
    for rows in column.batches():
        yield column.change(rows, anew)


# --- For migrations ------------------------------------------------------------------------------


def seal_column(app: str, model: str, name: str) -> Callable[[Any, Any], None]:
    """What ``RunPython`` does with a column that held plain text, and has its new type already."""
    return _for_all(app, model, name, _sealed)


def open_column(app: str, model: str, name: str) -> Callable[[Any, Any], None]:
    """And back."""
    return _for_all(app, model, name, _opened)


def _for_all(
    app: str, model: str, name: str, what: Callable[[SealedField, str], str]
) -> Callable[[Any, Any], None]:
    def run(state: Any, _editor: Any) -> None:
        found = state.get_model(app, model)
        field = found._meta.get_field(name)
        column = Column(found, field)
        for rows in column.batches():
            if column.change(rows, lambda stored: what(field, stored)).refused:
                raise sealed.SealError(f"Some of {column.label} cannot be opened.")

    return run


def _sealed(field: SealedField, stored: str) -> str:
    if sealed.is_sealed(stored):
        return stored
    if field.findable:
        return field.every_form(stored)[0]
    return sealed.seal(stored, context=field.context)


def _opened(field: SealedField, stored: str) -> str:
    return sealed.open_sealed(stored, context=field.context)

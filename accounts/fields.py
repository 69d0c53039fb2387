"""Columns whose content rests encrypted, and reads and writes as if it did not.

What is sealed cannot be compared, ordered or searched by the database. A *findable* column can be
asked for a whole value, and nothing else: equal values are sealed alike (see ``accounts.sealed``),
so it may be unique and indexed as well. The empty string stays empty in all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import Exact, In, IsNull
from django.db.models.sql.compiler import SQLCompiler

from accounts import sealed

KEY_NAME = 8  # bytes before a sealed binary content
OVERHEAD = KEY_NAME + 28


class Sealed(models.Field):  # type: ignore[type-arg]  # generic for mypy only
    """What all of them share: their place in the tables is what their content is bound to."""

    @property
    def context(self) -> str:
        """A field that moves or is renamed has to be sealed anew."""
        return f"column:{self.model._meta.db_table}.{self.column}"

    def keys_in_use(self, stored: Any) -> str:
        """The name of the key ``stored`` needs, as it lies in the table."""
        raise NotImplementedError

    def resealed(self, stored: Any) -> Any:
        """The same content under the first key."""
        raise NotImplementedError


class SealedField(Sealed, models.TextField):  # type: ignore[type-arg]  # generic for mypy only
    """Text. ``findable`` columns are asked by ``exact`` and ``in``; ``pattern`` is what a value
    must look like, since no constraint of the database can see it."""

    def __init__(
        self, *args: Any, findable: bool = False, pattern: str = "", **kwargs: Any
    ) -> None:
        self.findable, self.pattern = findable, pattern
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        more = {"findable": self.findable, "pattern": self.pattern}
        return name, path, args, kwargs | {key: value for key, value in more.items() if value}

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name in ("exact", "in", "isnull", "is_sealed"):
            return super().get_lookup(lookup_name)
        return None  # Django says then that it is not supported

    def get_transform(self, lookup_name: str) -> Any:  # noqa: ARG002 - Django's signature
        return None

    def every_form(self, value: str) -> list[str]:
        """``value`` as it may lie in the table, under each key."""
        if not value:
            return [""]
        if not self.findable:
            raise FieldError(f"{self.name} is sealed, and nothing can be found by it.")
        return sealed.seal_alike(value, context=self.context)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if not isinstance(value, str) or not value:
            return super().get_db_prep_save(value, connection)
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"{self.name} cannot hold this.")  # and not what: it may be personal
        if self.findable:
            return self.every_form(value)[0]
        return sealed.seal(value, context=self.context)

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        return sealed.open_sealed(value, context=self.context) if value else value

    def keys_in_use(self, stored: str) -> str:
        return sealed.key_of(stored)

    def resealed(self, stored: str) -> str:
        return sealed.reseal(stored, context=self.context)


class SealedJSONField(SealedField):
    """A value of JSON; nothing is found by it."""

    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if hasattr(value, "resolve_expression"):
            return super().get_db_prep_save(value, connection)
        return super().get_db_prep_save(json.dumps(value, cls=DjangoJSONEncoder), connection)

    def from_db_value(self, value: str | None, *_: object) -> Any:
        opened = super().from_db_value(value)
        return json.loads(opened) if opened else None


class SealedBinaryField(Sealed, models.BinaryField):  # type: ignore[type-arg]  # generic for mypy only
    """Bytes, ``OVERHEAD`` longer in the table than they are."""

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        name, body = sealed.seal_bytes(bytes(value), context=self.context)
        return super().get_db_prep_save(name.encode() + body, connection)

    def from_db_value(self, value: Any, *_: object) -> bytes:
        stored = bytes(value)
        return sealed.open_bytes(self.keys_in_use(stored), stored[KEY_NAME:], context=self.context)

    def keys_in_use(self, stored: Any) -> str:
        return bytes(stored[:KEY_NAME]).decode(errors="replace")

    def resealed(self, stored: Any) -> bytes:
        name, body = sealed.seal_bytes(self.from_db_value(stored), context=self.context)
        return name.encode() + body


# --- Looking up ----------------------------------------------------------------------------------


@SealedField.register_lookup
class SealedExact(Exact):
    """As it may lie there under each key; one comparison where there is one key."""

    def get_prep_lookup(self) -> Any:
        return self.rhs if isinstance(self.rhs, str) else super().get_prep_lookup()

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        if not isinstance(self.rhs, str):
            return super().as_sql(compiler, connection)
        return _one_of(self, compiler, connection, [self.rhs])


@SealedField.register_lookup
class SealedIn(In):
    """The same for several."""

    def get_prep_lookup(self) -> Any:
        if hasattr(self.rhs, "resolve_expression"):
            raise FieldError("A sealed column cannot be compared with another one.")
        return list(self.rhs)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        return _one_of(self, compiler, connection, self.rhs)


@SealedField.register_lookup
class IsSealed(models.Lookup):
    """For constraints: the database itself refuses what was not sealed."""

    lookup_name = "is_sealed"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        left, params = self.process_lhs(compiler, connection)
        how = sealed.ALIKE if self.lhs.output_field.findable else sealed.AT_RANDOM
        start = f"{how}."
        return f"(LEFT({left}, {len(start)}) = %s) = %s", [*params, start, bool(self.rhs)]


SealedField.register_lookup(IsNull)


def _one_of(
    lookup: Any, compiler: SQLCompiler, connection: BaseDatabaseWrapper, values: Iterable[str]
) -> tuple[str, list[Any]]:
    from django.core.exceptions import EmptyResultSet

    field = lookup.lhs.output_field
    forms = [form for value in dict.fromkeys(values) for form in field.every_form(value)]
    if not forms:
        raise EmptyResultSet
    left, params = lookup.process_lhs(compiler, connection)
    if len(forms) == 1:
        return f"{left} = %s", [*params, forms[0]]
    return f"{left} IN ({', '.join(['%s'] * len(forms))})", [*params, *forms]

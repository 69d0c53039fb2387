"""A TOML table that knows where it stands, so that every fault names its file and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from mlservice.packs.model import PackError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_T = TypeVar("_T")


def read_folder(folder: Path) -> Table:
    """All ``*.toml`` files of ``folder`` as one table; ``pack.toml`` must be among them."""
    if not (folder / "pack.toml").exists():
        raise PackError(f"{folder.name}/pack.toml: the file is missing.")
    content: dict[str, Any] = {}
    files: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        file = f"{folder.name}/{path.name}"
        try:
            part = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise PackError(f"{file}: not readable as TOML: {fault}.") from fault
        for key, value in part.items():
            if key in content:
                raise PackError(f"{file}: {key}: stands in {files[key]} too.")
            content[key], files[key] = value, file
    return Table(content, f"{folder.name}/pack.toml", files=files)


class Table:
    """One table of a pack: asked for its keys one by one, it refuses what is missing or wrong.

    ``where`` is the path of keys to this table. Keys that were never asked for are reported by
    :meth:`nothing_else`, so that a misspelt key is a fault and not silence.
    """

    def __init__(
        self,
        content: dict[str, Any],
        file: str,
        where: str = "",
        files: dict[str, str] | None = None,
    ) -> None:
        self._content = content
        self._file = file
        self._where = where
        self._files = files or {}  # of the top table only: which file each key came from
        self._asked: set[str] = set()

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise :class:`PackError`: this key has this problem."""
        path = f"{self._where}.{key}" if self._where else key
        raise PackError(f"{self._files.get(key, self._file)}: {path}: {problem}.")

    def has(self, key: str) -> bool:
        return key in self._content

    @property
    def content(self) -> dict[str, Any]:
        """What TOML made of it, unchecked."""
        return self._content

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._content)

    def with_content(self, content: dict[str, Any]) -> Table:
        """Another content under the same keys, said to stand where this one's does."""
        return Table(content, self._file, self._where, self._files)

    def nothing_else(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self._content:
            if key not in self._asked:
                self.fail(key, "is not a known key here")

    def all_of_it(self, made: _T) -> _T:
        """``made`` from this table, once nothing is left over in it."""
        self.nothing_else()
        return made

    def distinct(self, key: str, values: Sequence[str], field: str = "name") -> None:
        """Refuse a list under ``key`` in which two entries have the same ``field``."""
        for i, value in enumerate(values):
            if value in values[:i]:
                self.fail(key, f"two entries have the {field} {value!r}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text with something in it; with a ``default`` the key may be left out."""
        if default is not None and key not in self._content:
            return default
        text = self._get(key, str, "a text").strip()
        if not text:
            self.fail(key, "is empty")
        return text

    def name(self, key: str) -> str:
        """A text that is stored and compared: small letters, digits and underscores."""
        name = self.text(key)
        if not _NAME.fullmatch(name):
            self.fail(key, f"{name!r} is not a name (small letters, digits, underscores)")
        return name

    def one_of(self, key: str, allowed: Sequence[str]) -> str:
        value = self.text(key)
        if value not in allowed:
            self.fail(key, f"{value!r} is unknown; allowed: {', '.join(allowed)}")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        if default is not None and key not in self._content:
            return default
        return self._get(key, bool, "true or false")

    def integer(self, key: str) -> int:
        """A whole number of at least 1."""
        number = self._get(key, int, "a whole number")
        if isinstance(number, bool) or number < 1:
            self.fail(key, "must be a whole number of at least 1")
        return number

    def day(self, key: str) -> date:
        """A day as TOML writes it: 2026-11-26."""
        day = self._get(key, date, "a date")
        if isinstance(day, datetime):
            self.fail(key, "must be a date without a time")
        return day

    def number(self, key: str) -> float:
        """Any finite number."""
        number = self._get(key, float, "a number with a point in it")
        if not isfinite(number):
            self.fail(key, "must be finite")
        return number

    def numbers(self, key: str) -> dict[str, float]:
        """A table of numbers by name."""
        inner = self.table(key)
        return {name: inner.number(name) for name in inner.names}

    def texts(self, key: str, optional: bool = False) -> tuple[str, ...]:
        """A list of texts, none of them empty, at least one."""
        if optional and key not in self._content:
            return ()
        items = self._get(key, list, "a list of texts")
        if not items or not all(isinstance(item, str) and item.strip() for item in items):
            self.fail(key, "must be a list of texts, none of them empty")
        return tuple(item.strip() for item in items)

    def colour(self, key: str) -> str:
        colour = self.text(key)
        if not _COLOUR.fullmatch(colour):
            self.fail(key, f"{colour!r} is not a colour like #0a5a58")
        return colour

    def points(self, key: str) -> tuple[tuple[float, float], ...]:
        """A list of points, each a list of two numbers."""
        points = []
        for item in self._get(key, list, "a list of points"):
            match item:
                case [int() | float() as x, int() | float() as y]:
                    points.append((float(x), float(y)))
                case _:
                    self.fail(key, "must be a list of points, each of two numbers")
        return tuple(points)

    def text_map(self, key: str) -> dict[str, str]:
        """A table of texts by name; may be left out."""
        if key not in self._content:
            return {}
        inner = self.table(key)
        return {name: inner.text(name) for name in inner.names}

    def table(self, key: str) -> Table:
        return self._inner(key, self._get(key, dict, "a table"), key)

    def named_tables(self) -> dict[str, Table]:
        """Every key of this table, each of which must be a table."""
        return {key: self.table(key) for key in self.names}

    def tables(self, key: str, optional: bool = False) -> list[Table]:
        """A list of at least one table."""
        if optional and key not in self._content:
            return []
        items = self._get(key, list, "a list of tables")
        if not items or not all(isinstance(item, dict) for item in items):
            self.fail(key, "must be a list of tables, at least one")
        return [self._inner(key, item, f"{key}[{_title(item, i)}]") for i, item in enumerate(items)]

    def _inner(self, key: str, content: dict[str, Any], step: str) -> Table:
        where = f"{self._where}.{step}" if self._where else step
        return Table(content, self._files.get(key, self._file), where)

    def _get(self, key: str, kind: type[_T], words: str) -> _T:
        self._asked.add(key)
        if key not in self._content:
            self.fail(key, "is missing")
        value = self._content[key]
        if not isinstance(value, kind):
            self.fail(key, f"must be {words}")
        return value


def _title(item: dict[str, Any], position: int) -> str:
    """How a list's entry is called in a message: by its name where it has one."""
    for key in ("name", "code", "value"):
        if isinstance(item.get(key), str):
            return str(item[key])
    return str(position + 1)

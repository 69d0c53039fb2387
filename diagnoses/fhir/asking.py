"""What a program asks for: the parameters of a search, and where a page goes on."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from diagnoses.api.problems import Refused

PAGE: Final = 20
MOST: Final = 100
# What every search takes beside its own.
COMMON: Final = frozenset({"_count", "_page", "_format"})
JSON: Final = frozenset({"json", "application/json", "application/fhir+json"})
_WHEN = re.compile(r"(gt|ge)(\S+)")
_REFERENCE = re.compile(r"[0-9a-fA-F]{8}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One search. ``page`` is what the next link of the page before carried."""

    count: int = PAGE
    page: Any = None
    key: str = ""
    patient: UUID | None = None
    case: UUID | None = None
    references: tuple[UUID, UUID] | None = None  # the first and the last id of a reference
    since: datetime | None = None
    including: bool = False  # ``since`` itself
    said: Mapping[str, str] = field(default_factory=dict)  # as it was asked, without the page


def asked(query: QueryDict, known: frozenset[str]) -> Asked:
    """What ``query`` asks for; raises :class:`Refused` for what is not understood.

    A parameter that is not known is refused: left out of account it would give more than was meant.
    """
    _each_known_and_once(query, known | COMMON)
    said = {name: str(value) for name, value in query.items() if name != "_page"}
    of_format(said.get("_format", "json"))
    found: dict[str, Any] = {"said": said, "key": said.get("_id", "")}
    if "_count" in said:
        found["count"] = _count(said["_count"])
    if "_page" in query:
        found["page"] = _opened(str(query["_page"]))
    for name in ("patient", "subject"):
        if name in said:
            found["patient"] = _id_of("Patient", name, said[name])
    if "based-on" in said:
        found["case"] = _id_of("ServiceRequest", "based-on", said["based-on"])
    if "identifier" in said:
        found |= _identified(said["identifier"])
    if "_lastUpdated" in said:
        found |= _since(said["_lastUpdated"])
    return Asked(**found)


def _each_known_and_once(query: QueryDict, known: frozenset[str]) -> None:
    for name, values in query.lists():
        if name not in known:
            raise _invalid(f"This search does not know “{name}”.", "not_supported")
        if len(values) > 1:
            raise _invalid(f"“{name}” can be said once.")


def of_format(name: str) -> None:
    """JSON is all we speak."""
    if name not in JSON:
        raise Refused(HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", "This is served as JSON only.")


def next_page(*position: object) -> str:
    """For the next link: opaque to who follows it."""
    packed = json.dumps([str(each) for each in position]).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _opened(page: str) -> list[str]:
    try:
        found = json.loads(base64.urlsafe_b64decode(page + "=" * (-len(page) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise bad_page() from error
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise bad_page()
    return found


def bad_page() -> Refused:
    return _invalid("“_page” is only ever what a next link says.")


def _count(words: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", words) or int(words) == 0:
        raise _invalid(f"“_count” is a number from 1 to {MOST}.")
    return min(int(words), MOST)


def _id_of(kind: str, name: str, words: str) -> UUID:
    """An id, alone, as a reference, or as a whole address."""
    try:
        return UUID(words.rpartition(f"{kind}/")[2])
    except ValueError as error:
        raise _invalid(f"“{name}” names a {kind} by its id: {kind}/….") from error


def _identified(words: str) -> dict[str, Any]:
    """By the whole identifier, or by the reference that people quote."""
    value = words.rpartition("|")[2].removeprefix("urn:uuid:")
    if _REFERENCE.fullmatch(value):
        return {"references": (UUID(value.ljust(32, "0")), UUID(value.ljust(32, "f")))}
    try:
        return {"case": UUID(value)}
    except ValueError as error:
        raise _invalid("“identifier” is a urn:uuid or a reference of eight characters.") from error


def _since(words: str) -> dict[str, Any]:
    match = _WHEN.fullmatch(words)
    try:
        moment = parse_datetime(match[2]) if match else None
    except ValueError:
        moment = None
    if match is None or moment is None or timezone.is_naive(moment):
        raise _invalid(
            "“_lastUpdated” is gt or ge and a moment with its zone: gt2026-11-28T09:00Z."
        )
    return {"since": moment, "including": match[1] == "ge"}


def _invalid(sentence: str, code: str = "invalid") -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, code, sentence)

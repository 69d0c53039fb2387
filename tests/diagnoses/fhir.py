"""What the standard asks of a resource, checked once more from its JSON: by the library, and where
the library only describes (codes, kinds of references) by what it describes."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from rest_framework.test import APIClient

BASE = "/api/fhir"
KINDS = (
    "Patient", "ServiceRequest", "DiagnosticReport", "Observation", "Media", "BodyStructure",
    "Device", "Communication",
)  # fmt: skip
# Of long lists the library's description has the first ones, and "+" for the rest.
MORE = {"amended", "corrected", "appended", "cancelled", "entered-in-error", "unknown"}
Resource = dict[str, Any]


def read(client: APIClient, path: str, **query: str) -> Resource:
    """What stands at ``path`` under /api/fhir/, held to the standard."""
    response = client.get(path if path.startswith("http") else f"{BASE}/{path}", query or None)
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/fhir+json; charset=utf-8"
    found: Resource = json.loads(response.content)
    hold_to_the_standard(found)
    return found


def bundle(client: APIClient, case: Any) -> list[Resource]:
    """Everything of one case."""
    return [entry["resource"] for entry in read(client, f"Bundle/{case.pk}")["entry"]]


def search(client: APIClient, kind: str, **query: str) -> list[Resource]:
    """The first page of a search."""
    return [entry["resource"] for entry in read(client, kind, **query).get("entry", [])]


def pages(client: APIClient, kind: str, **query: str) -> Iterator[list[Resource]]:
    """All pages, by their next links."""
    page = read(client, kind, **query)
    while True:
        yield [entry["resource"] for entry in page.get("entry", [])]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            return
        page = read(client, following[0])


def numbers(told: Any) -> set[float]:
    """Every number in it, not those in words and moments: these may hold any digits."""
    if isinstance(told, dict | list):
        inside = told.values() if isinstance(told, dict) else told
        return set().union(*map(numbers, inside))
    return {told} if isinstance(told, int | float) and not isinstance(told, bool) else set()


def of_kind(resources: list[Resource], kind: str) -> list[Resource]:
    return [one for one in resources if one["resourceType"] == kind]


def the(resources: list[Resource], kind: str, ending: str = "") -> Resource:
    """The only one of its kind; of observations, the one whose id ends so."""
    [found] = [one for one in of_kind(resources, kind) if one["id"].endswith(ending)]
    return found


def hold_to_the_standard(resource: Resource) -> None:
    """R4B reads it back and has the same in it; codes and references are such as are allowed."""
    again = get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert json.loads(again.model_dump_json()) == resource
    faults = list(_faults(again, resource["resourceType"]))
    assert not faults, faults
    for part in _parts(resource):
        assert all(value not in (None, "", [], {}) for value in part.values()), part


def _faults(element: Any, where: str) -> Iterator[str]:
    """What the library's description forbids and the library itself lets through."""
    for name, field in type(element).model_fields.items():
        value = getattr(element, name, None)
        if value is None:
            continue
        about = typing.cast("dict[str, Any]", field.json_schema_extra or {})
        for each in value if isinstance(value, list) else [value]:
            allowed = _allowed(about.get("enum_values", ()))
            if allowed and isinstance(each, str) and each not in allowed:
                yield f"{where}.{name}: {each}"
            kinds = about.get("enum_reference_types")
            reference = getattr(each, "reference", None)
            if kinds and reference and "Resource" not in kinds:
                kind = reference.split("/")[-2]
                if kind not in kinds:
                    yield f"{where}.{name} refers to a {kind}"
            if hasattr(type(each), "model_fields"):
                yield from _faults(each, f"{where}.{name}")


def _allowed(described: typing.Iterable[str]) -> set[str]:
    values = {value.removesuffix("+").strip() for value in described}
    return values | MORE if any(value.endswith("+") for value in described) else values


def references(resource: Resource) -> Iterator[str]:
    for part in _parts(resource):
        if isinstance(part.get("reference"), str):
            yield part["reference"]


def codings(resource: Resource) -> Iterator[tuple[str, str]]:
    for part in _parts(resource):
        for coding in part.get("coding", []):
            yield coding.get("system", ""), coding["code"]


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _parts(each)

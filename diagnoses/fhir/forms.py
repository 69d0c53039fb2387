"""The small forms that resources are made of: references, concepts, quantities, narratives."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, Final

from accounts.models import User
from diagnoses.models import Case
from mlservice.packs import Label

SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
HL7: Final = "http://terminology.hl7.org/CodeSystem"

Part = dict[str, Any]


def text(words: object) -> Part:
    """A concept in words only: where no code was verified there is none."""
    return {"text": str(words)}


def coded(system: str, code: str, words: str) -> Part:
    return {"coding": [{"system": f"{HL7}/{system}", "code": code}], "text": words}


def disease(label: Label) -> Part:
    """A label in its whole words, and coded where the pack has a code for all of it."""
    concept = text(label.title)
    if code := label.codes.get("snomed"):
        concept["coding"] = [{"system": SNOMED, "code": code}]
    return concept


def among(label: Label) -> Part | None:
    """One of the diagnoses that a label pools, by its code; ``None`` where none is coded."""
    code = label.codes.get("snomed_among")
    if code is None:
        return None
    return {
        "coding": [{"system": SNOMED, "code": code}],
        "text": f"One of the diagnoses that “{label.title}” takes in",
    }


def share(value: float) -> Part:
    """Of one, unrounded: who compares it with the threshold must not be fooled by a rounding."""
    return {"value": value, "unit": "1", "system": UCUM, "code": "1"}


def to(kind: str, key: object) -> Part:
    return {"reference": f"{kind}/{key}"}


def to_request(case: Case) -> Part:
    return to("ServiceRequest", case.pk)


def to_patient(patient: User) -> Part:
    return to("Patient", patient.public_id)


def doctor(person: User) -> Part:
    """By name: doctors are no resource here."""
    return {"type": "Practitioner", "display": person.name}


def clinic(case: Case) -> Part:
    return {"type": "Organization", "display": case.clinic.name}


def notes(lines: Iterable[str]) -> list[Part]:
    return [{"text": line} for line in lines if line.strip()]


def narrative(lines: Iterable[str]) -> Part:
    """What a person reads where a program cannot show the resource."""
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines if line.strip())
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>',
    }


def filled(resource: Part) -> Part:
    """Without what is empty: FHIR has no empty lists, objects and strings, and no null."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}

"""What can be asked here, in FHIR's own form: the CapabilityStatement."""

from __future__ import annotations

from typing import Any

from diagnoses.fhir.kinds import KINDS, Kind
from diagnoses.fhir.library import Resource, checked

SINCE = "2026-11-28"  # when what is said here last changed
TYPES = {
    "_id": "token",
    "_lastUpdated": "date",
    "based-on": "reference",
    "identifier": "token",
    "patient": "reference",
    "subject": "reference",
}


def capability_statement(address: str) -> Resource:
    """``address`` is where the resources are, as the asker reached us."""
    security = {
        "description": "A session, or a token: Authorization: Token …. What is not yours is 404."
    }
    bundle = {
        "type": "Bundle",
        "interaction": [{"code": "read"}],
        "documentation": "Bundle/[id of a ServiceRequest]: everything of that case.",
    }
    return checked(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": SINCE,
            "kind": "instance",
            "software": {"name": "Lentigo"},
            "implementation": {"description": "Lentigo", "url": address},
            "fhirVersion": "4.0.1",
            "format": ["json"],
            "rest": [
                {
                    "mode": "server",
                    "security": security,
                    "resource": [*map(_resource, KINDS.values()), bundle],
                }
            ],
        }
    )


def _resource(kind: Kind) -> dict[str, Any]:
    return {
        "type": kind.name,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": name, "type": TYPES[name]} for name in sorted(kind.search)],
    }

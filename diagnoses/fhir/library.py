"""The library that knows the standard. What it does not let through never leaves."""

from __future__ import annotations

from functools import cache
from typing import Any

Resource = dict[str, Any]


@cache
def model(kind: str) -> Any:
    """The library's class of a resource. It is read with the first request: a second for those who
    never ask."""
    from fhir.resources.R4B import get_fhir_model_class

    return get_fhir_model_class(kind)


def checked(resource: Resource) -> Resource:
    """``resource`` as it leaves, in plain JSON values.

    Raises pydantic's ``ValidationError`` for what R4B does not allow: a fault of ours, and a 500.
    """
    found: Resource = (
        model(resource["resourceType"]).model_validate(resource).model_dump(mode="json")
    )
    return found

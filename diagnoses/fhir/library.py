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
    """``resource``, once the library has let it through; its moments are still Python's.

    Raises pydantic's ``ValidationError`` for what R4B does not allow: a fault of ours, and a 500.
    """
    # As it came: writing it out once more through the library takes twice as long as the checking.
    model(resource["resourceType"]).model_validate(resource)
    return resource

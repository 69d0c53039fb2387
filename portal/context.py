"""What every page may know."""

from __future__ import annotations

from django.http import HttpRequest


def portal(_request: HttpRequest) -> dict[str, object]:
    return {"PRODUCT": "Lentigo"}

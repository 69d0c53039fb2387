"""What every page may know."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

PRODUCT = "Lentigo"


def portal(_request: HttpRequest) -> dict[str, object]:
    """The product's name, and the demo's logins: empty everywhere but in the demo."""
    return {"PRODUCT": PRODUCT, "DEMO_LOGINS": settings.DEMO_LOGINS}

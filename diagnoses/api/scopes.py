"""What a token may be used for. Each view names its scope; one that names none opens to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, Scope
from diagnoses.api.problems import Refused

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which loads this module

ByMethod = Mapping[str, str]


class HasScope(BasePermission):
    """Somebody is logged in, and their token has the scope that the view asks for.

    A view's ``scope`` is one for all its methods, or one for each. Whoever is logged in by a
    browser's session, without a token, may do all that the person may.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        scope = needed(view, request.method or "")
        if scope and request.auth is not None and scope not in _scopes(request.auth):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "scope_needed",
                f"This token was not made for that: it needs the scope {scope}.",
                scope=scope,
            )
        return True


def needed(view: Any, method: str) -> str:
    """The scope this method of a view needs; "" for a method that it has not."""
    method = "GET" if method == "HEAD" else method
    if method == "OPTIONS" or not hasattr(view, method.lower()):
        return ""  # it tells of the address, or is refused for its method
    scope: str | ByMethod | None = getattr(view, "scope", None)
    found = scope.get(method) if isinstance(scope, Mapping) else scope
    if not found:
        raise ImproperlyConfigured(f"{type(view).__name__} names no scope for {method}.")
    return Scope(found).value


def _scopes(auth: Any) -> list[str]:
    return auth.scopes if isinstance(auth, ApiToken) else []

"""How often may be posted a minute, and how every answer to a token tells what is left of its own.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from accounts import tokens

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which loads this module


class PostRate(ScopedRateThrottle):
    """The limit of a view's own ``throttle_scope``, on what is posted there."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        return request.method != "POST" or super().allow_request(request, view)


class TellsTheRate:
    """Middleware: what is left of this minute, in the headers of an answer to a token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        used: tokens.Use | None = getattr(request, "token_use", None)
        if used is not None:
            left = max(0, settings.API_RATE - used.count)
            response["RateLimit-Policy"] = f'"token";q={settings.API_RATE};w=60'
            response["RateLimit"] = f'"token";r={left};t={used.left}'
        return response

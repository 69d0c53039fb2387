"""One line for each request, and the id that holds its lines together."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.models import User
from portal.discretion import request_id

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
# As proxies make them, with and without dashes. Nobody's name fits, and no phone number is so long.
_ID = re.compile(r"[0-9a-fA-F-]{16,64}")


class RequestLines:
    """Gives each request its id, says it in the answer, and writes the request's one line.

    The line has the route's name and not the address, which may hold the token of a link; the role
    of who asked, and not who. The first of all middleware, so that nothing is answered before it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        asked = _id_of(request)
        vars(request)["request_id"] = asked  # for lines that are written after the answer
        token = request_id.set(asked)
        try:
            response = self.get_response(request)
            response[HEADER] = asked
            _write(request, response.status_code, time.perf_counter() - began)
        finally:
            request_id.reset(token)
        return response


def _id_of(request: HttpRequest) -> str:
    """The one it came with, where that can be one; else a new one."""
    given = request.headers.get(HEADER, "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _write(request: HttpRequest, status: int, seconds: float) -> None:
    said = {
        "method": request.method,
        "route": _route(request),
        "status": status,
        "ms": round(seconds * 1000, 1),
        "role": _role(request),
    }
    logger.info("%s %s %s %s ms %s", *said.values(), extra=said)


def _route(request: HttpRequest) -> str:
    """The name of the page; "static" for a file, "none" for what leads nowhere."""
    found = request.resolver_match
    if found is not None:
        return found.view_name or found.route
    return "static" if request.path.startswith("/static/") else "none"


def _role(request: HttpRequest) -> str:
    """Of who is logged in. Asks for nobody: what nobody has looked up is not looked up here."""
    known = vars(request)
    for user in (known.get("user"), known.get("_cached_user")):
        if type(user) is User:  # the lazy one would look itself up to say what it is
            return str(user.role)
    return "nobody"

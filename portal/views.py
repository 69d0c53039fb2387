"""The front door, the error pages, and the page that shows every piece of the design."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from diagnoses.api.problems import API, NOTHING_HERE, plain_problem
from mlservice.readers import pack_for_reader
from portal import styleguide as pieces
from portal.context import PRODUCT
from portal.samples import the_same_mark

BACK_SOON = "Something we need is away for a moment. Please try again in some seconds."
BROKEN = "Something went wrong on our side. Nothing that was sent before is lost."
PAPER, ACCENT = "#faf8f3", "#0a5a58"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What this is, for a visitor; for someone logged in, the page they came for."""
    user = request.user
    if not user.is_authenticated:
        return render(request, "home.html", {"lesson": pack_for_reader(settings.PACK).lesson})
    if user.is_admin:
        return redirect("manage")
    if user.is_reading_doctor:
        return redirect("worklist")
    if user.is_patient:
        return redirect("lesion_list")
    return render(request, "waiting.html")


@require_safe
@cache_control(max_age=86_400, public=True)
def manifest(_request: HttpRequest) -> JsonResponse:
    """The web app manifest: a name and an icon for the phone's home screen."""
    icons = [
        {"src": static("portal/icon.svg"), "sizes": "any", "type": "image/svg+xml"},
        {"src": static("portal/icon-192.png"), "sizes": "192x192", "type": "image/png"},
        {"src": static("portal/icon-512.png"), "sizes": "512x512", "type": "image/png"},
    ]
    body = {
        "name": PRODUCT,
        "short_name": PRODUCT,
        "description": _("Show a doctor a mark on your skin."),
        "start_url": "/",
        "display": "browser",
        "background_color": PAPER,
        "theme_color": ACCENT,
        "icons": icons,
    }
    return JsonResponse(body, content_type="application/manifest+json")


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every piece in every state, for whoever builds pages. Not there in production."""
    if not (settings.DEBUG or settings.DEMO):
        raise Http404
    return render(request, "styleguide.html", pieces.context())


@require_safe
def sample_photo(_request: HttpRequest, number: int) -> HttpResponse:
    """A drawn photo for the style guide: 0 is the earlier one of a mark, 1 the later."""
    if not (settings.DEBUG or settings.DEMO) or number > 1:
        raise Http404
    return HttpResponse(the_same_mark()[number], content_type="image/jpeg")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    if request.path.startswith(API):
        return plain_problem(HTTPStatus.BAD_REQUEST, "unreadable", "This could not be read.")
    return render(request, "400.html", status=HTTPStatus.BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return render(request, "403.html", status=HTTPStatus.FORBIDDEN)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - says the same whatever was asked for
    """The same words for what does not exist and for what is somebody else's."""
    if request.path.startswith(API):
        return plain_problem(HTTPStatus.NOT_FOUND, "not_found", NOTHING_HERE)
    return render(request, "404.html", status=HTTPStatus.NOT_FOUND)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - for the log, not for people
    return render(request, "403_csrf.html", status=HTTPStatus.FORBIDDEN)


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without user or database: whatever broke may be one of them."""
    program = request.path.startswith(API)
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        unavailable = (
            plain_problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", BACK_SOON)
            if program
            else HttpResponse(render_to_string("503.html"), status=HTTPStatus.SERVICE_UNAVAILABLE)
        )
        unavailable["Retry-After"] = "5"
        return unavailable
    if program:
        return plain_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "broken", BROKEN)
    return HttpResponse(render_to_string("500.html"), status=HTTPStatus.INTERNAL_SERVER_ERROR)

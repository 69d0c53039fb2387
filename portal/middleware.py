"""Small things every answer goes through."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation

from accounts.languages import is_known
from diagnoses.api.problems import API, plain_problem
from diagnoses.api.submission import MOST_PHOTOS
from diagnoses.archive.reading import LARGEST
from diagnoses.intake import MAX_BYTES, Refusal
from diagnoses.views.uploads import REFUSED
from mlservice.uploads import MOST_PACKED

# The admin and the API speak one language: their words are written nowhere else.
ONE_LANGUAGE = ("/admin/", API)
# How much a request may bring, in bytes, where it is more than a form without files.
BODY = 2 << 20
_ONE = MAX_BYTES + BODY
BODIES = {
    "draft_photo": _ONE,
    "case_photo": _ONE,
    "case_step": MOST_PHOTOS * MAX_BYTES + BODY,
    "api-cases": MOST_PHOTOS * MAX_BYTES + BODY,
    "api-new-photo": _ONE,
    "api-import": LARGEST + BODY,
    "model_register": MOST_PACKED + BODY,
}


class PersonsLanguage:
    """Who is logged in reads what they chose; everybody else, what Django's middleware found."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if code := self._language(request):
            translation.activate(code)
            request.LANGUAGE_CODE = code
        response = self.get_response(request)
        if request.user.is_authenticated and settings.LANGUAGE_COOKIE_NAME in request.COOKIES:
            # It is the person's by now. Left here, the next one to log in would get it.
            response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
        return response

    def _language(self, request: HttpRequest) -> str:
        if request.path.startswith(ONE_LANGUAGE):
            return str(settings.LANGUAGE_CODE)
        user = request.user
        return user.language if user.is_authenticated and is_known(user.language) else ""


class BodiesHaveALimit:
    """Refuses by its announced length what no form of ours sends, before a byte of it is kept.

    Whoever reads a form has its files written to the disk first, and the check of its token is who
    reads it first: that happens before anybody is asked who they are. A body without a length is
    read by nobody.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: object
    ) -> HttpResponse | None:
        length = request.META.get("CONTENT_LENGTH") or "0"
        name = request.resolver_match.view_name if request.resolver_match else ""
        if length.isdecimal() and int(length) <= BODIES.get(name, BODY):
            return None
        refusal = Refusal("too_much")
        if request.path.startswith(API):
            return plain_problem(refusal.http, refusal.code, refusal.sentence)
        answer = render(request, "400.html", status=refusal.http)
        answer[REFUSED] = refusal.code
        return answer

"""Small things every answer goes through."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from accounts.languages import is_known

# The admin and the API speak one language: their words are written nowhere else.
ONE_LANGUAGE = ("/admin/", "/api/")


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

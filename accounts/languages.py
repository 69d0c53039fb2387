"""The language someone reads: the one they chose, else the one their browser asks for.

Who is not logged in chooses for this browser, until it is closed. Logging in makes such a choice
theirs, and gives those who never chose the language they logged in with.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language

from accounts.audit import record
from accounts.models import User


def is_known(code: str) -> bool:
    """Whether the pages are written in it."""
    return code in dict(settings.LANGUAGES)


def language_of(user: User) -> str:
    """What to write to ``user`` in; for who never chose, the portal's own language."""
    code = user.reader.language
    return code if is_known(code) else str(settings.LANGUAGE_CODE)


def choose(user: User, code: str) -> None:
    """From now on ``user`` reads, and is written to, in this language."""
    if user.language != code:
        _keep(user, code)
        record("person.language_chosen", actor=user, about=f"user:{user.pk}", language=code)


def carry_over(request: HttpRequest, user: User) -> None:
    """``user`` logs in on a page in some language, which they or their browser chose."""
    spoken = get_language() or settings.LANGUAGE_CODE
    if is_known(request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")):
        choose(user, spoken)
    elif not is_known(user.language):
        _keep(user, spoken)


def _keep(user: User, code: str) -> None:
    user.language = code
    User.objects.get_queryset().filter(pk=user.pk).update(language=code)

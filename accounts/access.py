"""Who may open a page. Not logged in: the login. Logged in as someone else: it does not exist.

Decorators for function views; class views take them through ``method_decorator(…, "dispatch")``.
Which *rows* someone may see is another matter, the querysets' ``visible_to``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render

from accounts.models import Role, User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def person(request: HttpRequest) -> User:
    """Who is logged in, on a page that only someone logged in reaches."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def login_required(view: View[P]) -> View[P]:
    """Anyone with an account."""
    return _only(lambda _user: True)(view)


def patient_required(view: View[P]) -> View[P]:
    """Patients."""
    return _only(lambda user: user.is_patient)(view)


def admin_required(view: View[P]) -> View[P]:
    """Admins, of one clinic or of all."""
    return _only(lambda user: user.is_admin)(view)


def reading_doctor_required(view: View[P]) -> View[P]:
    """Doctors an admin has verified. Those still waiting are told so, whatever they asked for."""

    @wraps(view)
    def seen_by_the_verified(
        request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        if not person(request).is_reading_doctor:
            return render(request, "waiting.html", status=403)
        return view(request, *args, **kwargs)

    return _only(lambda user: user.role == Role.DOCTOR)(seen_by_the_verified)


def _only(allowed: Callable[[User], bool]) -> Callable[[View[P]], View[P]]:
    def decorator(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            user = request.user
            if not isinstance(user, User):
                return redirect_to_login(request.get_full_path())
            if not allowed(user):
                raise Http404
            return view(request, *args, **kwargs)

        return guarded

    return decorator

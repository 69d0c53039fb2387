"""Nobody who needs a second factor goes anywhere without it: asked before every page of ours.

Default deny: what is not named here is closed to a session that has not passed, new pages too.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from accounts.models import User
from accounts.second_factor import has_factor, needs_second_factor
from diagnoses.api.problems import API, plain_problem

# Open to everybody, whoever they are.
ALWAYS: Final = frozenset(
    {
        *("account_logout", "language", "manifest", "security_txt"),
        *("health_live", "health_ready", "healthz", "readyz"),
    }
)
# Where a first one is set up. Closed to who has one: a stolen password adds no second passkey.
SET_UP: Final = frozenset(
    {"mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "account_reauthenticate"}
)
# Where the one that is there is shown.
CHALLENGE: Final = frozenset({"mfa_reauthenticate", "mfa_reauthenticate_webauthn"})
SHOW_IT: Final = "Log in with a second factor first: your role needs one."


class SecondFactorFirst:
    """Leads to the page where the factor is set up or shown; a program is told so in the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: object
    ) -> HttpResponseBase | None:
        user = request.user
        if not isinstance(user, User) or not needs_second_factor(user, request):
            return None
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name in ALWAYS:
            return None
        there = has_factor(user)
        if name in (CHALLENGE if there else SET_UP):
            return None
        if request.path.startswith(API):
            return plain_problem(HTTPStatus.FORBIDDEN, "second_factor_needed", SHOW_IT)
        return redirect("mfa_reauthenticate" if there else "mfa_index")

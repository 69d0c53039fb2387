"""What every page may know."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from accounts import second_factor, signing_up
from accounts.models import User
from portal import demo

PRODUCT = "Lentigo"


def portal(request: HttpRequest) -> dict[str, object]:
    """The product's name, and the demo's logins and code: empty everywhere but in the demo."""
    said = {"PRODUCT": PRODUCT, "DEMO_LOGINS": settings.DEMO_LOGINS}
    return said | {"DEMO_CODE": demo_code(request)} if settings.DEMO else said


def demo_code(request: HttpRequest) -> str:
    """The code that is asked for, so that nobody need look for it: what the app of one of the
    demo's staff would show ("123 456"), or what the letter holds of who signs up."""
    match = request.resolver_match
    name = match.url_name if match else None
    if name == "account_signup_code":
        waiting = signing_up.waiting_for(request)
        return waiting.code if waiting and not signing_up.is_taken(waiting.email) else ""
    if name not in {"mfa_authenticate", "mfa_reauthenticate"}:
        return ""
    stage = vars(request).get("_login_stage")  # of who has given the password and no more
    user = stage.login.user if stage else request.user
    code = second_factor.next_code(user, demo.SECRET) if isinstance(user, User) else ""
    return f"{code[:3]} {code[3:]}" if code else ""

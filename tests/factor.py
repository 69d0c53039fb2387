"""The second factor of tests that log in on the page: an app whose secret they know."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from accounts import second_factor
from accounts.models import User

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def app_of(email: str) -> bool:
    """Whether they need a code. Staff who have set up nothing have the tests' app from here on."""
    user = User.objects.filter(email=email).first()
    if user is not None and second_factor.must_have(user):
        second_factor.give_app(user, SECRET)
    return user is not None and second_factor.has_factor(user)


def code_of(email: str) -> str:
    """What the app shows now, also where that was typed a moment ago."""
    user = User.objects.get(email=email)
    app = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
    app.data["counter"] = 0
    app.save(update_fields=["data"])
    return second_factor.next_code(user, SECRET)


def code_with(secret: str) -> str:
    """What an app with this secret shows now."""
    return str(format_hotp_value(hotp_value(secret, second_factor.this_half_minute())))

"""The second factor: who must have one, whether this session has passed it, and codes.

Whoever treats or manages others must; everybody may. It is decided here and nowhere else, and the
middleware (``portal.gate``) asks before any page of ours is reached.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core.internal import ratelimit
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import letters
from accounts.audit import record
from accounts.models import User
from accounts.rows import PeopleError, about, end_sessions, hold, lock

Type = Authenticator.Type
# What somebody has to show; recovery codes alone are no factor, they stand in for one.
FACTORS: Final = (Type.TOTP, Type.WEBAUTHN)
# Wrong codes: for one person from one address; and for one person from everywhere, which only who
# knows the password can use up, and which a new password begins anew.
_TRIES: Final = {"from_here": "5/5m/key", "from_everywhere": "60/h/key"}


class TooManyCodesError(Exception):
    """Wait, and try again."""


def must_have(user: User) -> bool:
    """Everybody but patients; whoever is let into Django's admin in any case."""
    return not user.is_patient or user.is_staff or user.is_superuser


def needs_second_factor(user: User | AnonymousUser, request: HttpRequest) -> bool:
    """Whether ``user`` may go nowhere in this session before they have passed a second factor.

    Of a person who need not have one it is not asked again: they pass it when they log in.
    """
    return isinstance(user, User) and must_have(user) and not has_passed(user, request)


def has_passed(user: User, request: HttpRequest) -> bool:
    """Whether it was shown in this session: a code, a passkey, or one that was set up in it."""
    return any(one.get("method") == "mfa" for one in get_authentication_records(request, user))


def has_factor(user: User) -> bool:
    return bool(get_adapter().is_mfa_enabled(user, FACTORS))


def names(user: User) -> list[str]:
    """What they have, for whoever manages them: "App with codes", "Passkeys: 2"."""
    rows = list(Authenticator.objects.filter(user=user))
    keys = sum(row.type == Type.WEBAUTHN for row in rows)
    found = [_("App with codes")] if any(row.type == Type.TOTP for row in rows) else []
    return found + ([_("Passkeys: %(count)d") % {"count": keys}] if keys else [])


# --- Codes ---------------------------------------------------------------------------------------
def check_code(user: User, code: str, request: HttpRequest) -> Authenticator | None:
    """What ``code`` belongs to, and it is used up with this; ``None`` where it is wrong.

    A code of the app is good for half a minute before and after its own, once. Raises
    :class:`TooManyCodesError`.
    """
    usages = _tried(user, request)
    found = _fitting(user, code)
    if found is not None:
        for usage in usages:
            usage.rollback()
    return found


def _tried(user: User, request: HttpRequest) -> list[ratelimit.RateLimitUsage]:
    """One more try; one that fits is taken back and not counted."""
    keys = {
        "from_here": f"{user.pk} {ratelimit.get_ip(request)}",
        "from_everywhere": f"{user.pk} {user.get_session_auth_hash()}",
    }
    usages = []
    for action, key in keys.items():
        usage = ratelimit.consume(
            request, app="accounts.codes", action=action, config=_TRIES, key=key
        )
        if usage is None:
            raise TooManyCodesError
        usages.append(usage)
    return usages


@transaction.atomic
def _fitting(user: User, code: str) -> Authenticator | None:
    rows = Authenticator.objects.select_for_update().filter(user=user)
    held = {row.type: row for row in rows.exclude(type=Type.WEBAUTHN)}
    app, recovery = held.get(Type.TOTP), held.get(Type.RECOVERY_CODES)
    if app is not None and _fits_app(app, code):
        return app
    if recovery is not None and recovery.wrap().validate_code(code):
        record("factor.recovery_used", actor=user, about=about(user))
        return recovery
    return None


def _fits_app(app: Authenticator, code: str) -> bool:
    """Against the half minutes after the last one that was used: no code is good twice."""
    secret, last = get_adapter().decrypt(app.data["secret"]), app.data.get("counter", 0)
    for counter in yield_hotp_counters_from_time():
        expected = format_hotp_value(hotp_value(secret, counter))
        if counter > last and compare_user_code(actual=code, expected=expected):
            app.data["counter"] = counter
            app.save(update_fields=["data"])
            return True
    return False


def this_half_minute() -> int:
    """Which one it is, as codes are counted."""
    return int(time.time() // app_settings.TOTP_PERIOD)


def next_code(user: User, secret: str) -> str:
    """The next code that ``user``'s app would show and that is not used; "" with another secret.

    For the demo and the tests, who know the secret.
    """
    app = Authenticator.objects.filter(user=user, type=Type.TOTP).first()
    if app is None or get_adapter().decrypt(app.data["secret"]) != secret:
        return ""
    now = this_half_minute()
    counter = min(max(now, app.data.get("counter", 0) + 1), now + app_settings.TOTP_TOLERANCE)
    return str(format_hotp_value(hotp_value(secret, counter)))


def give_app(user: User, secret: str) -> None:
    """An app with a known secret, to who has none: for the demo and the tests."""
    if not has_factor(user):
        TOTP.activate(user, secret)


# --- Lost ----------------------------------------------------------------------------------------
@transaction.atomic
def reset(user: User, by: User, reason: str) -> None:
    """:func:`forget` by an admin; never one's own."""
    admin, person = hold(by, user)
    if admin == person:
        raise PeopleError(_("You cannot reset your own second step. Another admin can."))
    forget(user, by, reason)


@transaction.atomic
def forget(user: User, by: User | None, reason: str) -> bool:
    """Who lost it sets up a new one when they log in next. Everything that is open ends.

    ``by`` is nobody on the command line. Whether there was one.
    """
    lock(user)
    gone, _each = Authenticator.objects.filter(user=user).delete()
    if gone:
        end_sessions(user)
        record("factor.reset", actor=by, about=about(user), reason=reason)
        transaction.on_commit(lambda: _tell_of_reset(user), robust=True)
    return bool(gone)


def _tell_of_reset(user: User) -> None:
    mail = get_account_adapter().render_mail("mfa/email/factor_reset", user.email, {"user": user})
    letters.left(mail.send, "what tells of a reset")


def proof(user: User) -> Mapping[str, Any]:
    """What a session holds that has passed: for the tests, which log people in without a page."""
    return {
        "account_authentication_methods": [{"method": "mfa", "at": 0, "type": Type.TOTP.value}],
        "account_authentication_methods_user": str(user.pk),
    }

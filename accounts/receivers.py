"""What follows from logging in and from a changed second factor: the marks and the audit trail."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest

from accounts import sessions, signing_up
from accounts.audit import record
from accounts.models import User
from accounts.rows import about, lock
from accounts.second_factor import FACTORS, this_half_minute


def connect() -> None:
    """Once, when everything is loaded."""
    user_logged_in.connect(_began, dispatch_uid="a session begins")
    signals.authenticator_added.connect(_added, dispatch_uid="a factor is added")
    signals.authenticator_removed.connect(_removed, dispatch_uid="a factor is removed")
    signals.authenticator_reset.connect(_new_codes, dispatch_uid="new recovery codes")


def _began(sender: object, request: HttpRequest | None, **_: Any) -> None:  # noqa: ARG001 - a signal's
    if request is not None:
        sessions.begin(request)
        signing_up.forget(request)


@transaction.atomic
def _added(
    sender: object,  # noqa: ARG001 - a signal's
    request: HttpRequest,
    user: User,
    authenticator: Authenticator,
    **_: Any,
) -> None:
    """Who set it up has shown it; every other session is one that has not.

    In one piece, and one factor after the other: of two first ones at once the second ends nothing.
    """
    if authenticator.type not in FACTORS:
        return
    lock(user)
    if authenticator.type == Authenticator.Type.TOTP:
        # The code that was typed is used up.
        authenticator.data["counter"] = this_half_minute()
        authenticator.save(update_fields=["data"])
    record_authentication(request, user, "mfa", type=authenticator.type)
    record("factor.added", actor=user, about=about(user), type=authenticator.type)
    others = Authenticator.objects.filter(user=user, type__in=FACTORS)
    if not others.exclude(pk=authenticator.pk).exists():
        sessions.end_all_but_this(user, request)


def _removed(
    sender: object,  # noqa: ARG001 - a signal's
    user: User,
    authenticator: Authenticator,
    **_: Any,
) -> None:
    record("factor.removed", actor=user, about=about(user), type=authenticator.type)


def _new_codes(sender: object, user: User, **_: Any) -> None:  # noqa: ARG001 - a signal's
    record("factor.new_codes", actor=user, about=about(user))

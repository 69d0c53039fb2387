"""How allauth speaks to our accounts."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any, ClassVar

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.core.internal import ratelimit
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from accounts import languages, letters, people, sessions
from accounts.access import person
from accounts.audit import record
from accounts.models import User

# What a moment ago's log-in is enough for: changing the second step and the address.
LENIENT = ("allauth.mfa", "allauth.account")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's own ways, with our words, our audit trail, and our end to old sessions."""

    error_messages: ClassVar = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("The e-mail address or the password is not right."),
        "enter_current_password": _("This is not your password now."),
        "incorrect_password": _("This is not your password."),
        "rate_limited": _("That was a lot of tries. Wait a few minutes, then try again."),
        "too_many_login_attempts": (
            _("That was a lot of tries. Wait a few minutes, or ask for a new password.")
        ),
    }

    def clean_email(self, email: str) -> str:
        return email.strip().lower()

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not to change the second step or the address, of who has just logged in: they typed
        their password a moment ago. Whatever takes data along asks all the same."""
        if app not in LENIENT:
            return bool(super().is_reauthentication_required(app=app, **kwargs))
        request = context.request
        records = get_authentication_records(request, request.user)
        shown = [entry["at"] for entry in records]
        newest = max(shown, default=request.session.get(sessions.OPENED, 0))
        if time.time() - newest < app_settings.REAUTHENTICATION_TIMEOUT:
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Of this account and from this address: who guesses elsewhere locks nobody out here."""
        key = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key} {ratelimit.get_ip(request)}"

    def format_email_subject(self, subject: str) -> str:
        """As it is written: allauth would put the server's address in brackets before it."""
        return str(subject)

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        languages.carry_over(request, user)
        record("person.logged_in", actor=user, about=f"user:{user.pk}")

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Who asked to be erased and comes back is asked whether to keep the account."""
        if person(request).erase_asked_at is not None:
            return reverse("account_erase")
        return str(super().get_login_redirect_url(request))

    def render_mail(
        self,
        template_prefix: str,
        email: str,
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> Any:
        """In the language of whoever it is for; in the page's, for somebody without an account."""
        user = context.get("user")
        language = user.language if isinstance(user, User) else ""
        with override(language) if languages.is_known(language) else nullcontext():
            return super().render_mail(template_prefix, email, context, headers)

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """What it tells of is done: a mail server that does not answer undoes nothing."""
        tell = super().send_notification_mail
        letters.left(lambda: tell(*args, **kwargs), "a notification")

    def set_password(self, user: User, password: str) -> None:
        """Changed or reset: whoever held the old one is out, API tokens included."""
        people.change_password(user, password)

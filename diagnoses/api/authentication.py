"""Who asks, by their token, and how often: knox's own check, without a look at other tokens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts import tokens
from accounts.models import ApiToken, User


class ByToken(TokenAuthentication):  # type: ignore[misc]  # knox ships no types
    """One statement to find it and one to count it. One that has run out goes when it is shown.

    It is counted here and not by a throttle, which comes after the scopes: what is refused for
    its scope is a request too.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        found: tuple[User, ApiToken] | None = super().authenticate(request)
        if found is not None:
            used = tokens.count(found[1])
            if used is None:
                raise AuthenticationFailed
            request._request.token_use = used  # type: ignore[attr-defined]  # noqa: SLF001 - for TellsTheRate
            if used.count > settings.API_RATE:
                raise Throttled(used.left)
        return found

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isascii():  # none of ours, and knox would break over it
            raise AuthenticationFailed
        return super().authenticate_credentials(token)

    def _cleanup_token(self, auth_token: ApiToken) -> bool:
        over = auth_token.expiry is not None and auth_token.expiry < timezone.now()
        if over:
            auth_token.delete()
        return over


class ByTokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]  # registers itself
    target_class = "diagnoses.api.authentication.ByToken"

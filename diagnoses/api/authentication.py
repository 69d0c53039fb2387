"""Who asks, by their token: knox's own check, without a look at the person's other tokens."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from accounts.models import ApiToken


class ByToken(TokenAuthentication):  # type: ignore[misc]  # knox ships no types
    """One statement for each request. A token that has run out goes when it is shown again."""

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

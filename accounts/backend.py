"""Who is behind a session."""

from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend

from accounts.models import User


class AccountBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth ships no types
    """allauth's own, with the clinic read at once: every page's header names it."""

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.get_queryset().select_related("clinic").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

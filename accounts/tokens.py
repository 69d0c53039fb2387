"""Tokens for programs: made with scopes and an end, listed, ended, counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import connection, models, transaction
from django.utils import timezone
from knox.settings import knox_settings

from accounts import second_factor
from accounts.audit import record
from accounts.models import ApiToken, Scope, User
from accounts.rows import about, lock

# One statement, so that two requests at once are counted as two; by the database's clock.
# ``now()`` is this statement's: it is asked outside of any transaction.
_COUNT = """
UPDATE accounts_apitoken SET
    used = CASE WHEN minute = date_trunc('minute', now()) THEN used + 1 ELSE 1 END,
    minute = date_trunc('minute', now()),
    last_used_at = now()
WHERE digest = %s
RETURNING used, ceil(60 - extract(second FROM now()))::int
"""
_OF_PATIENTS = {Scope.CASES_READ, Scope.CASES_WRITE, Scope.ACCOUNT_EXPORT, Scope.FHIR_READ}
_OF_DOCTORS = {Scope.CASES_READ, Scope.CASES_WRITE, Scope.REVIEWS_WRITE, Scope.FHIR_READ}
_OF_ALL = {Scope.ACCOUNT_READ, Scope.ACCOUNT_WRITE}


@dataclass(frozen=True, slots=True)
class Use:
    """How often a token was used this minute, and in how many seconds the next one begins."""

    count: int
    left: int


def offered_to(user: User) -> list[Scope]:
    """The scopes that open something to people like ``user``."""
    theirs = _OF_ALL | (
        _OF_PATIENTS if user.is_patient else set() if user.is_admin else _OF_DOCTORS
    )
    return [scope for scope in Scope if scope in theirs]


def of(user: User) -> models.QuerySet[ApiToken]:
    """Those in force, newest first."""
    tokens: models.QuerySet[ApiToken] = ApiToken.objects.filter(
        user=user, expiry__gt=timezone.now()
    ).order_by("-created")
    return tokens


@transaction.atomic
def make(
    user: User, scopes: Iterable[Scope], *, name: str = "", lasts: timedelta | None = None
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is kept nowhere. The oldest make room for it.

    Who must have a second factor sets it up first: a form that was sent before the password was
    typed is taken up after it, past the gate. Raises ``PermissionDenied``.
    """
    if second_factor.must_have(user) and not second_factor.has_factor(user):
        raise PermissionDenied
    _drop_the_oldest(lock(user))
    expiry = lasts or knox_settings.TOKEN_TTL
    wanted = [scope.value for scope in scopes]
    token, secret = ApiToken.objects.create(user, expiry, name=name, scopes=wanted)
    named = str(token.public_id)
    record("token.created", actor=user, about=about(user), scopes=wanted, token=named)
    return token, secret


@transaction.atomic
def end(token: ApiToken) -> None:
    """From now on it opens nothing."""
    named = str(token.public_id)
    record("token.ended", actor=token.user, about=about(token.user), token=named)
    token.delete()


def end_one_of(user: User, public_id: UUID) -> bool:
    """Whether there was one of theirs to end."""
    token = ApiToken.objects.filter(user=user, public_id=public_id).select_related("user").first()
    if token is not None:
        end(token)
    return token is not None


def count(token: ApiToken) -> Use | None:
    """Note that it is used now; ``None`` where it was ended this moment."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [token.digest])
        found: Sequence[int] | None = cursor.fetchone()
    return Use(*found) if found else None


def _drop_the_oldest(user: User) -> None:
    """A person's newest tokens are kept; a forgotten script cannot lock its owner out."""
    for token in of(user)[knox_settings.TOKEN_LIMIT_PER_USER - 1 :]:
        end(token)
    ApiToken.objects.filter(user=user, expiry__lte=timezone.now()).delete()

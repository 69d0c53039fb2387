"""Links: a random address for one page and one person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models.functions import Coalesce, Now
from django.urls import reverse
from django.utils import timezone

from accounts.audit import record
from accounts.models import User
from notifications import tokens
from notifications.models import Link

LIFETIME = timedelta(hours=72)
# What left within so long of being written has as good as all of that.
_AT_ONCE = timedelta(hours=1)


def make(recipient: User, path: str, *, sent_at: datetime | None = None) -> Link:
    """Make a link to ``path`` that ends 72 h after ``sent_at`` (now, unless it is sent later).

    ``path`` is one of our own: it starts with one slash. Anything else raises ``ValueError``.
    """
    link = drawn(recipient, path, sent_at=sent_at)
    link.save(force_insert=True)
    return link


def drawn(recipient: User, path: str, *, sent_at: datetime | None = None) -> Link:
    """What :func:`make` makes, not yet saved."""
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError(f"a link leads to a page of ours, not to {path!r}")
    token = tokens.new()
    return Link(
        token=token,
        token_sha256=tokens.sha256(token),
        path=path,
        recipient=recipient,
        expires_at=(sent_at or timezone.now()) + LIFETIME,
    )


def begin(link: Link, now: datetime) -> None:
    """Its message leaves ``now``. However long it waited, a night or the days in which nothing
    ran, whoever gets it has :data:`LIFETIME` to open it."""
    if link.expires_at < now + LIFETIME - _AT_ONCE:
        Link.objects.filter(pk=link.pk, revoked_at=None).update(expires_at=now + LIFETIME)


def address(link: Link) -> str:
    """Return the URL to send. Raises ``ValueError`` once the token has been forgotten."""
    if not link.token:
        raise ValueError("the token of a link that was sent is not kept")
    return f"{settings.PUBLIC_URL}{reverse('link', args=[link.token])}"


def find(token: str, user: User) -> Link | None:
    """Return ``user``'s link with this token, ended or not; nobody else's."""
    return Link.objects.filter(token_sha256=tokens.sha256(token), recipient=user).first()


def is_open(link: Link) -> bool:
    """Whether it still leads to its page."""
    return link.revoked_at is None and timezone.now() < link.expires_at


def follow(link: Link) -> str:
    """Note that its person opened it, and return the path it leads to."""
    Link.objects.filter(pk=link.pk).update(first_opened_at=Coalesce("first_opened_at", Now()))
    record("link.opened", actor=link.recipient, about=f"link:{link.pk}")
    return link.path


def revoke(pks: Iterable[int]) -> int:
    """End these links now; those ended before keep their time."""
    return Link.objects.filter(pk__in=list(pks), revoked_at=None).update(revoked_at=Now(), token="")

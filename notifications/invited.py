"""The invitations as admins find them: who has not answered, who joined, what was taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import User
from accounts.phone import masked
from notifications import invitations
from notifications.models import Invitation

PAGE = 25
UNANSWERED = Q(accepted_at=None, revoked_at=None)


class State(StrEnum):
    """What became of an invitation, and the lists of them."""

    OPEN = "open"
    EXPIRED = "expired"
    JOINED = "joined"
    WITHDRAWN = "withdrawn"
    ALL = "all"

    @property
    def heading(self) -> str:
        return {
            State.OPEN: _("Not answered"),
            State.EXPIRED: _("Expired"),
            State.JOINED: _("Joined"),
            State.WITHDRAWN: _("Taken back"),
            State.ALL: _("All"),
        }[self]

    def apply(self, rows: QuerySet[Invitation]) -> QuerySet[Invitation]:
        match self:
            case State.OPEN:
                return rows.filter(UNANSWERED, expires_at__gt=Now())
            case State.EXPIRED:
                return rows.filter(UNANSWERED, expires_at__lte=Now())
            case State.JOINED:
                return rows.filter(accepted_at__isnull=False)
            case State.WITHDRAWN:
                return rows.filter(revoked_at__isnull=False)
            case State.ALL:
                return rows

    @classmethod
    def of(cls, invitation: Invitation) -> Self:
        if invitation.accepted_at is not None:
            return cls("joined")
        if invitation.revoked_at is not None:
            return cls("withdrawn")
        return cls("expired" if invitation.expires_at <= timezone.now() else "open")


STATES: dict[State, tuple[str | Promise, str]] = {
    State.OPEN: (_lazy("Not answered yet"), "wait"),
    State.EXPIRED: (_lazy("Expired"), "bad"),
    State.JOINED: (_lazy("Joined"), "good"),
    State.WITHDRAWN: (_lazy("Taken back"), ""),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One invitation in words; ``where`` is enough to recognise, and too little to write to."""

    invitation: Invitation
    state: str
    tone: str
    where: str

    @classmethod
    def of(cls, invitation: Invitation) -> Self:
        words, tone = STATES[State.of(invitation)]
        name, _at, domain = invitation.email.partition("@")
        where = masked(invitation.e164) if invitation.e164 else f"{name[:1]}…@{domain}"
        return cls(invitation, str(words), tone, where)


@dataclass(frozen=True, slots=True)
class Page:
    lines: list[Line]
    after: UUID | None  # the invitation behind which the next page starts


def page(user: User, state: State, *, after: UUID | None = None, size: int = PAGE) -> Page:
    """The newest first, from behind ``after``. Two statements at most."""
    visible = invitations.visible_to(user)
    rows = state.apply(visible)
    mark = visible.filter(pk=after).first() if after else None
    if mark is not None:
        older = Q(created_at__lt=mark.created_at)
        rows = rows.filter(older | Q(created_at=mark.created_at, pk__lt=mark.pk))
    found = list(rows.order_by("-created_at", "-pk")[: size + 1])
    more = len(found) > size
    return Page([Line.of(one) for one in found[:size]], found[size - 1].pk if more else None)


def ends_soon(user: User) -> QuerySet[Invitation]:
    """Nobody has answered, and within three days it is too late."""
    soon = Now() + timedelta(days=3)
    return State.OPEN.apply(invitations.visible_to(user)).filter(expires_at__lt=soon)

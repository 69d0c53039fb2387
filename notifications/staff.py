"""What the staff of a clinic see of its messages: which need somebody, and the whole of a telling.

A telling is one event to one person: every way it was tried is a row, and so is each time somebody
sent it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import User
from accounts.phone import looked_for, masked
from notifications import advice
from notifications.errors import WAITS
from notifications.models import Channel, Event, Message, MessageQuerySet

State = Message.State
PAGE = 25
# What nobody saw to in so long has been overtaken. A task stays until somebody has done it.
STUCK_FOR = timedelta(days=30)
STATES: dict[str, str | Promise] = {
    State.PENDING: _lazy("Waiting to be sent"),
    State.SENT: _lazy("Sent, not yet reported as delivered"),
    State.UNKNOWN: _lazy("In doubt, perhaps sent"),
    State.FAILED: _lazy("Not delivered"),
    State.DELIVERED: _lazy("Delivered"),
    State.READ: _lazy("Read"),
    State.CANCELLED: _lazy("Withdrawn before it left"),
}
BY_HAND: dict[str, str | Promise] = {
    State.PENDING: _lazy("Somebody has to tell them"),
    State.DELIVERED: _lazy("Told by hand"),
    State.CANCELLED: _lazy("No longer needed"),
}
CHANNELS: dict[str, str | Promise] = {
    Channel.EMAIL: _lazy("E-mail"),
    Channel.STAFF: _lazy("Staff task"),
}
# How much a state asks of whoever reads it.
TONES = {State.FAILED: "bad", State.UNKNOWN: "doubt", State.DELIVERED: "good", State.READ: "good"}
_REFERENCE = re.compile(r"case:([0-9a-f]{8})")


class Show(StrEnum):
    """The lists staff can look at."""

    NEEDS = "needs"
    DOUBT = "doubt"
    FAILED = "failed"
    WAITING = "waiting"
    ALL = "all"

    @property
    def heading(self) -> str:
        return {
            Show.NEEDS: _("Needs someone"),
            Show.DOUBT: _("In doubt"),
            Show.FAILED: _("Failed"),
            Show.WAITING: _("Waiting"),
            Show.ALL: _("All"),
        }[self]

    def apply(self, rows: MessageQuerySet) -> MessageQuerySet:
        match self:
            case Show.NEEDS:
                return needing_someone(rows)
            case Show.DOUBT:
                return rows.filter(state=State.UNKNOWN)
            case Show.FAILED:
                return rows.filter(state=State.FAILED)
            case Show.WAITING:
                return rows.filter(state=State.PENDING)
            case Show.ALL:
                return rows


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody chose to see. Made from a query string, and turns back into one."""

    show: Show = Show.NEEDS
    search: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> Self:
        """Whoever searches means all messages, unless they say which."""
        search = query.get("q", "").replace("\0", "").strip()[:100]
        wanted = query.get("show", "")
        usual = Show.ALL if search else Show.NEEDS
        return cls(Show(wanted) if wanted in set(Show) else usual, search)

    def showing(self, show: Show) -> Self:
        return replace(self, show=show)

    def query(self, **more: str) -> str:
        """As a query string; empty for the list one comes to."""
        usual = Show.ALL if self.search else Show.NEEDS
        show = "" if self.show is usual else str(self.show)
        values = {"show": show, "q": self.search, **more}
        return urlencode({key: value for key, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class Line:
    """One message in words. ``where`` is enough to recognise, and too little to write to."""

    message: Message
    person: str
    where: str
    way: str
    state: str
    tone: str
    reason: str
    code: str  # to look up, "" where nothing went wrong
    advice: str
    reference: str  # of the case it is about, "" where it is about none

    @classmethod
    def of(cls, message: Message) -> Self:
        staff = message.channel == Channel.STAFF
        who = message.recipient or message.invitation
        state = BY_HAND.get(message.state) if staff else None
        about = _REFERENCE.match(message.about)
        tone = TONES.get(State(message.state), "")
        return cls(
            message,
            person=who.name if who else "",
            where=_hidden(message.address),
            way=str(CHANNELS.get(message.channel, message.get_channel_display())),
            state=str(state or STATES[message.state]),
            tone="task" if staff and message.state == State.PENDING else tone,
            reason=advice.reason(message),
            code="" if message.error_code in WAITS else message.error_code,
            advice=advice.what_to_do(message),
            reference=about[1].upper() if about else "",
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``after`` is the message that the next page starts behind."""

    lines: list[Line]
    after: UUID | None


def visible_to(user: User) -> MessageQuerySet:
    """What was said to an admin's clinic and to those it invited; all, to an admin of none."""
    rows = Message.objects.select_related("recipient", "invitation", "link")
    if not user.is_admin:
        return rows.none()
    if user.clinic_id is None:
        return rows
    return rows.filter(Q(recipient__clinic=user.clinic_id) | Q(invitation__clinic=user.clinic_id))


def needing_someone(rows: MessageQuerySet) -> MessageQuerySet:
    """Tasks nobody has done, and what went no other way after it failed or was lost sight of."""
    same = _same(OuterRef("event"), OuterRef("about"), OuterRef("recipient"))
    arrived = same.filter(state__in=(State.DELIVERED, State.READ))
    later = same.filter(created_at__gt=OuterRef("created_at"))
    task = Q(channel=Channel.STAFF, state=State.PENDING)
    lost = Q(state__in=(State.FAILED, State.UNKNOWN), run_after=None, code=None)
    lately = Q(created_at__gt=Now() - STUCK_FOR) & ~Q(event=Event.REMIND_SUN)
    stuck = lost & lately & Q(~Exists(later))
    return rows.filter(~Exists(arrived), task | stuck)


def open_tasks(user: User) -> MessageQuerySet:
    """The staff tasks that wait."""
    tasks = visible_to(user).filter(channel=Channel.STAFF, state=State.PENDING)
    return needing_someone(tasks)


def page(user: User, filters: Filters, *, after: UUID | None = None, size: int = PAGE) -> Page:
    """The newest first, from behind ``after``. Costs the same however long the list is."""
    rows = filters.show.apply(visible_to(user).filter(_found(filters.search)))
    mark = visible_to(user).filter(pk=after).first() if after else None
    if mark is not None:
        older = Q(created_at__lt=mark.created_at)
        rows = rows.filter(older | Q(created_at=mark.created_at, pk__lt=mark.pk))
    found = list(rows.order_by("-created_at", "-pk")[: size + 1])
    lines = [Line.of(message) for message in found[:size]]
    return Page(lines, found[size - 1].pk if len(found) > size else None)


def story(user: User, message: Message) -> list[Line]:
    """Every row of the same telling, in the order they were written."""
    same = _same(message.event, message.about, message.recipient_id)
    rows = visible_to(user).filter(pk__in=same.values("pk")).order_by("created_at", "resend", "pk")
    return [Line.of(row) for row in rows]


def _same(event: object, about: object, recipient: object) -> MessageQuerySet:
    """The rows of one telling; of an invitation, whose recipient has no account yet, by about."""
    return Message.objects.filter(
        Q(recipient=recipient) | Q(recipient__isnull=True), event=event, about=about
    )


def _found(search: str) -> Q:
    """By name, number, e-mail address, Twilio's code, or reference of the case."""
    if not search:
        return Q()
    found = Q(recipient__name__icontains=search) | Q(invitation__name__icontains=search)
    found |= Q(about__startswith=f"case:{search.lower()}")
    if "@" in search:
        found |= Q(address=search.lower()) | Q(recipient__email__icontains=search)
        found |= Q(invitation__email__icontains=search)
    if search.isdecimal():
        found |= Q(error_code=search)
    if number := looked_for(search):
        found |= Q(address=number)
    return found


def _hidden(address: str) -> str:
    if "@" not in address:
        return masked(address) if address else ""
    name, _at, domain = address.partition("@")
    return f"{name[:1]}…@{domain}"

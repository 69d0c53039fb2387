"""People as admins find them: by name, address, number, role, state and clinic."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import ContactNumber, Role, User, UserQuerySet
from accounts.phone import looked_for

PAGE = 25
# A count stops here and then reads "100+".
COUNT_UP_TO = 100
WAITING = Q(role=Role.DOCTOR, verified_at=None, is_active=True)


class State(StrEnum):
    """How it is with somebody, and the lists of people."""

    ALL = "all"
    WAITING = "waiting"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ERASED = "erased"

    @property
    def heading(self) -> str:
        return {
            State.ALL: _("Everybody"),
            State.WAITING: _("To be verified"),
            State.ACTIVE: _("Active"),
            State.SUSPENDED: _("Suspended"),
            State.ERASED: _("Erased"),
        }[self]

    def apply(self, rows: UserQuerySet) -> UserQuerySet:
        match self:
            case State.ALL:
                return rows.filter(erased_at=None)
            case State.WAITING:
                return rows.filter(WAITING)
            case State.ACTIVE:
                return rows.filter(is_active=True).exclude(WAITING)
            case State.SUSPENDED:
                return rows.filter(is_active=False, erased_at=None)
            case State.ERASED:
                return rows.filter(erased_at__isnull=False)

    @classmethod
    def of(cls, person: User) -> Self:
        """Which of the lists but the first somebody is on."""
        if person.erased_at is not None:
            return cls("erased")
        if not person.is_active:
            return cls("suspended")
        waits = person.role == Role.DOCTOR and person.verified_at is None
        return cls("waiting" if waits else "active")


# In words, each with how much it asks of whoever reads it.
STATES: dict[State, tuple[str | Promise, str]] = {
    State.ACTIVE: (_lazy("Active"), "good"),
    State.WAITING: (_lazy("Not verified yet"), "task"),
    State.SUSPENDED: (_lazy("Suspended"), "bad"),
    State.ERASED: (_lazy("Erased"), ""),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody chose to see. Made from a query string, and turns back into one."""

    state: State = State.ALL
    role: str = ""  # one of Role, or any
    clinic: int | None = None
    search: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> Self:
        """What means nothing here is left out."""
        state, role = query.get("state", ""), query.get("role", "")
        clinic = query.get("clinic", "")
        return cls(
            State(state) if state in set(State) else State.ALL,
            role if role in Role.values else "",
            int(clinic) if re.fullmatch(r"[0-9]{1,9}", clinic) else None,
            query.get("q", "").replace("\0", "").strip()[:100],
        )

    @property
    def narrowed(self) -> bool:
        """Whether there is more to it than one of the lists."""
        return bool(self.role or self.clinic or self.search)

    def showing(self, state: State) -> Self:
        return replace(self, state=state)

    def query(self, **more: str) -> str:
        """As a query string; empty for the list one comes to."""
        values = {
            "state": "" if self.state is State.ALL else str(self.state),
            "role": self.role,
            "clinic": str(self.clinic or ""),
            "q": self.search,
            **more,
        }
        return urlencode({key: value for key, value in values.items() if value})

    def apply(self, rows: UserQuerySet) -> UserQuerySet:
        rows = self.state.apply(rows).filter(_found(self.search))
        rows = rows.filter(role=self.role) if self.role else rows
        return rows.filter(clinic=self.clinic) if self.clinic else rows


@dataclass(frozen=True, slots=True)
class Line:
    """One person in words; of their address enough to tell two of one name apart."""

    person: User
    email: str
    state: str
    tone: str

    @classmethod
    def of(cls, person: User) -> Self:
        words, tone = STATES[State.of(person)]
        return cls(person, hidden(person), str(words), tone)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``after`` is the person behind whom the next page starts."""

    lines: list[Line]
    after: int | None


def page(admin: User, filters: Filters, *, after: int | None = None, size: int = PAGE) -> Page:
    """Those ``admin`` looks after, by name, from behind ``after``. Three statements at most."""
    managed = User.objects.managed_by(admin)
    rows = filters.apply(managed)
    mark = managed.filter(pk=after).first() if after else None
    if mark is not None:
        rows = rows.filter(Q(name__gt=mark.name) | Q(name=mark.name, pk__gt=mark.pk))
    found = list(rows.select_related("clinic", "carer").order_by("name", "pk")[: size + 1])
    more = len(found) > size
    return Page([Line.of(one) for one in found[:size]], found[size - 1].pk if more else None)


def waiting(admin: User) -> UserQuerySet:
    """The doctors whom nobody has verified yet, longest first."""
    return User.objects.managed_by(admin).filter(WAITING).order_by("date_joined", "pk")


def counted(rows: QuerySet[Any]) -> str:
    """ "7", or "100+" where counting stopped; "" for none."""
    number = rows.order_by()[: COUNT_UP_TO + 1].count()
    if not number:
        return ""
    return f"{COUNT_UP_TO}+" if number > COUNT_UP_TO else str(number)


def hidden(person: User) -> str:
    """ "a…@example.org"; nothing for who has no address."""
    if person.carer_id is not None or person.erased_at is not None:
        return ""
    name, _at, domain = person.email.partition("@")
    return f"{name[:1]}…@{domain}"


def _found(search: str) -> Q:
    """By name, e-mail address, or number."""
    if not search:
        return Q()
    found = Q(name__icontains=search)
    if "@" in search:
        found |= Q(email__icontains=search)
    if number := looked_for(search):
        found |= Q(pk__in=ContactNumber.objects.filter(e164=number).values("user"))
    return found

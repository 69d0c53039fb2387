"""What someone agreed to: line by line and with its history, as their account page shows it, and
which ways of telling them it covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Consent, User
from accounts.wording import WHATSAPP_ALONE, WORDING, Wording, version


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a consent: it was given, or taken back."""

    at: datetime
    given: bool
    version: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """One thing to agree to. ``history`` is oldest first."""

    kind: Consent.Kind
    wording: Wording
    given_at: datetime | None  # None: not agreed to today's wording
    asked_again: bool  # agreed once, to words that have changed since
    history: tuple[Step, ...]


READERS = (Consent.Kind.MESSAGES, Consent.Kind.FULL_REPORT)


def kinds(user: User) -> list[Consent.Kind]:
    """Care, the computer's check and learning are a patient's; what is sent is of whoever reads it.

    The answer itself is offered where the clinic sends it; who agreed before can still take it
    back.
    """
    return _kinds(user, list(user.consents.in_force()))


def _kinds(user: User, given: Sequence[Consent]) -> list[Consent.Kind]:
    if user.carer_id is not None:
        return [kind for kind in Consent.Kind if kind not in READERS]
    if not user.is_patient:
        return [Consent.Kind.MESSAGES]
    sends = user.clinic is not None and user.clinic.full_report
    whole = sends or any(
        row.kind == Consent.Kind.FULL_REPORT and row.withdrawn_at is None for row in given
    )
    return [kind for kind in Consent.Kind if whole or kind != Consent.Kind.FULL_REPORT]


def agreements(user: User) -> list[Agreement]:
    """All there is for ``user`` to agree to, in one query."""
    rows = list(user.consents.order_by("given_at", "pk"))
    return [
        _agreement(kind, [row for row in rows if row.kind == kind]) for kind in _kinds(user, rows)
    ]


def no_longer_asked(kind: Consent.Kind) -> Agreement:
    """One that was taken back and is not offered any more."""
    return _agreement(kind, [])


def _agreement(kind: Consent.Kind, rows: Sequence[Consent]) -> Agreement:
    wording = WORDING[kind]
    given = next((row for row in rows if row.withdrawn_at is None), None)
    current = given is not None and given.version == wording.version
    return Agreement(
        kind,
        wording,
        given_at=given.given_at if given and current else None,
        asked_again=given is not None and not current,
        history=tuple(step for row in rows for step in _steps(row)),
    )


def _steps(row: Consent) -> list[Step]:
    steps = [Step(row.given_at, given=True, version=row.version)]
    if row.withdrawn_at is not None:
        steps.append(Step(row.withdrawn_at, given=False, version=row.version))
    return steps


def agreed_to_messages(users: Iterable[int]) -> dict[int, bool]:
    """Those of ``users`` (primary keys) who agreed to messages on their phone, each with whether
    to text messages too, or to WhatsApp alone. One query."""
    given = Consent.objects.in_force().filter(user__in=list(users), kind=Consent.Kind.MESSAGES)
    now = version(Consent.Kind.MESSAGES)
    rows = given.filter(version__in={now, *WHATSAPP_ALONE}).values_list("user", "version")
    return {user: words == now for user, words in rows}

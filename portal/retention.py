"""What may be deleted by its age, by kind: how many, how old, and the deleting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db.models import Min, QuerySet
from django.utils import timezone

from accounts import audit, sessions
from accounts.models import ApiToken
from diagnoses import retention as pictures
from notifications import retention as numbers


class RetentionError(Exception):
    """The settings contradict each other; the sentence says how."""


@dataclass(frozen=True, slots=True)
class Kind:
    """``when`` is the column whose age counts; ``act`` deletes and says how many rows."""

    name: str
    found: QuerySet[Any]
    when: str
    act: Callable[[], int]

    @property
    def count(self) -> int:
        return self.found.order_by().count()

    @property
    def oldest(self) -> datetime | None:
        moment: datetime | None = self.found.order_by().aggregate(at=Min(self.when))["at"]
        return moment


def check() -> None:
    """Raises :class:`RetentionError` where deleting would break a rule that the clinic gave."""
    for name in ("RETENTION_PICTURE_DAYS", "RETENTION_NUMBER_DAYS"):
        if getattr(settings, name) < 0:
            raise RetentionError(f"{name} is less than 0. 0 keeps for ever.")
    days, years = settings.RETENTION_PICTURE_DAYS, settings.RECORD_RETENTION_YEARS
    if 0 < days < (least := _days_of(years)):
        raise RetentionError(
            f"RETENTION_PICTURE_DAYS is {days}, and RECORD_RETENTION_YEARS says that records are "
            f"kept for {years} years: that is {least} days."
        )


def _days_of(years: int) -> int:
    """With as many leap days as so many years can have."""
    return years * 365 + ceil(years / 4)


def kinds() -> list[Kind]:
    """Those that the settings have an age for, and what is over by itself."""
    check()
    now = timezone.now()
    found = []
    if days := settings.RETENTION_PICTURE_DAYS:
        found.append(_pictures(now - timedelta(days=days)))
    if days := settings.RETENTION_NUMBER_DAYS:
        found += _numbers(now - timedelta(days=days))
    tokens = ApiToken.objects.filter(expiry__lt=now)
    return [
        *found,
        Kind("sessions that are over", sessions.over(), "expire_date", sessions.sweep),
        Kind("tokens that are over", tokens, "expiry", lambda: tokens.delete()[0]),
    ]


def _pictures(moment: datetime) -> Kind:
    cases = pictures.closed_before(moment)

    def act() -> int:
        # One by one: each in its own transaction, so that nobody waits for all of them.
        keys = list(cases.order_by("submitted_at").values_list("pk", flat=True))
        return sum(pictures.let_go_of(key, moment) > 0 for key in keys)

    return Kind("closed cases with pictures", cases, "submitted_at", act)


def _numbers(moment: datetime) -> list[Kind]:
    told, heard = numbers.messages_before(moment), numbers.words_before(moment)
    return [
        Kind(
            "messages with a number or an address",
            told,
            "created_at",
            lambda: told.update(address="", provider_id=""),
        ),
        Kind("numbers that wrote to us", heard, "received_at", lambda: heard.update(e164="")),
    ]


def purge() -> dict[str, int]:
    """Delete all of it; how many of each kind. The trail keeps the counts."""
    done = {kind.name: kind.act() for kind in kinds()}
    pictures.sweep()
    if any(done.values()):
        counts = {name.replace(" ", "_"): count for name, count in done.items() if count}
        audit.record("retention.purged", actor=None, counts=counts)
    return done

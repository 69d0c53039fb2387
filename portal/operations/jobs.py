"""Finding a job by whatever somebody has of it: a reference, or an id."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from diagnoses.models import Case, Scoring
from mlservice.deciding import may_decide
from mlservice.models import BundleCheck
from notifications import staff
from notifications.models import Message, MessageQuerySet

MOST = 10  # named where several fit
_REFERENCE = re.compile(r"[0-9a-f]{8}")
_NUMBER = re.compile(r"[0-9]{1,15}")
CASE, SCORING, MESSAGE, CHECK = "case", "scoring", "message", "check"
WORDS: dict[str, str | Promise] = {
    CASE: _("Case"),
    SCORING: _("Scoring"),
    MESSAGE: _("Message"),
    CHECK: _("Proof of a bundle"),
}


@dataclass(frozen=True, slots=True)
class Job:
    """Something that has a story."""

    kind: str
    of: Case | Scoring | Message | BundleCheck

    @property
    def id(self) -> str:
        """Names this one and no other: "case:<uuid>", "scoring:12"."""
        return f"{self.kind}:{self.of.pk}"

    @property
    def words(self) -> str:
        return f"{WORDS[self.kind]} {self.of.pk}"


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may hear of: an admin of one clinic of its cases; None is the machine's own
    shell, which hears of everything."""

    user: User | None

    def cases(self) -> QuerySet[Case]:
        return Case.objects.all() if self.user is None else Case.objects.visible_to(self.user)

    def scorings(self) -> QuerySet[Scoring]:
        return Scoring.objects.filter(case__in=self.cases())

    def messages(self) -> MessageQuerySet:
        return Message.objects.all() if self.user is None else staff.visible_to(self.user)

    def checks(self) -> QuerySet[BundleCheck]:
        everything = self.user is None or may_decide(self.user)
        return BundleCheck.objects.all() if everything else BundleCheck.objects.none()


def find(asked: str, sight: Sight) -> list[Job]:
    """Everything ``asked`` may mean that may be heard of; mostly one, or nothing.

    A case's reference or id, a message's id, a number of a scoring or of a proof; or any of them
    with its kind, as :attr:`Job.id` says it.
    """
    kind, colon, key = asked.strip().lower().rpartition(":")
    if colon and kind not in WORDS:
        return []
    wanted = [kind] if colon else list(WAYS)
    return [Job(one, found) for one in wanted for found in WAYS[one](key, sight)]


def _cases(key: str, sight: Sight) -> Iterator[Case]:
    if _REFERENCE.fullmatch(key):
        first, last = (uuid.UUID(key + digit * 24) for digit in "0f")
        yield from sight.cases().filter(pk__gte=first, pk__lte=last)[:MOST]
    elif whole := _uuid(key):
        yield from sight.cases().filter(pk=whole)


def _scorings(key: str, sight: Sight) -> Iterator[Scoring]:
    if _NUMBER.fullmatch(key):
        yield from sight.scorings().filter(pk=int(key))


def _messages(key: str, sight: Sight) -> Iterator[Message]:
    if whole := _uuid(key):
        yield from sight.messages().filter(pk=whole)


def _checks(key: str, sight: Sight) -> Iterator[BundleCheck]:
    if _NUMBER.fullmatch(key):
        yield from sight.checks().filter(pk=int(key))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


# What each may be, by its key.
WAYS: dict[str, Callable[[str, Sight], Iterator[Any]]] = {
    CASE: _cases,
    SCORING: _scorings,
    MESSAGE: _messages,
    CHECK: _checks,
}

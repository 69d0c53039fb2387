"""The head of a list in the order of urgency, whatever its length.

What is due soon depends on the clock, so no index has the whole order. Inside a tier it is that of
an index twice: among what is due soon, and among the rest. The head is put together from the heads
of these pieces, in one statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.models import User
from diagnoses.models import DUE_FIRST, RISKY_FIRST, Case, CaseQuerySet

TIER_RANKS = range(3)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a case stands in the order of urgency at this moment."""

    tier_rank: int
    due_rank: int
    risk: float | None
    submitted_at: datetime
    pk: UUID


def mark_of(user: User, case: UUID) -> Mark | None:
    """``None`` if there is no such case for this doctor."""
    ranked: Any = Case.objects.readable_by_doctor(user).urgent_first()
    key = ("tier_rank", "due_rank", "risk", "submitted_at", "pk")
    found = ranked.filter(pk=case).values_list(*key).first()
    return Mark(*found) if found else None


def head(cases: CaseQuerySet, size: int, behind: Mark | None = None) -> CaseQuerySet:
    """The first ``size`` of ``cases``, or of those behind the mark, in the order of urgency."""
    heads = [
        cases.filter(piece).order_by(*RISKY_FIRST).values("pk")[:size] for piece in _pieces(behind)
    ]
    found = heads[0].union(*heads[1:], all=True)
    return Case.objects.filter(pk__in=found).urgent_first()[:size]


def _pieces(behind: Mark | None) -> Iterator[Q]:
    """Conditions that leave :data:`RISKY_FIRST` to sort by; each is a range of an index."""
    for tier_rank in TIER_RANKS:
        for due_rank, due in enumerate((DUE_FIRST, ~DUE_FIRST)):
            piece = Q(tier_rank=tier_rank) & due
            if behind is None or (tier_rank, due_rank) > (behind.tier_rank, behind.due_rank):
                yield piece
            elif (tier_rank, due_rank) == (behind.tier_rank, behind.due_rank):
                yield from (piece & rest for rest in _rest(behind))


def _rest(behind: Mark) -> Iterator[Q]:
    """What comes after the mark in its own piece: the same risk sent later, then a lower risk."""
    later = Q(submitted_at__gt=behind.submitted_at) | Q(pk__gt=behind.pk)
    # An unscored case has no risk and stands first.
    yield Q(risk=behind.risk, submitted_at__gte=behind.submitted_at) & later
    yield Q(risk__isnull=False) if behind.risk is None else Q(risk__lt=behind.risk)

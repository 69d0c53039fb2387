"""The order of every list against the whole of it sorted, for cases drawn by lot, with ties."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import User
from diagnoses import worklist
from diagnoses.models import Case
from diagnoses.worklist import Filters, Show
from tests.cast import Cast

SITES = ("back", "face", "hand")
# Few values each, so that most cases tie with another in all but their keys.
RISKS = {None: (None,), "green": (0.01, 0.05), "amber": (None, 0.2), "red": (None, 0.5, 0.9)}
DUE = (-26, -1, 2, 3.9, 6, 90)  # hours from now
SENT = (11, 12, 60)  # minutes ago
LISTS = [
    *(Filters(show) for show in Show),
    Filters(site="hand"),
    Filters(Show.LATE, site="face"),
    Filters(search="ana"),
    Filters(search="bo", site="back"),
    Filters(search="b"),
    Filters(search="face"),
]


def by_lot(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - the same cases in every run


def drawn(cast: Cast, lot: Random, now: datetime) -> Case:
    """A case in any state a list may or may not show."""
    tier = lot.choice([*RISKS])
    status = lot.choice(["partial", "partial", "partial", "registered", "final", "cancelled"])
    signed = {"signed_at": now, "signed_by": cast.sam} if status == "final" else {}
    return Case(
        pack_name="skin",
        patient=lot.choice([cast.ana, cast.bo]),
        clinic=lot.choice([cast.north, cast.north, cast.north, cast.south]),
        doctor=lot.choice([None, None, cast.ruth, cast.sam]),
        site=lot.choice(SITES),
        tier=tier,
        risk=lot.choice(RISKS[tier]),
        status=status,
        submitted_at=now - timedelta(minutes=lot.choice(SENT)),
        answer_due_at=now + timedelta(hours=lot.choice(DUE)),
        question_since=lot.choice([None, None, now]),
        **signed,
    )


def whole(doctor: User, filters: Filters) -> list[UUID]:
    found = filters.apply(worklist.shown_in(filters.show, doctor), doctor)
    return [case.pk for case in found.urgent_first()]


def paged(doctor: User, filters: Filters, size: int) -> Iterator[list[UUID]]:
    """Page after page, each asked for by the last case of the one before."""
    after = None
    while True:
        page = worklist.page(doctor, filters, after=after, size=size)
        yield [row.case.pk for row in page.rows]
        after = page.after
        if after is None:
            return


@pytest.mark.parametrize("seed", range(4))
def test_the_pages_of_every_list_are_the_whole_order_in_pieces(cast: Cast, seed: int) -> None:
    lot, now = by_lot(seed), timezone.now()
    Case.objects.bulk_create(drawn(cast, lot, now) for _ in range(90))
    for filters in LISTS:
        expected = whole(cast.ruth, filters)
        assert expected, filters
        pages = list(paged(cast.ruth, filters, lot.randint(2, 9)))
        assert [case for page in pages for case in page] == expected, filters


def test_a_page_may_begin_behind_any_case(cast: Cast) -> None:
    lot, now = by_lot(11), timezone.now()
    Case.objects.bulk_create(drawn(cast, lot, now) for _ in range(60))
    for filters in (Filters(), Filters(Show.ASKED)):
        expected = whole(cast.ruth, filters)
        for place, mark in enumerate(expected):
            rows = worklist.page(cast.ruth, filters, after=mark, size=5).rows
            assert [row.case.pk for row in rows] == expected[place + 1 : place + 6]


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_and_goes_between_two_pages_makes_no_other_case_skip_or_repeat(
    cast: Cast, seed: int
) -> None:
    lot, now = by_lot(100 + seed), timezone.now()
    Case.objects.bulk_create(drawn(cast, lot, now) for _ in range(90))
    before = whole(cast.ruth, Filters())
    signed: dict[str, Any] = {"status": "final", "signed_at": now, "signed_by": cast.sam}
    seen: list[UUID] = []
    gone: set[UUID] = set()
    for page in paged(cast.ruth, Filters(), 7):
        seen += page
        Case.objects.bulk_create(drawn(cast, lot, now) for _ in range(3))
        # The very case that marks the next page is answered, and one that is still to come.
        rest = [case for case in before if case not in seen]
        gone |= {page[-1], *rest[3:4]}
        Case.objects.filter(pk__in=gone).update(**signed)
    assert len(seen) == len(set(seen))
    assert [case for case in seen if case in before] == [
        case for case in before if case in seen or case not in gone
    ]

"""What is in the audit trail stays as it was written."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from accounts.audit import record, together
from accounts.models import AuditEntry
from tests.cast import Cast


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditentry SET action = 'nothing'",
        "UPDATE accounts_auditentry SET actor_id = NULL",
        "DELETE FROM accounts_auditentry",
    ],
)
def test_the_database_refuses_to_rewrite_it(cast: Cast, statement: str) -> None:
    entry = record("case.viewed", actor=cast.ruth, about="case:1", size="thumb")
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    kept = AuditEntry.objects.get(pk=entry.pk)
    assert (kept.action, kept.actor, kept.detail) == ("case.viewed", cast.ruth, {"size": "thumb"})


def test_a_line_lives_and_dies_with_its_change(cast: Cast) -> None:
    before = AuditEntry.objects.count()
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012 - the line must be undone with the rest
        record("case.viewed", actor=cast.ruth)
        raise RuntimeError
    assert AuditEntry.objects.count() == before


def test_who_is_in_the_trail_cannot_be_deleted(cast: Cast) -> None:
    with pytest.raises(DatabaseError):
        cast.ana.delete()


def test_what_one_page_shows_is_written_in_one_statement(
    cast: Cast, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    newest = AuditEntry.objects.values_list("pk", flat=True).first() or 0
    with django_assert_num_queries(1), together():
        record("case.viewed", actor=cast.ruth, about="case:1")
        record("similar.shown", actor=cast.ruth, about="case:1", cases=["2"])
    lines = AuditEntry.objects.filter(pk__gt=newest).order_by("pk")
    assert [(one.action, one.detail) for one in lines] == [
        ("case.viewed", {}),
        ("similar.shown", {"cases": ["2"]}),
    ]
    assert record("case.viewed", actor=cast.ruth).pk


def test_a_page_that_fails_is_written_down_all_the_same(cast: Cast) -> None:
    with pytest.raises(RuntimeError), together():  # noqa: PT012 - the line comes before the failure
        record("case.viewed", actor=cast.ruth, about="case:17")
        raise RuntimeError
    assert AuditEntry.objects.get(about="case:17").actor == cast.ruth

"""What is in the audit trail stays as it was written."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.audit import record
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

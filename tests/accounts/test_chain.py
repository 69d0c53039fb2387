"""The audit trail's chain: whatever is done to a line afterwards is found."""

from __future__ import annotations

import random
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import chain, tasks
from accounts.audit import record
from accounts.models import AuditEntry, AuditLink
from benchmarks.audit.tampering import KINDS, Trail
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def test_every_line_gets_one_place_in_order_and_the_trail_is_whole(cast: Cast) -> None:
    tasks.seal_trail()
    record("case.viewed", actor=cast.ruth, about="case:1", share=0.1, words="é")
    assert chain.verify().waiting == 1
    assert chain.seal() == 1
    assert chain.seal() == 0
    places = list(AuditLink.objects.values_list("position", flat=True))
    assert places == list(range(1, AuditEntry.objects.count() + 1))
    found = chain.verify()
    assert (found.linked, found.waiting, found.faults) == (len(places), 0, [])


def test_a_line_that_shows_itself_below_the_newest_gets_its_place(cast: Cast) -> None:
    """Its transaction took its key first and ended last."""
    chain.seal()
    AuditEntry.objects.create(pk=-5, action="case.viewed", detail={})
    assert chain.seal() == 1
    AuditEntry.objects.create(pk=-2 * chain.WINDOW, action="case.viewed", detail={})
    assert chain.seal() == 0, "so far back it is looked for once an hour"
    chain.keep_seal()
    assert chain.verify().faults == []
    assert AuditLink.objects.count() == AuditEntry.objects.count()


def test_lines_that_waited_for_days_are_no_fault_and_one_of_another_day_is(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No io worker ran; and then somebody puts one in, which the sweep takes like any other."""
    monkeypatch.setattr(chain, "MOST", 7)
    chain.keep_seal()
    first = timezone.now()
    AuditEntry.objects.bulk_create(
        AuditEntry(action="case.viewed", detail={}, at=first + timedelta(hours=hour))
        for hour in range(30)
    )
    found = chain.verify()
    assert (found.waiting, found.faults) == (30, [])
    chain.keep_seal()
    assert chain.verify().faults == []
    AuditEntry.objects.create(action="case.signed", detail={}, at=first + timedelta(hours=9))
    [unlinked] = chain.verify().faults
    chain.seal()
    [linked] = chain.verify().faults
    assert "put in afterwards" in unlinked
    assert "put in afterwards" in linked


def test_linking_much_takes_as_many_statements_as_linking_little(cast: Cast) -> None:
    chain.seal()
    counts = []
    for many in (1, 40):
        for number in range(many):
            record("case.viewed", actor=cast.ruth, about=f"case:{number}")
        with CaptureQueriesContext(connection) as queries:
            assert chain.seal() == many
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8


@pytest.mark.parametrize("statement", ["UPDATE accounts_auditlink SET digest = ''", "DELETE FROM"])
def test_the_database_refuses_to_change_a_link(cast: Cast, statement: str) -> None:
    chain.seal()
    if statement == "DELETE FROM":
        statement += " accounts_auditlink"
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.fixture
def trail(cast: Cast) -> Trail:
    return Trail.made(20)


@pytest.mark.parametrize("name", KINDS)
def test_whatever_is_done_to_the_tables_is_found(trail: Trail, name: str) -> None:
    assert trail.verdict().faults == []
    dice = random.Random(name)  # noqa: S311 - dice
    assert all(trail.tampered(name, dice) for _ in range(5))
    assert trail.verdict().faults == [], "all of it was undone"


def test_a_tail_that_is_cut_off_whole_is_found_by_the_seals_alone(trail: Trail) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            KINDS["the tail cut off"](trail, cursor, random.Random(1))  # noqa: S311 - dice
        assert chain.verify().faults == []
        assert len(trail.verdict().faults) >= 1
        transaction.set_rollback(True)


def test_with_another_key_nothing_of_it_is_believed(trail: Trail, settings: Settings) -> None:
    settings.AUDIT_KEY = "another one"
    assert len(chain.verify().faults) == AuditLink.objects.count()


# --- The command, and the seals -------------------------------------------------------------------
def told(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_says_that_all_is_as_it_was_written(
    cast: Cast, settings: Settings, tmp_path: Path
) -> None:
    settings.AUDIT_SEALS = str(tmp_path / "seals")
    tasks.keep_seal()
    record("case.viewed", actor=cast.ruth)
    tasks.keep_seal()
    said = told()
    assert "as it was written" in said
    assert "2 seals" in said
    kept = chain.read_seals(tmp_path / "seals")
    assert [one.position for one in kept] == [kept[0].position, kept[0].position + 1]


def test_the_command_fails_and_names_the_place(trail: Trail, tmp_path: Path) -> None:
    file = tmp_path / "seals"
    file.write_text("".join(one.written() + "\n" for one in trail.seals))
    told("--seals", str(file))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                "UPDATE accounts_auditentry SET about = 'x' WHERE id = %s", [trail.keys[3]]
            )
        with pytest.raises(CommandError, match="1 faults"):
            told("--seals", str(file))
        transaction.set_rollback(True)


@pytest.mark.parametrize("text", ["{", '{"position": 1}', "[]"])
def test_seals_that_cannot_be_read_are_said_to_be_so(cast: Cast, tmp_path: Path, text: str) -> None:
    (tmp_path / "seals").write_text(text)
    with pytest.raises(CommandError, match="cannot be read"):
        told("--seals", str(tmp_path / "seals"))
    with pytest.raises(CommandError, match="cannot be read"):
        told("--seals", str(tmp_path / "nowhere"))

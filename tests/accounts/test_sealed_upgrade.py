"""An installation from before numbers rested sealed: the upgrade seals them, and can go back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts import people
from accounts.models import ContactNumber
from diagnoses.models import Draft
from notifications.models import Inbound
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
NUMBER = "+447700900155"
HELD = {
    "accounts_contactnumber": "e164",
    "accounts_stoppedphone": "e164",
    "notifications_inbound": "e164",
    "diagnoses_draft": "data",
}


@pytest.fixture
def before() -> Iterator[None]:
    yield
    call_command("migrate", verbosity=0)


def held() -> str:
    with connection.cursor() as cursor:
        found = []
        for table, column in HELD.items():
            cursor.execute(f"SELECT {column}::text FROM {table}")  # noqa: S608 - our own names
            found += [row[0] for row in cursor.fetchall()]
    return " ".join(found)


def test_rows_of_before_are_sealed(cast: Cast, before: None) -> None:
    people.add_number(cast.bo, NUMBER, opt_in=True)
    people.opt_out(NUMBER)
    for number, e164 in enumerate((NUMBER, "")):  # of who was erased nothing is left
        Inbound.objects.create(provider_id=f"SM{number}", e164=e164, word="stop")
    key = "5f0c3c1e-0000-4000-8000-000000000001"
    Draft.objects.create(
        patient=cast.bo, submit_key=key, pack_name="skin", data={"contact": [NUMBER]}
    )
    assert "7700900" not in held()
    MigrationExecutor(connection).migrate([("accounts", "0013_audit_chain")])
    assert held().count("7700900155") == 4
    call_command("migrate", verbosity=0)

    assert "7700900" not in held()
    assert ContactNumber.objects.get(e164=NUMBER).user == cast.bo
    assert people.stopped(NUMBER)
    assert set(Inbound.objects.values_list("e164", flat=True)) == {NUMBER, ""}
    assert Draft.objects.get().data == {"contact": [NUMBER]}

"""The database is the real one, and holds what the migrations promise."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import IntegrityError

from accounts.audit import record
from accounts.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_the_database_is_postgresql() -> None:
    assert connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SELECT lower('ÄÉ'), current_database()")
        assert cursor.fetchone() == ("äé", connection.settings_dict["NAME"])


def test_the_tables_are_what_the_models_say() -> None:
    try:
        call_command("makemigrations", check=True, dry_run=True, verbosity=1)
    except SystemExit:
        pytest.fail("a model was changed without a migration: run manage.py makemigrations")


def test_the_database_refuses_to_change_or_delete_an_audit_entry() -> None:
    entry = record("test.happened", actor=None)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(action="something.else")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).delete()
    assert AuditEntry.objects.get(pk=entry.pk).action == "test.happened"

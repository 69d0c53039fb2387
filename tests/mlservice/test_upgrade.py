"""An installation from before decisions were kept: one can go back, and compare."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from mlservice import deciding, registry
from mlservice.models import Activation, ModelVersion
from tests.mlservice.bundles import both_shipped

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def before() -> Iterator[None]:
    yield
    call_command("migrate", verbosity=0)  # other rooms' migrations rest on these and went with them


def test_versions_from_before_are_filled_in(before: None) -> None:
    old, new = both_shipped()
    kept = {version.pk: version.frozen_set for version in (old, new)}
    assert all(kept.values())
    ModelVersion.objects.filter(pk=old.pk).update(
        state="retired", activated_at=datetime(2026, 11, 1, tzinfo=UTC)
    )
    ModelVersion.objects.filter(pk=new.pk).update(
        state="active", activated_at=datetime(2026, 11, 2, tzinfo=UTC)
    )
    MigrationExecutor(connection).migrate([("mlservice", "0002_worker_report")])
    call_command("migrate", verbosity=0)

    assert dict(ModelVersion.objects.values_list("pk", "frozen_set")) == kept
    moves = Activation.objects.order_by("pk").values_list("version", "replaced", "how")
    assert list(moves) == [(old.pk, None, "command"), (new.pk, old.pk, "command")]
    active = registry.active("skin")
    assert active == new
    assert deciding.back_from(new) == old

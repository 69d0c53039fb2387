"""Beat is dead: an io worker does by itself what nobody asked for."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.alone import LOCK_CLASS, key_of
from diagnoses.models import UNSCORED_SHOWS_AFTER, Case
from portal.celery import app
from portal.clock import MISSED, Clock
from tests.cases import a_model_version, submitted
from tests.cast import build_cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]
SWEEP = "diagnoses.sweep"
SECONDS = 10.0  # as beat's schedule has it


@pytest.fixture(autouse=True)
def tasks() -> None:
    """As a worker has them."""
    app.loader.import_default_modules()


@pytest.fixture
def late() -> Case:
    """A case that the computer has not come to in time."""
    a_model_version()
    case = submitted(build_cast().ana)
    long_ago = timezone.now() - UNSCORED_SHOWS_AFTER - timedelta(minutes=1)
    Case.objects.filter(pk=case.pk).update(submitted_at=long_ago)
    return case


def passed_on(case: Case) -> bool:
    case.refresh_from_db()
    return case.status == Case.Status.PARTIAL


def test_what_nobody_asked_for_is_done(late: Case) -> None:
    keeper = Clock(app)
    keeper.look(time.monotonic())
    assert not passed_on(late), "beat may still come"
    keeper.look(time.monotonic() + MISSED * SECONDS + 1)
    assert passed_on(late)


def test_while_beat_calls_nothing_is_done_twice(late: Case) -> None:
    keeper = Clock(app)
    started = time.monotonic()
    keeper.look(started + MISSED * SECONDS - 1)
    keeper.asked(SWEEP)
    # Just now, so not before as long again.
    keeper._due = {SWEEP: keeper._due[SWEEP]}
    keeper.look(started + MISSED * SECONDS - 1)
    assert not passed_on(late)


def test_one_worker_at_a_time(late: Case) -> None:
    lock = [LOCK_CLASS, key_of(SWEEP)]
    with connection.copy().cursor() as somebody_else:
        somebody_else.execute("SELECT pg_advisory_lock(%s, %s)", lock)
        keeper = Clock(app)
        keeper.look(time.monotonic() + MISSED * SECONDS + 1)
        assert not passed_on(late)
        somebody_else.execute("SELECT pg_advisory_unlock(%s, %s)", lock)
        keeper.look(time.monotonic() + 2 * MISSED * SECONDS)
        assert passed_on(late)


def test_a_task_that_fails_does_not_stop_the_clock(
    late: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("the disk is gone")

    keeper = Clock(app)
    with monkeypatch.context() as broken:
        broken.setattr(app.tasks[SWEEP], "run", fails)
        keeper.look(time.monotonic() + MISSED * SECONDS + 1)
    keeper.look(time.monotonic() + 2 * MISSED * SECONDS)
    assert passed_on(late)

"""Wake-up calls: on time when the broker lives, and never anyone's problem when it does not."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from notifications import wake
from notifications.models import Message
from notifications.tasks import deliver_due
from portal.standin.server import StandIn
from tests.cast import Cast
from tests.notifications.conftest import now, tell


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port where something listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def point_to(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Send the calls of this test to another broker."""
    app = Celery("elsewhere", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    app.conf.broker_transport_options = {"socket_connect_timeout": 0.2, "socket_timeout": 0.2}
    app.conf.task_publish_retry = False
    monkeypatch.setattr(wake, "current_app", app)
    monkeypatch.setattr(wake, "_waker", wake._Waker())


def longest_call() -> float:
    durations = []
    for _ in range(50):
        start = time.perf_counter()
        wake.wake("test.nothing")
        durations.append(time.perf_counter() - start)
    return max(durations)


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_costs_a_request_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    point_to(monkeypatch, 9)
    assert longest_call() < 0.2
    assert not wake.flush(0.05), "it keeps trying, in the background"


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_fails_is_mentioned_once_and_so_is_its_return(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([OSError("away"), RuntimeError("away"), None, OSError("away again")])

    def send(*_args: object, **_more: object) -> None:
        answer = next(answers)
        if answer is not None:
            raise answer

    point_to(monkeypatch, 9)
    monkeypatch.setattr(Celery, "send_task", send)
    with caplog.at_level(logging.INFO, "notifications.wake"):
        for number in range(4):
            wake.wake(f"test.{number}")
            assert wake.flush(5)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_never_answers_costs_a_request_nothing(
    monkeypatch: pytest.MonkeyPatch, black_hole: int
) -> None:
    point_to(monkeypatch, black_hole)
    assert longest_call() < 0.2
    assert not wake.flush(0.05), "the call hangs, in the background"


def test_a_process_that_ends_waits_a_second_for_a_silent_broker_at_most(black_hole: int) -> None:
    code = (
        "import django, time; django.setup(); from notifications import wake\n"
        "began = time.monotonic(); wake._waker.call('x'); print(time.monotonic() - began)"
    )
    env = os.environ | {
        "REDIS_URL": f"redis://127.0.0.1:{black_hole}/0",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    child = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert float(child.stdout.readline()) < 0.2
    began = time.monotonic()
    assert child.wait(10) == 0
    assert time.monotonic() - began < 3


@pytest.mark.django_db(transaction=True)
def test_a_call_reaches_the_queue_after_the_commit_and_only_then(servers: None) -> None:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("io")
    with transaction.atomic():
        wake.wake("notifications.deliver_due")
        assert wake.flush(5)
        assert broker.llen("io") == 0
    assert wake.flush(5)
    assert broker.llen("io") == 1
    with transaction.atomic():
        wake.wake("notifications.deliver_due")
        transaction.set_rollback(True)
    assert wake.flush(5)
    assert broker.llen("io") == 1
    broker.delete("io")


def test_telling_calls_the_worker_whose_task_delivers_it(
    cast: Cast,
    twilio: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    called: list[str] = []
    monkeypatch.setattr(wake._waker, "call", called.append)
    with django_capture_on_commit_callbacks(execute=True):
        told = [tell(cast.ana, about=f"case:{number}") for number in range(30)]
    assert set(called) == {deliver_due.name} == {"notifications.deliver_due"}
    assert deliver_due() == 30
    assert {now(message).state for message in told} == {Message.State.SENT}
    assert deliver_due() == 0
    assert len(twilio.store.accepted()) == 30

"""Real worker processes, really killed: nothing is lost, nothing is doubled."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import requests
from django.db.models import Count

from accounts import tokens
from accounts.models import Scope
from diagnoses.inference import CASES_AT_ONCE
from diagnoses.models import Case, Prediction, Scoring
from diagnoses.states import NewPhoto
from mlservice.engine import shipped
from mlservice.models import ModelVersion
from notifications.models import Event, Message
from portal.machine.servers import Redis, free_port
from portal.machine.stack import Stack
from tests.cases import jpeg, photo, submitted
from tests.cast import build_cast
from tests.stack import database_url, eventually, get

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)


def all_settled() -> bool:
    return not Scoring.objects.waiting().exists()


def send(stack: Stack, name: str, what: signal.Signals) -> None:
    pid = stack.children[name].pid
    assert pid is not None
    os.kill(pid, what)


def assert_nothing_lost_or_doubled(cases: list[Case]) -> None:
    """The journal of what was acknowledged against what the database holds."""
    counted = Case.objects.annotate(views=Count("predictions")).values_list("pk", "views")
    assert dict(counted) == {case.pk: 1 for case in cases}
    told = Message.objects.filter(event=Event.CASE_CHECKED).values_list("about", flat=True)
    assert sorted(told) == sorted(f"case:{case.pk}" for case in cases)


def test_kill_9_in_the_middle_of_real_work(live_stack: Stack) -> None:
    cast = build_cast()
    cases = [submitted(cast.ana) for _ in range(40)]
    live_stack.start("inference", "inference-2")
    orphaned = 0
    for killed in ("inference", "inference-2", "inference"):
        scored = Prediction.objects.count()
        eventually(lambda scored=scored: Prediction.objects.count() > scored)  # type: ignore[misc]
        live_stack.kill(killed)
        orphaned += Scoring.objects.waiting().filter(token__isnull=False).count()
        live_stack.start(killed)
    eventually(all_settled, 60, "scoring all cases")
    assert orphaned > 0, "no worker was killed with rows in its hands: the test saw nothing"
    assert_nothing_lost_or_doubled(cases)


def test_the_other_worker_takes_over_within_seconds(live_stack: Stack) -> None:
    cast = build_cast()
    live_stack.start("inference")
    case = submitted(cast.ana)
    eventually(all_settled)
    # A stopped process keeps its lock and its lease; killed, it keeps neither.
    held = submitted(cast.ana, site="chest")
    send(live_stack, "inference", signal.SIGSTOP)
    Scoring.objects.filter(case=held).update(
        token="0" * 32, holder=4711, attempts=1, lease_until="2999-01-01T00:00Z"
    )
    live_stack.kill("inference")
    live_stack.start("inference-2")
    started = time.monotonic()
    eventually(all_settled, 10, "taking over a dead worker's row")
    assert time.monotonic() - started < 10
    assert_nothing_lost_or_doubled([case, held])


def test_a_worker_stopped_past_its_lease_is_refused(live_stack: Stack) -> None:
    """The zombie wakes up with an answer to a question somebody else has answered since."""
    cast = build_cast()
    live_stack.start("inference", SCORING_LEASE_SECONDS="2")
    cases = [submitted(cast.ana) for _ in range(12)]
    eventually(lambda: Scoring.objects.waiting().filter(token__isnull=False).exists())
    send(live_stack, "inference", signal.SIGSTOP)
    try:
        live_stack.start("inference-2", SCORING_LEASE_SECONDS="2")
        eventually(all_settled, 60, "scoring what the stopped worker held")
    finally:
        send(live_stack, "inference", signal.SIGCONT)
    time.sleep(2)
    assert_nothing_lost_or_doubled(cases)


def test_row_locks_of_a_stopped_transaction_end(live_stack: Stack) -> None:
    """Stopped between two statements: SKIP LOCKED would pass its rows by for ever."""
    cast = build_cast()
    case = submitted(cast.ana)
    limit = "-c idle_in_transaction_session_timeout=2s"
    with suppress(psycopg.Error), psycopg.connect(database_url(), options=limit) as stopped:
        stopped.execute("SELECT * FROM diagnoses_scoring FOR UPDATE")
        live_stack.start("inference")
        eventually(all_settled, 20, "scoring what a stopped transaction held")
    assert_nothing_lost_or_doubled([case])


def test_every_process_of_the_portal_has_that_limit(live_stack: Stack) -> None:
    ask = (
        "import django; django.setup()\n"
        "from django.db import connection\n"
        "with connection.cursor() as cursor:\n"
        "    cursor.execute('SHOW idle_in_transaction_session_timeout')\n"
        "    print(cursor.fetchone()[0])"
    )
    said = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, **live_stack.env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "5s"


def test_a_polite_stop_leaves_no_lease_behind(live_stack: Stack) -> None:
    cast = build_cast()
    cases = [submitted(cast.ana) for _ in range(20)]
    live_stack.start("inference")
    eventually(Prediction.objects.exists)
    live_stack.stop("inference")
    assert not Scoring.objects.waiting().filter(token__isnull=False).exists()
    live_stack.start("inference")
    eventually(all_settled, 30)
    assert_nothing_lost_or_doubled(cases)


def test_with_a_dead_broker_uploads_are_taken_and_scored(live_stack: Stack) -> None:
    """Nothing listens where the broker should be, from the start."""
    cast = build_cast()
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    live_stack.start("web", REDIS_URL=nowhere)
    _, token = tokens.make(cast.ana, Scope)
    start = time.monotonic()
    answer = requests.post(
        f"{live_stack.url}/api/v1/cases",
        headers={"Authorization": f"Token {token}"},
        data={"site": "back", "kind": "dermoscopic"},
        files={"photo": ("photo.jpg", io.BytesIO(jpeg()))},
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    assert time.monotonic() - start < 5, "a dead broker may not hold up an upload"
    assert Scoring.objects.waiting().count() == 1


def test_a_broker_that_dies_costs_latency_only(live_stack: Stack, tmp_path: Path) -> None:
    cast = build_cast()
    broker = Redis(tmp_path / "broker", tmp_path / "logs")
    broker.start()
    live_stack.start("inference", REDIS_URL=broker.url())
    broker.stop()
    cases = [submitted(cast.ana) for _ in range(5)]
    eventually(all_settled, 15, "scoring without a broker")
    broker.start()
    cases.append(submitted(cast.ana))
    eventually(all_settled, 15, "scoring after the broker came back")
    assert_nothing_lost_or_doubled(cases)


@pytest.mark.parametrize("place", ["after_claim", "after_decode", "after_predict"])
def test_killed_at_a_named_place(live_stack: Stack, place: str) -> None:
    """Two workers; the first dies there, the second has its rows within seconds."""
    cast = build_cast()
    live_stack.start("inference", FAILPOINT=f"{place}:2")
    cases = [submitted(cast.ana) for _ in range(12)]
    eventually(lambda: not live_stack.children["inference"].running, 30, "dying there")
    assert Scoring.objects.waiting().filter(attempts=1).exists(), "it died with rows in its hands"
    live_stack.start("inference-2")
    eventually(all_settled, 60, "scoring what the dead one held")
    assert_nothing_lost_or_doubled(cases)


@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
def test_killed_around_the_commit(live_stack: Stack, place: str) -> None:
    cast = build_cast()
    cases = [submitted(cast.ana) for _ in range(3 * CASES_AT_ONCE)]
    live_stack.start("inference", FAILPOINT=f"{place}:2")  # in its second batch
    eventually(lambda: not live_stack.children["inference"].running, 30, "dying there")
    filed = 1 if place == "before_commit" else 2  # batches, whole ones
    assert Prediction.objects.count() == filed * CASES_AT_ONCE
    live_stack.start("inference-2")
    eventually(all_settled, 60, "scoring what the dead one held")
    assert_nothing_lost_or_doubled(cases)


def test_a_hung_batch_ends_the_process(live_stack: Stack) -> None:
    cast = build_cast()
    case = submitted(cast.ana)
    live_stack.start("inference", FAILPOINT="after_decode:1:hang", SCORING_HANG_SECONDS="3")
    eventually(lambda: not live_stack.children["inference"].running, 30, "the watchdog")
    assert "Timeout" in live_stack.log("inference"), "it says where it stood"
    live_stack.start("inference-2")
    eventually(all_settled, 30, "scoring what the hung one held")
    assert_nothing_lost_or_doubled([case])


@pytest.mark.parametrize("action", ["crash", "memory"])
def test_a_poison_photo_goes_to_the_doctors_and_the_worker_lives(
    live_stack: Stack, action: str
) -> None:
    cast = build_cast()
    hostile = submitted(cast.ana, photos=[NewPhoto("dermoscopic", photo(9, kind="mel"))])
    mates = [submitted(cast.ana) for _ in range(3)]
    poison = f"{hostile.photos.get().sha256}:{action}"
    live_stack.start("inference", DECODE_POISON=poison)
    pid = live_stack.children["inference"].pid
    eventually(all_settled, 60, "giving the hostile one up")
    row = Scoring.objects.get(case=hostile)
    hostile.refresh_from_db()
    assert (row.attempts, hostile.status, hostile.prediction) == (3, "partial", None)
    assert live_stack.children["inference"].running
    assert live_stack.children["inference"].pid == pid
    assert max(Scoring.objects.filter(case__in=mates).values_list("attempts", flat=True)) == 1
    assert Prediction.objects.count() == len(mates)


def test_a_worker_says_what_it_refuses_and_claims_nothing(live_stack: Stack) -> None:
    cast = build_cast()
    live_stack.start("inference", "web")
    assert get(f"{live_stack.url}/readyz").json()["inference_workers"] == 1
    live_stack.stop("inference")
    ModelVersion.objects.update(folder="no-such-folder")
    case = submitted(cast.ana)
    live_stack.begin("inference")
    eventually(lambda: get(f"{live_stack.url}/readyz").status_code == 503, 30, "saying so")
    eventually(lambda: "Refusing to serve" in live_stack.log("inference"), 30, "refusing")
    assert Scoring.objects.get(case=case).attempts == 0
    ModelVersion.objects.update(folder=shipped().name)
    eventually(all_settled, 40, "scoring once the files are back")
    assert get(f"{live_stack.url}/readyz").status_code == 200
    assert_nothing_lost_or_doubled([case])

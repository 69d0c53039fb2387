"""The portal as processes: a worker killed in the middle of its work, a broker that is wiped."""

from __future__ import annotations

import secrets

import pytest

from accounts.models import User
from diagnoses.models import Case, Prediction, Scoring
from notifications.models import Message
from tests.cases import photo, submitted
from tests.cast import build_cast
from tests.plugin import REDIS
from tests.stack import Stack, eventually, get

CASES = 24
LEASE = {"SCORING_LEASE_SECONDS": "5"}


def _send(patient: User, count: int = CASES) -> list[Case]:
    from diagnoses.workflow import NewPhoto

    # Three pictures to a case make a batch long enough to be killed in the middle of.
    pictures = [NewPhoto("dermoscopic", photo(seed)) for seed in (1, 2, 3)]
    return [submitted(patient, photos=pictures) for _ in range(count)]


def _everything_scored(cases: list[Case]) -> bool:
    return not Scoring.objects.waiting().filter(case__in=cases).exists()


def test_a_worker_killed_in_the_middle_of_its_work_loses_nothing_and_doubles_nothing(
    live_stack: Stack,
) -> None:
    cases = _send(build_cast().ana)
    live_stack.start("inference-1", **LEASE)
    claimed = Scoring.objects.filter(lease_until__isnull=False, settled_at=None)
    eventually(claimed.exists, what="the first claim")

    live_stack.kill("inference-1")
    assert Prediction.objects.count() < CASES, "killed too late to prove anything"
    live_stack.start("inference-2", **LEASE)

    eventually(lambda: _everything_scored(cases), seconds=60, what="scoring every case")
    per_case = {case.pk: case.predictions.count() for case in cases}
    assert set(per_case.values()) == {1}
    assert set(Case.objects.values_list("status", flat=True)) == {Case.Status.PARTIAL}
    told = Message.objects.filter(event="case_checked").values_list("about", flat=True)
    assert len(told) == len(set(told)) == CASES


def test_of_two_workers_the_other_goes_on_and_frees_what_the_dead_one_held(
    live_stack: Stack,
) -> None:
    ana = build_cast().ana
    live_stack.start("inference-1", "inference-2")  # the lease is the usual twenty seconds
    cases = _send(ana)
    eventually(Prediction.objects.exists, what="the first prediction")

    live_stack.kill(secrets.choice(["inference-1", "inference-2"]))

    # Well before the lease ends: the dead worker's advisory lock tells on it.
    eventually(lambda: _everything_scored(cases), seconds=15, what="scoring every case")
    assert Prediction.objects.count() == CASES


@pytest.mark.skipif(REDIS is None, reason="REDIS_URL names a server that is not ours to stop")
def test_a_case_is_scored_while_the_broker_is_dead_and_after_it_came_back_empty(
    live_stack: Stack,
) -> None:
    assert REDIS
    ana = build_cast().ana
    live_stack.start("web", "inference")
    REDIS.child.kill()
    try:
        case = submitted(ana)
        eventually(case.predictions.exists, what="scoring without a broker")
        assert get(f"{live_stack.url}/readyz").json()["broker"] == "does not answer"
    finally:
        REDIS.start()
    after = submitted(ana)
    eventually(after.predictions.exists, what="scoring after the broker came back")

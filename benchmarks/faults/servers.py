"""The servers under the portal, killed and started again: Redis and PostgreSQL."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil
import psycopg
import redis
from django.db import connections

from benchmarks.faults import seen
from benchmarks.faults.clients import Clients
from benchmarks.faults.house import House
from benchmarks.faults.journal import TAKEN, Try
from benchmarks.faults.outcome import Outcome

REDIS_DOWN = 5.0  # seconds
POSTGRES_DOWN = 3.0  # seconds, every second time
BACK_WITHIN = 5.0  # seconds after PostgreSQL was allowed to start


def redis_wiped(house: House, _clients: Clients, outcome: Outcome, times: int) -> None:
    """Everything in Redis forgotten, and its process killed; the supervisor starts it again."""
    server = house.rig.redis
    for _ in range(times):
        house.pause(1)
        with redis.Redis.from_url(server.url()) as client:
            outcome.proof["keys_wiped"] += int(client.dbsize())
            client.flushall()
        seen.moves_again(house, outcome, house.kill(server.child))
        house.until(lambda: _redis_answers(server.url()), 30, "Redis answers")


def redis_down(house: House, clients: Clients, outcome: Outcome, times: int) -> None:
    """Nobody listens where Redis was: cases are taken and analysed all the same."""
    for _ in range(times):
        house.pause(0.5)
        with house.held_down(house.rig.redis.child) as at:
            house.pause(REDIS_DOWN)
            taken = [
                entry
                for entry in clients.journal.acknowledged(outcome.fault)
                if (entry.acknowledged or 0) > at
            ]
            first = seen.first_after(at)
        outcome.proof["taken_meanwhile"] += len(taken)
        outcome.must(bool(taken), "no case was taken while Redis was down")
        outcome.must(first is not None, "no case was analysed while Redis was down")
        seen.moves_again(house, outcome, at)
        house.until(lambda: _redis_answers(house.rig.redis.url()), 30, "Redis answers")


def _redis_answers(url: str) -> bool:
    with suppress(redis.RedisError), redis.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


def postgres_killed(house: House, clients: Clients, outcome: Outcome, times: int) -> None:
    """SIGKILL to every process of PostgreSQL: what was acknowledged is on the disk.

    Every second time it stays away for a while, so that requests meet nobody.
    """
    for number in range(times):
        house.pause(1)
        down = POSTGRES_DOWN if number % 2 else 0.0
        sessions = _processes(house)
        connections.close_all()
        with house.held_down(house.rig.postgres.child) as at:
            for session in sessions:
                with suppress(psutil.NoSuchProcess):
                    session.kill()
            house.pause(down)
        started = time.time()
        outcome.proof["processes_killed"] += 1 + len(sessions)
        house.until(lambda: _postgres_answers(house), 60, "PostgreSQL answers")
        seen.moves_again(house, outcome, at)
        outcome.recovery[-1] -= down  # nobody can move while it is kept away
        back = _acknowledged_after(clients, house, outcome.fault, started) - started
        if back > BACK_WITHIN:
            outcome.slow.append(f"the first case was taken {back:.1f} s after the restart")
    clients.end()
    house.until(lambda: clients.idle, 120, "every sender was answered")
    for one in _refusals(clients, outcome.fault):
        kept = one.status == 503 and bool(one.retry_after)
        outcome.proof["refused_503" if kept else f"refused_{one.status}"] += 1
        outcome.must(kept, f"a request was answered {one.status} {one.why[:80]}")


def _processes(house: House) -> list[psutil.Process]:
    """PostgreSQL's own, the sessions' too: one left alive would hold on to the shared memory."""
    postmaster = psutil.Process(house.rig.postgres.child.pid)
    found: list[psutil.Process] = postmaster.children(recursive=True)
    return found


def _postgres_answers(house: House) -> bool:
    with (
        suppress(psycopg.OperationalError),
        psycopg.connect(house.rig.postgres.url(), connect_timeout=2),
    ):
        return True
    return False


def _acknowledged_after(clients: Clients, house: House, fault: str, at: float) -> float:
    """When the first case after ``at`` was acknowledged."""

    def times() -> list[float]:
        acknowledged = (one.acknowledged for one in clients.journal.acknowledged(fault))
        return [when for when in acknowledged if when and when > at]

    house.until(lambda: bool(times()), 60, "a case is taken after PostgreSQL's restart")
    return min(times())


def _refusals(clients: Clients, fault: str) -> list[Try]:
    entries = clients.journal.of(fault)
    return [one for entry in entries for one in entry.tries if one.status not in TAKEN]

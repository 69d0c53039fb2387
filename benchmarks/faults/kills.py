"""Inference workers and web servers, killed: at random, at named places, hung, and as zombies."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.faults import seen
from benchmarks.faults.clients import Clients
from benchmarks.faults.house import SCORERS, WEBS, Death, House, NotInTime
from benchmarks.faults.outcome import Outcome
from diagnoses.models import Photo
from mlservice.models import WorkerReport

HANG = 4  # seconds until the watchdog ends a worker that stands still
LEASE = 3  # seconds, of the worker that is stopped past it
_LATE = "its late answer is refused"


def at_random(house: House, _clients: Clients, outcome: Outcome, times: int) -> None:
    """SIGKILL with rows in its hands; the supervisor starts it again."""
    orphaned: dict[int, float] = {}
    for number in range(times):
        name = SCORERS[number % 2]
        house.ready(name)
        house.pause(random.uniform(0, 1))  # noqa: S311 - no secret
        house.until(seen.leased().exists, 30, "a worker has something in hand")
        at = house.kill(house.rig.stack.children[name])
        orphaned |= _orphans_of(house, at)
        seen.moves_again(house, outcome, at)
    outcome.proof["orphaned_rows"] += len(orphaned)
    outcome.must(bool(orphaned), "no worker was killed with rows in its hands")
    house.until(seen.everything_settled, 120, "everything is scored")
    seen.taken_over(outcome, orphaned)


def at_a_place(place: str, house: House, _clients: Clients, outcome: Outcome, times: int) -> None:
    """The worker kills itself at ``place``, and its next life has no such orders."""
    orphaned: dict[int, float] = {}
    for number in range(times):
        name, deaths = SCORERS[number % 2], len(house.deaths)
        house.restart(name, FAILPOINT=f"{place}:{random.randint(1, 3)}")  # noqa: S311 - no secret
        house.heal(name)
        death, orphans = _dies_alone(house, name, deaths)
        outcome.must(death.code == -signal.SIGKILL, f"{name} ended with {death.code}")
        orphaned |= orphans
        seen.moves_again(house, outcome, death.at)
        house.ready(name)
    outcome.proof["orphaned_rows"] += len(orphaned)
    house.until(seen.everything_settled, 120, "everything is scored")
    seen.taken_over(outcome, orphaned)


def hang(house: House, _clients: Clients, outcome: Outcome, times: int) -> None:
    """The worker stands still for ever: its own watchdog ends it."""
    for number in range(times):
        name, deaths = SCORERS[number % 2], len(house.deaths)
        house.restart(name, FAILPOINT="after_predict:1:hang", SCORING_HANG_SECONDS=str(HANG))
        house.heal(name)
        log = house.rig.stack.children[name].log
        death, orphaned = _dies_alone(house, name, deaths)
        outcome.proof["ended_by_watchdog"] += int("Timeout (" in log.read_text(errors="replace"))
        outcome.proof["orphaned_rows"] += len(orphaned)
        seen.moves_again(house, outcome, death.at - HANG)
        house.ready(name)
        house.until(seen.everything_settled_of(orphaned), 60, "the hung rows are scored")
        seen.taken_over(outcome, dict.fromkeys(orphaned, death.at - HANG))
    outcome.must(
        outcome.proof["ended_by_watchdog"] >= 1, "no watchdog ended a worker that stood still"
    )


def _dies_alone(house: House, name: str, deaths: int) -> tuple[Death, dict[int, float]]:
    """Its death and the rows it left, with the other worker standing still until these are seen."""
    house.ready(name)
    with _others_standing(house, name):
        death = house.death_of(name, deaths)
        return death, _orphans_of(house, death.at)


@contextmanager
def _others_standing(house: House, name: str) -> Iterator[None]:
    """On an idle machine each case wakes the same worker, and it need not be ``name``."""
    others = [other for other in SCORERS if other != name]
    for other in others:
        house.send(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            house.send(other, signal.SIGCONT)


def zombie(house: House, _clients: Clients, outcome: Outcome, times: int) -> None:
    """Stopped past its lease, then continued: somebody else has answered meanwhile.

    That one keeps its usual lease: with a short one a busy machine makes zombies of both.
    """
    for number in range(times):
        name, deaths = SCORERS[number % 2], len(house.deaths)
        holder = _holder(house, name, SCORING_LEASE_SECONDS=str(LEASE))
        with _others_standing(house, name):
            at, rows = _stop_with_rows(house, name, holder)
        outcome.proof["rows_in_its_hands"] += len(rows)
        seen.moves_again(house, outcome, at)
        house.until(seen.everything_settled_of(rows), 120, "somebody else has the rows")
        seen.taken_over(outcome, dict.fromkeys(rows, at))
        house.send(name, signal.SIGCONT)
        house.until(partial(house.says, name, _LATE), 30, "a late answer is refused")
        outcome.proof["late_answers_refused"] += house.log(name).count(_LATE)
        outcome.must(len(house.deaths) == deaths, f"{name} did not live through it")
        house.restart(name)
        house.ready(name)


def _holder(house: House, name: str, **env: str) -> int:
    """Restart a worker; the number under which its new life holds rows."""
    before = set(WorkerReport.objects.values_list("worker", flat=True))

    def new() -> set[int]:
        return set(WorkerReport.objects.values_list("worker", flat=True)) - before

    house.restart(name, **env)
    house.until(lambda: bool(new()), 60, f"{name} reports")
    return new().pop()


def _stop_with_rows(house: House, name: str, holder: int) -> tuple[float, set[int]]:
    """SIGSTOP at a moment when the worker has rows in its hands; when, and which."""
    own = seen.leased().filter(holder=holder)
    for _ in range(50):
        house.until(lambda: own.all().exists(), 30, f"{name} has something in hand")
        house.send(name, signal.SIGSTOP)
        at = time.time()
        house.pause(0.2)  # a transaction that was on its way to the database is through
        rows = set(own.values_list("pk", flat=True))
        if rows:
            return at, rows
        house.send(name, signal.SIGCONT)
    raise NotInTime(f"{name} was never stopped with rows in its hands")


def _orphans_of(house: House, at: float) -> dict[int, float]:
    """Looks for a moment: the dead process's session ends when its socket does."""
    found: set[int] = set()
    for _ in range(4):
        found |= seen.orphans()
        house.pause(0.04)
    return dict.fromkeys(found, at)


def web_at_a_place(
    place: str, house: House, clients: Clients, outcome: Outcome, times: int
) -> None:
    """Every submission to one web server kills the process that serves it; gunicorn starts another.

    Senders repeat once, with the same key, at the other server.
    """
    name = WEBS[0]
    house.restart(name, FAILPOINT=f"{place}:1")
    killed = "was sent SIGKILL"
    house.until(lambda: house.log(name).count(killed) >= times, 60 + 10 * times, "requests kill")
    clients.end()
    house.until(lambda: clients.idle, 60, "every sender was answered")
    house.pause(1)  # until gunicorn has seen the last of them die
    outcome.proof["killed_processes"] = outcome.n = house.log(name).count(killed)
    for entry in clients.journal.of(outcome.fault):
        if entry.tries[0].status == 0 and entry.acknowledged:
            outcome.recovery.append(entry.acknowledged - entry.tries[0].ended)
            outcome.proof["repeated"] += 1
            outcome.proof["found_again"] += int(entry.tries[-1].status == 200)
        outcome.must(not entry.failed_after_retry, f"{entry.key} was not taken by the other server")
    outcome.must(outcome.proof["repeated"] > 0, "nobody had to repeat a request")
    if place == "after_submit":
        outcome.must(outcome.proof["found_again"] > 0, "no repeated key found its case")
    outcome.proof["files_without_rows"] = files_without_rows()


def files_without_rows() -> int:
    """Pictures on the disk that no row names."""
    from django.conf import settings

    named = set(Photo.objects.values_list("file", flat=True))
    root = settings.MEDIA_ROOT
    found = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return len([name for name in found if name not in named])

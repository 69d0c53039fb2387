"""The usual Celery set-ups under the same faults, supervisor and network.

Acknowledged is what ``apply_async`` returned for; lost is what has no row once the queue has been
idle for :data:`IDLE` seconds. A task that Redis still holds as unacknowledged would come back when
the visibility timeout (an hour) ends: it is counted as lost, and as ``late`` besides.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import redis
from kombu.exceptions import OperationalError

from benchmarks.faults.house import NotInTime, Watching
from benchmarks.faults.outcome import Outcome
from benchmarks.measuring import ROOT, say
from benchmarks.rig import Rig, drawn
from benchmarks.rivals.celery_plain import TABLE, TASK, make_app
from portal.machine import processes
from portal.machine.child import Child

FAULTS = ("kill_random", "redis_wiped", "redis_down")
IDLE = 10.0  # seconds
REDIS_DOWN = 5.0  # seconds
MOVES_WITHIN = 30.0  # seconds
LEAST_KILLS = 4
_WORKER = ("celery", "-A", "benchmarks.rivals.celery_plain", "worker", "--loglevel=INFO")
_CHILDREN = 2


@dataclass
class Sending:
    """A client that sends ``rate`` photos a second and keeps what was acknowledged to it."""

    rival: str
    redis_url: str
    paths: Sequence[Path]
    rate: float
    acknowledged: list[str] = field(default_factory=list)
    refused: int = 0
    _ending: threading.Event = field(default_factory=threading.Event)

    def begin(self, fault: str) -> None:
        self._thread = threading.Thread(target=self._run, args=[fault], daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join(30)

    def _run(self, fault: str) -> None:
        app, number = make_app(self.rival, self.redis_url), 0
        while not self._ending.wait(1 / self.rate):
            key, path = f"{fault}-{number}", self.paths[number % len(self.paths)]
            number += 1
            try:
                app.send_task(TASK, args=[key, str(path)])
            except (OperationalError, redis.RedisError):
                self.refused += 1
            else:
                self.acknowledged.append(key)


@dataclass
class RivalHouse(Watching):
    """One prefork worker and Redis, under the supervisor that ours has."""

    rig: Rig
    rival: str
    table: psycopg.Connection

    def start(self) -> None:
        """Anew: nothing in Redis, no rows, a worker whose children are warm."""
        with redis.Redis.from_url(self.rig.redis.url()) as client:
            client.flushall()
        self.table.execute(f"TRUNCATE {TABLE}")
        log = self.rig.logs / f"{self.rival}.log"
        log.unlink(missing_ok=True)
        env = {
            "RIVAL": self.rival,
            "RIVAL_REDIS": self.rig.redis.url(),
            "RIVAL_DATABASE": self.rig.postgres.url(),
            "PYTHONPATH": str(ROOT),
        }
        command = processes.command(_WORKER, f"--concurrency={_CHILDREN}")
        self.worker = Child(self.rival, command, log, env)
        self.supervisor.groups.clear()
        self.supervisor.add(self.rig.redis.child)
        self.supervisor.add(self.worker)
        self.until(lambda: " ready." in self.worker.last_words(1000), 60, "the worker is ready")

    def rows_after(self, at: float) -> float | None:
        """When the first row after ``at`` was written."""
        query = f"SELECT extract(epoch FROM min(at)) FROM {TABLE} WHERE at > to_timestamp(%s)"  # noqa: S608 - a constant
        found = self.table.execute(query, [at]).fetchone()
        return float(found[0]) if found and found[0] else None

    def moves_again(self, outcome: Outcome, at: float) -> None:
        outcome.n += 1
        try:
            self.until(lambda: self.rows_after(at) is not None, MOVES_WITHIN, "a result follows")
        except NotInTime as late:
            outcome.broken.append(str(late))
        else:
            outcome.recovery.append((self.rows_after(at) or at) - at)

    # --- What is done to it ----------------------------------------------------------------------
    def kill_random(self, outcome: Outcome, times: int) -> None:
        """In turn one child of the pool, and the whole worker."""
        for number in range(max(LEAST_KILLS, times)):
            self.pause(random.uniform(0.5, 2.0))  # noqa: S311 - no secret
            if number % 2:
                self.worker.send_kill()
                at = time.time()
                outcome.proof["whole_workers_killed"] += 1
            else:
                children = psutil.Process(self.worker.pid).children()
                random.choice(children).kill()  # noqa: S311 - no secret
                at = time.time()
                outcome.proof["children_killed"] += 1
            self.moves_again(outcome, at)

    def redis_wiped(self, outcome: Outcome, times: int) -> None:
        for _ in range(times):
            self.pause(2)
            with redis.Redis.from_url(self.rig.redis.url()) as client:
                client.flushall()
            self.rig.redis.child.kill()
            self.moves_again(outcome, time.time())

    def redis_down(self, outcome: Outcome, times: int) -> None:
        """Away for a while with everything saved, as a well-kept one would be."""
        for _ in range(times):
            self.pause(2)
            with suppress(redis.ConnectionError), redis.Redis.from_url(self._redis) as client:
                client.shutdown(save=True)
            at = time.time()
            time.sleep(REDIS_DOWN)  # nobody looks, so nobody starts it
            self.moves_again(outcome, at)
            (self.rig.redis.folder / "dump.rdb").unlink(missing_ok=True)

    @property
    def _redis(self) -> str:
        return self.rig.redis.url()

    # --- What became of it -----------------------------------------------------------------------
    def idle(self) -> None:
        """Wait until no row has come for a while and nothing waits in the queue."""
        quiet_since, rows = time.monotonic(), -1
        ends = time.monotonic() + 180
        while time.monotonic() < min(quiet_since + IDLE, ends):
            found = len(self._keys())
            if found != rows:
                quiet_since, rows = time.monotonic(), found
            self.pause(0.25)

    def _keys(self) -> list[str]:
        found = self.table.execute(f"SELECT key FROM {TABLE}")  # noqa: S608 - a constant
        return [key for (key,) in found.fetchall()]

    def judge(self, outcome: Outcome, sending: Sending) -> None:
        keys = self._keys()
        missing = set(sending.acknowledged) - set(keys)
        outcome.cases = len(sending.acknowledged)
        outcome.lost = len(missing)
        outcome.doubled = len(keys) - len(set(keys))
        with redis.Redis.from_url(self._redis) as client:
            held = [_key_of(raw) for raw in client.hvals("unacked")]
        outcome.proof["late"] = len(missing & set(held))
        outcome.proof["refused"] = sending.refused


def _key_of(raw: bytes) -> str:
    """The first argument of a task that Redis holds as unacknowledged."""
    body = json.loads(raw)[0]["body"]
    key: str = json.loads(base64.b64decode(body))[0][0]
    return key


def suffer(
    rig: Rig, rivals: Sequence[str], numbers: Mapping[str, int], rate: float
) -> dict[str, list[Outcome]]:
    """Every rival that is installed, under these faults of :data:`FAULTS`, so many times."""
    rig.stack.stop()
    paths = []
    for number, picture in enumerate(drawn(8)):
        paths.append(rig.folder / f"rival-{number}.jpg")
        paths[-1].write_bytes(picture)
    found: dict[str, list[Outcome]] = {}
    with psycopg.connect(rig.postgres.url(), autocommit=True) as table:
        table.execute(
            f"CREATE TABLE {TABLE} (key text, risk float, at timestamptz DEFAULT clock_timestamp())"
        )
        for rival in rivals:
            if rival == "celery_batches" and find_spec(rival) is None:
                say("celery-batches is not installed, so it is left out")
                continue
            house = RivalHouse(rig, rival, table)
            found[rival] = [_one(house, paths, rate, name, n) for name, n in numbers.items()]
    return found


def _one(house: RivalHouse, paths: Sequence[Path], rate: float, name: str, times: int) -> Outcome:
    outcome = Outcome(name, began=time.time())
    house.start()
    sending = Sending(house.rival, house.rig.redis.url(), paths, rate)
    sending.begin(name)
    try:
        house.until(lambda: house.rows_after(outcome.began) is not None, 60, "the first result")
        getattr(house, name)(outcome, times)
    except NotInTime as late:
        outcome.broken.append(str(late))
    sending.end()
    house.idle()
    house.judge(outcome, sending)
    house.worker.stop(5)
    outcome.ended = time.time()
    say(f"{house.rival} {name}: {outcome.lost} lost of {outcome.cases}, {outcome.n} faults")
    return outcome

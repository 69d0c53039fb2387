"""The portal under the demo's supervisor: who dies is started again, and it is written down.

Only the main thread may start processes (see ``portal.machine.child``), so whoever waits here
also looks after them: :meth:`House.until` and :meth:`House.pause`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from benchmarks.measuring import say
from benchmarks.rig import Rig
from portal.machine.child import Child
from portal.machine.stack import READY, answers
from portal.machine.supervisor import Supervisor, Watched

WEBS = ("web", "web-2")
SCORERS = ("inference", "inference-2")
NAMES = ("standin", *WEBS, *SCORERS, "io", "io-2", "beat")
_POLL = 0.03


class NotInTime(Exception):
    """Something that had to happen did not; the message says what."""


@dataclass(frozen=True, slots=True)
class Death:
    """A process ended by itself or by us. ``code`` is negative for a signal."""

    name: str
    at: float
    code: int


@dataclass
class Watching:
    """Whoever waits looks after the processes meanwhile."""

    supervisor: Supervisor = field(default_factory=lambda: Supervisor(say), kw_only=True)

    def look(self) -> None:
        """Have the supervisor start the dead again when it thinks fit."""
        self.supervisor.look()

    def until(self, check: Callable[[], bool], seconds: float, what: str) -> None:
        """Look after the processes until ``check()``; raises :class:`NotInTime`."""
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise NotInTime(f"{what}: not within {seconds:.0f} s")
            self.look()
            time.sleep(_POLL)  # a dead process tells nobody: there is nothing to wait on

    def pause(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > ends, seconds + 1, "time passes")


@dataclass
class House(Watching):
    """Two of each worker and two web servers, started and watched; or whom ``names`` names."""

    rig: Rig
    names: tuple[str, ...] = NAMES
    deaths: list[Death] = field(default_factory=list)
    _clean: dict[str, dict[str, str]] = field(default_factory=dict)
    _life_begins: dict[str, int] = field(default_factory=dict)  # in the log, in characters

    def start(self) -> None:
        self.supervisor.add(self.rig.postgres.child)
        self.supervisor.add(self.rig.redis.child)
        for name in self.names:
            self.rig.stack.begin(name)
        for name in self.names:
            self.rig.stack.await_ready(name)
            child = self.rig.stack.children[name]
            self._clean[name] = dict(child.env)
            self.supervisor.add(child)

    # --- Waiting ---------------------------------------------------------------------------------
    def look(self) -> None:
        """Write down who died, and have the supervisor start them again when it thinks fit."""
        for watched in self._all():
            if watched.start_at is None and not watched.child.running:
                self._write_down(watched.child)
        super().look()

    def ready(self, *names: str) -> None:
        """Until each of them can do its work in its present life."""
        for name in names:
            self.until(partial(self._is_ready, name), 60, f"{name} is ready")

    def _is_ready(self, name: str) -> bool:
        kind = name.split("-", maxsplit=1)[0]
        if kind in READY:
            return self.rig.stack.children[name].running and self.says(name, READY[kind])
        stack = self.rig.stack
        return answers(f"{stack.address(name)}/readyz" if kind == "web" else f"{stack.phones}/")

    # --- Breaking --------------------------------------------------------------------------------
    def restart(self, *names: str, **env: str) -> None:
        """Ask them to stop and start them with ``env`` on top, not waiting until they are ready."""
        children = [self.rig.stack.children[name] for name in names]
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.wait(25)
            self._life_begins[child.name] = len(self._whole_log(child.name))
            child.env = self._clean[child.name] | env
            child.start()
            watched = self._watched(child)
            watched.started, watched.start_at, watched.deaths = time.monotonic(), None, 0

    def clean(self) -> None:
        """Everybody as on the first day: without faults in the environment, and ready."""
        for name in self.names:
            child = self.rig.stack.children[name]
            if child.env != self._clean[name]:
                self.send(name, signal.SIGCONT)
                self.restart(name)
        self.ready(*self.names)

    def heal(self, name: str) -> None:
        """Its next life, after the death it is about to die, is without faults."""
        self.rig.stack.children[name].env = self._clean[name]

    def kill(self, child: Child) -> float:
        """SIGKILL; returns when."""
        child.send_kill()
        at = time.time()
        if child.process is not None:
            child.process.wait(10)
        return at

    def send(self, name: str, what: signal.Signals) -> None:
        if self.rig.stack.children[name].running:
            self.rig.stack.send(name, what)

    @contextmanager
    def held_down(self, child: Child) -> Iterator[float]:
        """Killed, and not started again before the end of the block."""
        watched = self._watched(child)
        group = next(group for group in self.supervisor.groups if watched in group)
        group.remove(watched)
        try:
            yield self.kill(child)
        finally:
            child.start()
            watched.started = time.monotonic()
            group.append(watched)

    def death_of(self, name: str, since: int, seconds: float = 60) -> Death:
        """The first death of ``name`` after the first ``since`` of all deaths; waits for it."""

        def found() -> list[Death]:
            return [death for death in self.deaths[since:] if death.name == name]

        self.until(lambda: bool(found()), seconds, f"{name} dies")
        return found()[0]

    # --- Reading ---------------------------------------------------------------------------------
    def log(self, name: str) -> str:
        """What the process has written in its present life."""
        return self._whole_log(name)[self._life_begins.get(name, 0) :]

    def says(self, name: str, words: str, times: int = 1) -> bool:
        """Whether it has written ``words`` so often in its present life."""
        return self.log(name).count(words) >= times

    def _whole_log(self, name: str) -> str:
        return self.rig.stack.log(name)

    def _write_down(self, child: Child) -> None:
        code = child.process.returncode if child.process else 0
        self.deaths.append(Death(child.name, time.time(), code))
        self._life_begins[child.name] = len(self._whole_log(child.name))

    def _all(self) -> list[Watched]:
        return [watched for group in self.supervisor.groups for watched in group]

    def _watched(self, child: Child) -> Watched:
        return next(watched for watched in self._all() if watched.child is child)

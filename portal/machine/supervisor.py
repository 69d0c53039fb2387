"""Starts children, starts them again when they die, stops them in order. No threads, no Django."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from portal.machine.child import Child

_POLL = 0.1
_STEADY = 5.0  # seconds alive after which a death counts as the first again
# With the second or two a worker needs to start, cases move again within five seconds however often
# the workers are killed; a child that cannot start at all is tried that often until somebody looks.
_LONGEST_WAIT = 2.5
_POLITE = 12.0  # longer than gunicorn's and Celery's own grace


@dataclass
class Watched:
    child: Child
    started: float = 0.0
    deaths: int = 0
    start_at: float | None = None  # monotonic; set while it waits to be started again


@dataclass
class Supervisor:
    """Children are stopped group by group, the last added first: servers outlive what uses them."""

    say: Callable[[str], None]
    groups: list[list[Watched]] = field(default_factory=list)

    def add(self, *children: Child) -> None:
        """A group whose members may start and stop together. Running ones are taken as they are."""
        group = [Watched(child, started=time.monotonic()) for child in children]
        self.groups.append(group)
        for watched in group:
            if not watched.child.running:
                watched.child.start()

    def watch(self) -> None:
        """Look after the children until interrupted."""
        while True:
            self.look()
            time.sleep(_POLL)

    def look(self) -> None:
        """Notice who died, start again who has waited long enough."""
        now = time.monotonic()
        for group in self.groups:
            for watched in group:
                if watched.start_at is not None:
                    if now >= watched.start_at:
                        watched.start_at, watched.started = None, now
                        watched.child.start()
                elif not watched.child.running:
                    self._plan_restart(watched, now)

    def _plan_restart(self, watched: Watched, now: float) -> None:
        watched.deaths = 1 if now - watched.started > _STEADY else watched.deaths + 1
        # At once the first time; then 0.5, 1, 2 … seconds, so that a broken child burns less CPU.
        wait = 0.0 if watched.deaths == 1 else min(_LONGEST_WAIT, 0.5 * 2 ** (watched.deaths - 2))
        watched.start_at = now + wait
        code = watched.child.process.returncode if watched.child.process else "?"
        when = f" in {wait:.1f} s" if wait else ""
        self.say(
            f"{watched.child.name} ended (exit {code}) and is started again{when}. "
            f"See {watched.child.log}"
        )

    def stop(self) -> None:
        """Politely, the last group first; who does not listen is killed."""
        for group in reversed(self.groups):
            for watched in group:
                watched.start_at = None
                watched.child.ask_to_stop()
            deadline = time.monotonic() + _POLITE
            for watched in group:
                watched.child.wait(max(0.1, deadline - time.monotonic()))

    def hurry(self) -> None:
        """Cut a running `stop` short, from a signal handler. Servers keep their moment: nothing
        is gained by making PostgreSQL recover at the next start."""
        for group in self.groups:
            for watched in group:
                if not watched.child.server:
                    watched.child.send_kill()

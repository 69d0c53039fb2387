"""Beat's work when beat is dead: an io worker then does by itself what nobody asked for.

Beat remains the clock. Each io worker notes when it was last asked for a task of beat's schedule;
one that has not been asked for long runs the task itself, one worker at a time, and goes on at
beat's pace until beat is heard again.
"""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.signals import task_prerun, worker_ready, worker_shutdown
from django.db import close_old_connections, connection

logger = logging.getLogger(__name__)

# Several io workers share beat's calls, so each misses some while beat is well.
MISSED = 4
LOOK = 1.0  # seconds
_LOCK_CLASS = 0x1E47  # the first half of the advisory locks' keys; the second is the task's name


class Clock(threading.Thread):
    """Looks every second at what of the schedule is overdue. One per io worker."""

    def __init__(self, app: Celery) -> None:
        super().__init__(name="clock", daemon=True)
        self._app = app
        # Task by name: seconds between two runs.
        self._every = {
            entry["task"]: float(entry["schedule"]) for entry in app.conf.beat_schedule.values()
        }
        self._due = {task: time.monotonic() + MISSED * s for task, s in self._every.items()}
        self._stopping = threading.Event()

    def asked(self, task: str) -> None:
        """Beat, or somebody, has called for it just now."""
        if task in self._every:
            self._due[task] = time.monotonic() + MISSED * self._every[task]

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.wait(LOOK):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Do what is overdue at ``now``, by the monotonic clock."""
        for task, due in list(self._due.items()):
            if now >= due:
                self._due[task] = now + self._every[task]
                self._run(task)

    def _run(self, task: str) -> None:
        logger.info("Nobody asked for %s, so it is done here", task)
        try:
            close_old_connections()
            with _alone(task) as mine:
                if mine:
                    self._app.tasks[task].run()
        except Exception:  # the clock must outlive any single failure
            logger.exception("%s failed", task)
        finally:
            close_old_connections()


@contextmanager
def _alone(task: str) -> Iterator[bool]:
    """Whether this is the only worker at it; the lock goes with the connection if we die."""
    key = zlib.crc32(task.encode()) - 2**31
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_CLASS, key])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_CLASS, key])


_running: list[Clock] = []


@worker_ready.connect
def _start(sender: Any, **_: Any) -> None:
    """A worker that listens to the queue of everything but inference keeps the clock."""
    app = sender.app
    if not _running and app.conf.task_default_queue in app.amqp.queues.consume_from:
        _running.append(Clock(app))
        _running[0].start()


@task_prerun.connect
def _heard(task: Any, **_: Any) -> None:
    for clock in _running:
        clock.asked(task.name)


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    for clock in _running:
        clock.stop()

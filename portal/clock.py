"""Beat's work when beat is dead: an io worker then does by itself what nobody asked for.

Beat remains the clock. Each io worker notes when it was last asked for a task of beat's schedule;
one that has not been asked for long runs the task itself, one worker at a time, and goes on at
beat's pace until beat is heard again.

What the clock hears it also writes down every few seconds: that this worker is alive, that a call
of beat's arrived, which tasks came to their end. ``/operations/`` and ``/metrics`` read it.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import Celery, shared_task
from celery.signals import task_prerun, task_success, worker_ready, worker_shutdown
from django.db import DatabaseError, close_old_connections
from django.db.models.functions import Now

from accounts.alone import alone
from portal.models import Pulse
from portal.operations import storage

logger = logging.getLogger(__name__)

# Several io workers share beat's calls, so each misses some while beat is well.
MISSED = 4
LOOK = 1.0  # seconds
REPORT = 5.0  # seconds between two signs of life
FORGOTTEN_AFTER = timedelta(days=1)
# Nobody but beat calls for this one.
OF_BEAT = "diagnoses.sweep"


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
        self._name = f"{Pulse.Kind.IO}:{secrets.token_hex(6)}"
        self._report_at = 0.0  # monotonic
        # What is to be written down with the next sign of life: the kind by name.
        self._heard: dict[str, str] = {}

    def asked(self, task: str) -> None:
        """Beat, or somebody, has called for it just now."""
        if task in self._every:
            self._due[task] = time.monotonic() + MISSED * self._every[task]
        if task == OF_BEAT:
            self._heard["beat"] = Pulse.Kind.BEAT

    def ended(self, task: str) -> None:
        """It came to its end, here and without an error."""
        if task in self._every:
            self._heard[task] = Pulse.Kind.SWEEP

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        self._guarded(storage.measure_if_old)
        while not self._stopping.wait(LOOK):
            self.look(time.monotonic())
            if time.monotonic() >= self._report_at:
                self._report_at = time.monotonic() + REPORT
                self._guarded(self.report)
        self._guarded(self.leave)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            close_old_connections()
            step()
        except DatabaseError as error:
            logger.warning("No sign of life could be left (%s)", error)
        finally:
            close_old_connections()

    def report(self) -> None:
        """This worker is alive; and what it heard since the last time. One statement."""
        heard, self._heard = self._heard, {}
        kinds: dict[str, str] = {self._name: Pulse.Kind.IO, **heard}
        Pulse.objects.bulk_create(
            # In one order everywhere: two workers write the same rows.
            [Pulse(name=name, kind=kinds[name], heard_at=Now()) for name in sorted(kinds)],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["heard_at"],
        )

    def leave(self) -> None:
        """This worker ends. Those that died without a word a day ago are forgotten too."""
        Pulse.objects.filter(name=self._name).delete()
        silent = Pulse.objects.filter(kind=Pulse.Kind.IO, heard_at__lt=Now() - FORGOTTEN_AFTER)
        silent.delete()

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
            with alone(task) as mine:
                if mine:
                    self._app.tasks[task].run()
                    self.ended(task)
        except Exception:  # the clock must outlive any single failure
            logger.exception("%s failed", task)
        finally:
            close_old_connections()


@shared_task(name="portal.measure_storage")
def measure_storage() -> None:
    """How much room pictures and models take."""
    storage.measure()


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


@task_success.connect
def _ended(sender: Any, **_: Any) -> None:
    for clock in _running:
        clock.ended(sender.name)


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    for clock in _running:
        clock.stop()
        clock.join(2.0)  # so that it can say that it leaves

"""The inference worker's own thread: woken by Celery's messages, looking by itself every second.

Celery (``--pool=solo``) stays responsive, a dead Redis costs latency only, and the network is
used by one thread. The worker holds a PostgreSQL advisory lock on a connection of its own; when
the process dies the lock goes with it, and the next worker frees its rows within a second.
"""

from __future__ import annotations

import logging
import secrets
import threading

from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from diagnoses.inference import score_next
from diagnoses.models import Scoring
from mlservice import registry
from mlservice.packs import available_packs
from mlservice.serving import Shelf

logger = logging.getLogger(__name__)

POLL = 1.0  # seconds
LOCK_CLASS = 0x1E46  # the first half of our advisory locks' keys; the second is the worker's


class InferenceWorker(threading.Thread):
    """Scores until told to stop; never raises. One per process, see :func:`start`."""

    def __init__(self) -> None:
        super().__init__(name="inference", daemon=True)
        self.holder = secrets.randbelow(2**31 - 1) + 1
        self.shelf = Shelf()
        self._woken = threading.Event()
        self._stopping = threading.Event()

    def wake(self) -> None:
        self._woken.set()

    def stop(self, timeout: float) -> None:
        """Finish the batch at hand, then end; its rows are settled, not left to the lease."""
        self._stopping.set()
        self._woken.set()
        self.join(timeout)

    def run(self) -> None:
        lock = WorkerLock(self.holder)
        while not self._stopping.is_set():
            try:
                close_old_connections()
                lock.hold()
                free_rows_of_the_dead()
                self._load_active()
                while score_next(self.shelf, self.holder) and not self._stopping.is_set():
                    pass
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database does not answer (%s); trying again", error)
                close_old_connections()
            except Exception:  # the thread must outlive any single failure; the lease returns rows
                logger.exception("The inference loop failed; going on")
            self._woken.wait(POLL)
            self._woken.clear()
        lock.drop()

    def _load_active(self) -> None:
        """Have the network ready before the first case asks for it."""
        for pack in available_packs():
            if version := registry.active(pack):
                self.shelf.get(version)


class WorkerLock:
    """A session advisory lock on a connection of its own, taken again when that breaks."""

    def __init__(self, holder: int) -> None:
        self.holder = holder
        self._connection = connection.copy()

    def hold(self) -> None:
        """Hold the lock; raises :class:`OperationalError` while the database is away."""
        held = self._connection.connection is not None and self._connection.is_usable()
        if not held:
            self._connection.close()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_CLASS, self.holder])

    def drop(self) -> None:
        if self._connection.connection is not None and self._connection.is_usable():
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_CLASS, self.holder])
        self._connection.close()


def free_rows_of_the_dead() -> int:
    """End the leases whose worker's advisory lock is gone; their attempt stays counted."""
    held = "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
    with transaction.atomic():
        leased = Scoring.objects.waiting().filter(holder__isnull=False)
        orphans = leased.extra(  # noqa: S610 - no value of ours in it; pg_locks has no model
            where=[f"holder NOT IN ({held})"], params=[LOCK_CLASS]
        )
        freed = list(orphans.select_for_update(skip_locked=True).values_list("pk", flat=True))
        if not freed:
            return 0
        Scoring.objects.filter(pk__in=freed).update(lease_until=None, token=None, holder=None)
    logger.warning("Freed %s rows of a worker that is gone", len(freed))
    return len(freed)


_running: list[InferenceWorker] = []


def start() -> InferenceWorker:
    """Start this process's worker thread, once."""
    if not _running:
        _running.append(InferenceWorker())
        _running[0].start()
    return _running[0]


def running() -> InferenceWorker | None:
    return _running[0] if _running else None

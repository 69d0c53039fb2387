"""The inference worker: a clerk, who alone speaks to the database, and the network beside it.

The clerk claims rows, has their pictures prepared in child processes and files what comes out;
the network computes meanwhile. So a batch is being decoded and another filed while a third one
keeps the processor busy, and no row waits for a window to fill.

Celery (``--pool=solo``) stays responsive and carries wake-up calls; the clerk also looks by itself
every second, so a dead Redis costs latency only. It holds a PostgreSQL advisory lock on a
connection of its own: when the process dies the lock goes with it, and the next worker frees its
rows within a second. Whatever stands still too long is ended by a watchdog, and the rows come back
all the same.
"""

from __future__ import annotations

import faulthandler
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from diagnoses import inference, workflow
from diagnoses.inference import Batch, Outcome
from diagnoses.models import Scoring
from diagnoses.models.scoring import tried
from mlservice import registry, reports
from mlservice.checks import Prover
from mlservice.engine.decoders import Decoders
from mlservice.packs import available_packs
from mlservice.serving import Shelf

logger = logging.getLogger(__name__)

POLL = 1.0  # seconds
LATE_EVERY = 10.0  # seconds between two looks for cases that waited too long
IN_HAND = 2  # batches: one in the network, one being prepared
LOADING_SECONDS = 180.0  # a large network on a GPU takes a minute
LOCK_CLASS = 0x1E46  # the first half of our advisory locks' keys; the second is the worker's


class Network(threading.Thread):
    """Computes one batch after the other, and knows nothing of the database."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__(name="network", daemon=True)
        self.done: queue.SimpleQueue[tuple[Batch, Outcome]] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._in_hand: list[Batch] = []  # appended by the clerk, removed by the network
        self._tell = tell
        self._since = 0.0  # monotonic, of the batch being computed; 0 while there is none

    def run(self) -> None:
        while batch := self._waiting.get():
            self._since = time.monotonic()
            self.done.put((batch, self._outcome(batch)))
            self._in_hand.remove(batch)
            self._since = 0.0
            self._tell()

    def _outcome(self, batch: Batch) -> Outcome:
        try:
            return inference.predict(batch)
        except Exception as error:  # whatever it was, these rows are given back and the next come
            logger.exception("A batch of %s could not be scored", len(batch.jobs))
            return Outcome(errors={job.scoring.pk: repr(error) for job in batch.jobs})

    def give(self, batch: Batch) -> None:
        self._in_hand.append(batch)
        self._waiting.put(batch)

    def take_back(self) -> list[Batch]:
        """The batches not begun; they are the caller's again."""
        batches = []
        while not self._waiting.empty():
            try:
                batch = self._waiting.get_nowait()
            except queue.Empty:  # begun just now
                break
            if batch is not None:
                self._in_hand.remove(batch)
                batches.append(batch)
        return batches

    def end(self) -> None:
        self._waiting.put(None)

    @property
    def busy(self) -> bool:
        return bool(self._in_hand)

    @property
    def has_room(self) -> bool:
        """Whether another batch may come; never beside a row that failed before."""
        in_hand = list(self._in_hand)
        return len(in_hand) < IN_HAND and not any(batch.alone for batch in in_hand)

    @property
    def computing(self) -> float:
        """For how many seconds it has been at its present batch; 0 while it has none."""
        since = self._since
        return time.monotonic() - since if since else 0.0


class InferenceWorker(threading.Thread):
    """The clerk. Works until told to stop and never raises. One per process, see :func:`start`."""

    def __init__(self, called: str = "") -> None:
        super().__init__(name="clerk", daemon=True)
        self._called = called  # as its operator named it, for who looks at the operations
        self.holder = secrets.randbelow(2**31 - 1) + 1
        self.shelf = Shelf(before_loading=lambda: self._pet_the_watchdog(LOADING_SECONDS))
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._network = Network(self._woken.set)
        self._prover = Prover()
        self._unfiled: list[tuple[Batch, Outcome]] = []
        self._chores_at = self._report_at = self._late_at = 0.0  # monotonic: when due again

    def wake(self) -> None:
        self._woken.set()

    def stop(self, timeout: float) -> None:
        """Finish the batch at hand, give back the next, then end; nothing is left to a lease."""
        self._stopping.set()
        self._woken.set()
        self.join(timeout)

    def run(self) -> None:
        self._lock = WorkerLock(self.holder)  # here, because a connection belongs to a thread
        self._decoders = Decoders()
        self._decoders.warm_up()
        self._network.start()
        while not self._stopping.is_set():
            self._pet_the_watchdog()
            self._guarded(self._turn)
            self._woken.wait(POLL)
            self._woken.clear()
        self._guarded(self._leave)
        self._network.end()
        self._decoders.close()
        faulthandler.cancel_dump_traceback_later()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database does not answer (%s); trying again", error)
            self._chores_at = 0.0
            close_old_connections()
        except Exception:  # the thread must outlive any single failure; the lease returns rows
            logger.exception("The inference loop failed; going on")

    def _pet_the_watchdog(self, seconds: float | None = None) -> None:
        """Without this for so long the process ends, whoever holds the interpreter's lock.

        The time the network has been at its batch counts: petting does not prolong that.
        """
        left = (seconds or settings.SCORING_HANG.total_seconds()) - self._network.computing
        if left > 0:
            faulthandler.dump_traceback_later(left, exit=True, file=2)  # standard error

    def _turn(self) -> None:
        """File what is done and claim what is due, until nothing is left or all hands are full."""
        if time.monotonic() >= self._chores_at:
            self._chores()
        while not self._stopping.is_set():
            self._file_what_is_done()
            if not self._network.has_room:
                return
            batch = inference.take(self.shelf, self._decoders, self.holder, more=self._network.busy)
            if batch is None:
                return
            self._network.give(batch)

    def _file_what_is_done(self) -> None:
        """Kept until it is filed: a database that comes back in time finds nothing missing."""
        while not self._network.done.empty():
            self._unfiled.append(self._network.done.get())
        while self._unfiled:
            batch, outcome = self._unfiled.pop(0)
            try:
                inference.settle(batch, outcome)
            except (OperationalError, InterfaceError):
                self._unfiled.insert(0, (batch, outcome))
                raise

    def _chores(self) -> None:
        close_old_connections()
        self._lock.hold()
        free_rows_of_the_dead()
        inference.give_up_exhausted()
        workflow.pass_on_the_paused()
        self._load_versions()
        now = time.monotonic()
        if now >= self._report_at:
            reports.report(self.holder, self.shelf, self._called)
            self._report_at = now + reports.EVERY
        if now >= self._late_at:
            workflow.pass_on_the_late()
            workflow.close_the_shadows()
            self._late_at = now + LATE_EVERY
        self._chores_at = now + POLL
        self._guarded(self._prover.turn)  # a bundle that makes trouble holds up no case

    def _load_versions(self) -> None:
        """Have the networks ready before the first case asks for them."""
        for pack in available_packs():
            version = registry.active(pack)
            if version:
                self.shelf.get(version)
        inference.load_wanted(self.shelf)

    def _leave(self) -> None:
        for batch in self._network.take_back():
            inference.hand_back(batch)
        while self._network.busy:  # the watchdog sees to it that this ends
            self._woken.wait(POLL)
            self._woken.clear()
        self._file_what_is_done()
        self._prover.leave()
        reports.leave(self.holder)
        self._lock.drop()


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
        Scoring.objects.filter(pk__in=freed).update(
            lease_until=None, token=None, holder=None, tries=tried("lost")
        )
    logger.warning("Freed %s rows of a worker that is gone", len(freed))
    return len(freed)


_running: list[InferenceWorker] = []


def start(called: str = "") -> InferenceWorker:
    """Start this process's worker, once."""
    if not _running:
        _running.append(InferenceWorker(called))
        _running[0].start()
    return _running[0]


def running() -> InferenceWorker | None:
    return _running[0] if _running else None

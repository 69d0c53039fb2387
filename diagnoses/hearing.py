"""Hear at once that a case has moved, instead of asking again and again.

PostgreSQL says so itself when the move is committed (a trigger, migration 0005), whichever process
made it. One thread of this process listens; requests that were asked to wait are let go by it. A
word that gets lost costs a second: who waits looks for himself that often.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection
from django.db.utils import Error

from diagnoses.models import Case

logger = logging.getLogger(__name__)

CHANNEL = "case_moved"  # what migration 0005 says it on
LONGEST = 5.0  # seconds one request waits
LOOK_EVERY = 1.0  # seconds, in case a word was lost
AGAIN_AFTER = 1.0  # seconds: a database that is away is not asked in a tight loop
_CLOSED_WITHIN = 1.0  # seconds
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*(\d{1,6})\b", re.IGNORECASE)


def waited(case: Case, headers: Mapping[str, str]) -> bool:
    """Keep a request until ``case`` is no longer being checked, if its headers ask for that.

    ``Prefer: wait=SECONDS`` (RFC 7240) asks. ``True``: it was kept for a while, so read the case
    anew. A waiting request occupies one of the few threads of the web server, so only some may
    wait at a time and none longer than :data:`LONGEST`; the others are answered as things stand.
    """
    asked = _WAIT.search(headers.get("Prefer", ""))
    if asked is None or case.status != Case.Status.REGISTERED:
        return False
    ear = _ear()
    if not ear.seats.acquire(blocking=False):
        return False
    try:
        _wait(ear, case.pk, min(float(asked[1]), LONGEST))
    finally:
        ear.seats.release()
    return True


def _wait(ear: Ear, pk: UUID, seconds: float) -> None:
    until = time.monotonic() + seconds
    # First listen, then look: a move between the two would be missed the other way round.
    with ear.expecting(str(pk)) as moved:
        being_checked = Case.objects.filter(pk=pk, status=Case.Status.REGISTERED)
        while (left := until - time.monotonic()) > 0 and being_checked.exists():
            if moved.wait(min(left, LOOK_EVERY)):
                return


class Ear:
    """Listens on a connection of its own, from the first who waits to the end of the process."""

    def __init__(self) -> None:
        self.seats = threading.BoundedSemaphore(settings.REQUESTS_THAT_WAIT)
        self._lock = threading.Lock()
        self._expected: dict[str, list[threading.Event]] = defaultdict(list)
        self._listening = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more; a process that ends need not ask for it."""
        self._closing = True
        self._thread.join()

    @contextmanager
    def expecting(self, pk: str) -> Iterator[threading.Event]:
        """An event that is set when the case moves after this began."""
        moved = threading.Event()
        self._listening.wait(LOOK_EVERY)  # it takes milliseconds, once; never forever
        with self._lock:
            self._expected[pk].append(moved)
        try:
            yield moved
        finally:
            with self._lock:
                self._expected[pk].remove(moved)
                if not self._expected[pk]:
                    del self._expected[pk]

    def _run(self) -> None:
        while not self._closing:
            try:
                self._listen()
            except (psycopg.Error, Error, OSError) as error:
                self._listening.clear()
                logger.warning("Nobody hears of cases that move (%s); trying again", error)
                time.sleep(AGAIN_AFTER)

    def _listen(self) -> None:
        own = connection.copy()
        own.settings_dict["OPTIONS"].pop("pool", None)  # held for good: none of the requests'
        own.ensure_connection()
        with closing(own), own.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
            self._listening.set()
            while not self._closing:
                for word in own.connection.notifies(timeout=_CLOSED_WITHIN):
                    self._tell(word.payload)

    def _tell(self, pk: str) -> None:
        with self._lock:
            for moved in self._expected.get(pk, []):
                moved.set()


_the_one: list[Ear] = []
_making = threading.Lock()


def _ear() -> Ear:
    """This process's; made on first use, because a forked web process inherits no threads."""
    with _making:
        if not _the_one:
            _the_one.append(Ear())
        return _the_one[0]


def close() -> None:
    """End the listening of this process, if it has begun; the next who waits begins it anew."""
    with _making:
        while _the_one:
            _the_one.pop().close()

"""Wake-up calls. What must be done is a row in Postgres; a call only makes it happen sooner.

A broker may be dead, or alive and silent, and neither may cost a request anything. So the calls
are handed to one background thread per process: handing over takes microseconds, calls for the
same task that wait together are one call, and a call that cannot leave is left to the sweep.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)

# A call still lying in Redis after this long tells nobody anything: the sweep has been there.
STALE_SECONDS = 60
# How long a process that ends (a management command) waits for its last calls to leave.
LAST_CALLS_SECONDS = 1.0


def wake(task_name: str) -> None:
    """Ask a worker to run ``task_name`` as soon as the current transaction has committed.

    Outside a transaction it asks at once. Never raises and never waits for the broker.
    """
    transaction.on_commit(lambda: _waker.call(task_name), robust=True)


def flush(seconds: float) -> bool:
    """Wait until every call so far has left or failed; False if ``seconds`` were not enough."""
    return _waker.flush(seconds)


class _Waker:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start with nothing. A forked child needs this: it inherits locks, but no thread."""
        self._changed = threading.Condition()
        self._waiting: dict[str, None] = {}
        self._sending = False
        self._thread: threading.Thread | None = None
        self._broker_fails = False

    def call(self, task_name: str) -> None:
        with self._changed:
            self._waiting[task_name] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._waiting or self._sending:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    return False
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                task_name = next(iter(self._waiting))
                del self._waiting[task_name]
                self._sending = True
            self._send(task_name)
            with self._changed:
                self._sending = False
                self._changed.notify_all()

    def _send(self, task_name: str) -> None:
        try:
            current_app.send_task(task_name, expires=STALE_SECONDS, ignore_result=True)
        except Exception as error:  # noqa: BLE001 - whatever ails the broker, the sweep does the work
            if not self._broker_fails:
                logger.warning("no wake-up calls leave, the sweep does the work: %s", error)
            self._broker_fails = True
        else:
            if self._broker_fails:
                logger.info("wake-up calls leave again")
            self._broker_fails = False


_waker = _Waker()
os.register_at_fork(after_in_child=_waker.reset)
atexit.register(flush, LAST_CALLS_SECONDS)

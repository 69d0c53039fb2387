"""What Celery runs. The arguments are empty: the work is in the rows."""

from __future__ import annotations

import threading
import time

from celery import shared_task

from notifications import delivery, verification
from notifications.ledger import DELIVER
from notifications.wake import wake

# A worker that is asked to stop waits for its task, so a task comes to an end by itself.
ROUND_SECONDS = 30
_waiting = threading.Lock()


@shared_task(name=DELIVER)
def deliver_due() -> int:
    """Deliver until nothing is due; return how many rows were acted on.

    First codes come after the news: whatever ails them, no news waits for it.
    """
    ends = time.monotonic() + ROUND_SECONDS
    total = _deliver(ends)
    if verification.send_awaited():
        total += _deliver(ends)
    return total


def _deliver(ends: float) -> int:
    total = 0
    while True:
        dry: delivery.Dry = {}
        delivered = delivery.deliver_due(dry=dry)
        total += delivered
        if not delivered and not (dry and _wait(min(dry.values()))):
            return total
        if time.monotonic() > ends:
            wake(DELIVER)
            return total


def _wait(seconds: float) -> bool:
    """Wait until a sender may send again, in one thread of a process; False in all others, which
    have other things to do."""
    if not _waiting.acquire(blocking=False):
        return False
    try:
        time.sleep(min(seconds, 1.0))
    finally:
        _waiting.release()
    return True

"""Several at the same moment, each on a connection of its own to the database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections

PATIENCE = 60  # seconds until all must have come to the start


def at_once(
    *works: Callable[[], Any], refusals: type[Exception] | tuple[type[Exception], ...] = ()
) -> list[Any]:
    """What each of ``works`` gave, in their order; of ``refusals`` the one that it was told.

    All begin together. What else one of them raises is raised. The test needs
    ``django_db(transaction=True)``: others see only what is committed.
    """
    start = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait(PATIENCE)
        try:
            return work()
        except refusals as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        return list(pool.map(run, works))

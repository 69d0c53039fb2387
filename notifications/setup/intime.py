"""Work that may take too long: done beside the request, and left behind when its time is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
AT_ONCE = 8


def done_in_time(work: Callable[[K], V], about: Iterable[K], *, seconds: float) -> dict[K, V]:
    """``work`` done about each, ``AT_ONCE`` together; what takes over ``seconds`` is missing.

    ``work`` must not touch the database (its thread has a connection of its own) and raises
    nothing. What is left behind ends by itself: every request in it has a limit too.
    """
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="setup")
    try:
        asked = {key: pool.submit(work, key) for key in about}
        done, _ = wait(asked.values(), timeout=seconds)
        return {key: future.result() for key, future in asked.items() if future in done}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

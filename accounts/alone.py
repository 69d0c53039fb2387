"""One process at a time, over all machines that share the database."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

LOCK_CLASS = 0x1E47  # the first half of these advisory locks' keys; the second is the work's name


@contextmanager
def alone(work: str) -> Iterator[bool]:
    """Whether nobody else is at ``work``, any name for it. Nobody waits.

    The lock is the connection's: it goes with it if we die, and outlasts transactions.
    """
    lock = [LOCK_CLASS, key_of(work)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", lock)


def key_of(work: str) -> int:
    """The second half of the lock's key: the name's, within PostgreSQL's ``integer``."""
    return zlib.crc32(work.encode()) - 2**31

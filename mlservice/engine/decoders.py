"""Pictures prepared outside the process that holds the network, in children with limits.

A decoder reads bytes that strangers chose. Here a picture that crashes it, keeps it busy for ever
or fills the memory costs one child, which is started again; the network's process goes on, and
while it computes the next pictures are being prepared.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pebble import ProcessExpired, ProcessPool

from mlservice.engine import poison
from mlservice.engine.preprocess import prepare
from mlservice.engine.types import Picture, PictureError

SECONDS = 5.0  # a 50-megapixel JPEG takes a fifth of one
MEMORY = 512 << 20  # bytes on top of what a child needs to start
_PR_SET_PDEATHSIG = 1


class Pending(Protocol):
    """A picture that is being prepared."""

    def result(self) -> Picture:
        """Wait for it: ``uint8`` of shape ``(side, side, 3)``, or :class:`PictureError`."""
        ...


class Decoder(Protocol):
    """Whoever prepares a picture's bytes, now or soon."""

    def prepare(self, content: bytes, side: int) -> Pending: ...


class Decoders:
    """Child processes that prepare pictures, in the order they were asked to."""

    def __init__(self, processes: int | None = None, seconds: float = SECONDS) -> None:
        """``processes`` is one for every four cores by default: the others are the network's."""
        cores = len(os.sched_getaffinity(0))
        self.seconds, self._processes = seconds, processes or max(1, cores // 4)
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._processes,
            initializer=_limit,
            # Not forked: this process has threads and, with the network, locks of its own.
            context=multiprocessing.get_context("spawn"),
        )

    def prepare(self, content: bytes, side: int) -> Pending:
        """Begin; the child has ``content`` and opens no file."""
        if not self._pool.active:
            # It gives up when a child cannot be started, as on a machine out of memory. Rows would
            # be claimed and failed without end.
            self._pool = self._new_pool()
        return _Asked(
            self._pool.schedule(_prepare, args=[content, side], timeout=self.seconds), self
        )

    def warm_up(self) -> None:
        """Start the children now, so that the first picture need not wait for them."""
        self._pool.schedule(os.getpid)

    def close(self) -> None:
        """End the children, whatever they are at."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


@dataclass(frozen=True, slots=True)
class _Asked:
    future: Future[Picture]
    decoders: Decoders

    def result(self) -> Picture:
        try:
            return self.future.result()
        except TooSlow:
            raise PictureError(
                f"Preparing the picture took more than {self.decoders.seconds:.0f} seconds."
            ) from None
        except ProcessExpired as end:
            raise PictureError(
                f"The picture ended the process that prepared it (exit code {end.exitcode})."
            ) from None
        except MemoryError:
            raise PictureError(
                f"Preparing the picture took more than {MEMORY >> 20} MB of memory."
            ) from None


def _limit() -> None:
    """In each child: a cap on memory, no core dumps, and no life after the network's process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever asks the worker to stop asks the worker; it ends its children itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _prepare(content: bytes, side: int) -> Picture:
    if poison.NAME in os.environ:
        poison.poison(content)
    return prepare(content, side)

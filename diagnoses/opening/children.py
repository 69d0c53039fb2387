"""Having a picture opened elsewhere: whatever it does there, this process goes on.

:func:`opened` asks a child of this process (:mod:`diagnoses.opening.child`), which forks for each
picture. Nothing that comes back is believed more than bytes are: no pickles, and an answer that is
not what it should be is as none.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path

from diagnoses.opening import child
from diagnoses.opening.judging import UNSEEN, Quality
from diagnoses.opening.pixels import STORED_SIDE, Opened, Unfit
from mlservice.engine import poison
from mlservice.packs import Glance

logger = logging.getLogger(__name__)

AT_ONCE = 2  # of each web process; a large picture waits for its turn beside a small one
NOT_NOW = "not_now"  # the code where no child can be started
_ROOT = Path(__file__).resolve().parents[2]
_LARGEST_ANSWER = 64 << 20  # bytes; noise of the largest size that is kept takes half of that
_GRACE = 2.0  # seconds beyond the child's own limit


class Children:
    """One process that forks, started with the first picture, and again when it is gone."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def opened(self, raw: bytes, glance: Glance = UNSEEN) -> Opened:
        """What :func:`pixels.opened` says of ``raw``; raises :class:`Unfit`."""
        with self._places:
            ours = self._ask()
            with ours:
                return _understood(_exchange(ours, child.asked(raw, glance)))

    def warm_up(self) -> None:
        """Start the process now, so that the first photo need not wait for it."""
        with self._starting:
            self._running()

    def close(self) -> None:
        with self._starting:
            if self._control and self._process:
                self._control.close()
                self._process.kill()
                self._process.wait()
            self._control = self._process = None

    @property
    def pid(self) -> int | None:
        """Of the process that forks, where there is one."""
        return self._process.pid if self._process else None

    def _ask(self) -> socket.socket:
        """Our end of a new fork's socket."""
        ours, theirs = socket.socketpair()
        with theirs, self._starting:
            for _try in range(2):  # it may have been gone before it was asked
                try:
                    socket.send_fds(self._running(), [b"!"], [theirs.fileno()])
                except OSError:
                    logger.warning("The process that opens photos is gone; starting another one")
                    self._control = None
                else:
                    return ours
        ours.close()
        raise Unfit(NOT_NOW)

    def _running(self) -> socket.socket:
        if self._control is None or self._process is None or self._process.poll() is not None:
            self._control, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - this very program
                    [sys.executable, "-m", child.__name__, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    cwd=_ROOT,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                )
        return self._control


def _environment() -> dict[str, str]:
    """Nothing of ours: no address, no key. One arena, or each thread would reserve its own."""
    said = {
        "PYTHONPATH": str(_ROOT),
        "MALLOC_ARENA_MAX": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", poison.NAME)
    return said | {name: os.environ[name] for name in kept if name in os.environ}


def _exchange(ours: socket.socket, question: bytes) -> bytes:
    """The whole answer; nothing where it did not come in time."""
    deadline = time.monotonic() + child.SECONDS + _GRACE
    received = bytearray()
    try:
        ours.settimeout(deadline - time.monotonic())
        ours.sendall(question)
        ours.shutdown(socket.SHUT_WR)
        while len(received) <= _LARGEST_ANSWER:
            ours.settimeout(max(0.001, deadline - time.monotonic()))
            part = ours.recv(1 << 20)
            if not part:
                return bytes(received)
            received += part
    except OSError as error:  # a time-out is one
        logger.warning("A photo was not opened: %s", error)
    return b""


def _understood(answer: bytes) -> Opened:
    """Raises :class:`Unfit`; also for an answer that nobody who means well would give."""
    head, _, content = answer.partition(b"\n")
    try:
        said = json.loads(head)
        if "code" in said:
            found, code = None, str(said["code"])
        else:
            quality = Quality.of(said["quality"])
            found, code = Opened(content, int(said["width"]), int(said["height"]), quality), ""
    except (ValueError, KeyError, TypeError, RecursionError):
        found, code = None, child.OVER
    if found is None:
        raise Unfit(code)
    if not _believable(found):
        logger.warning("What came back is no picture of ours")
        raise Unfit(child.OVER)
    return found


def _believable(found: Opened) -> bool:
    sides = (found.width, found.height)
    return found.content[:3] == b"\xff\xd8\xff" and all(0 < side <= STORED_SIDE for side in sides)


@cache
def _ours() -> Children:
    """Made on first use: a forked web process has its own."""
    return Children()


def opened(raw: bytes, glance: Glance = UNSEEN) -> Opened:
    """:meth:`Children.opened` by this process's own."""
    return _ours().opened(raw, glance)


def warm_up() -> None:
    """Never raises: the first photo tries again."""
    try:
        _ours().warm_up()
    except OSError:
        logger.warning("The process that opens photos cannot be started now")

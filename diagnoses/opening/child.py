"""The process that opens pictures: it forks, and each fork opens one picture within limits.

``python -m diagnoses.opening.child FD``, started by :mod:`diagnoses.opening.children`. Over the
socket ``FD`` come sockets, one for each picture: the question is read from it to its end, and the
answer is one line of JSON, and after it the rebuilt picture.

A fork has seen nobody's picture before, has no name, key or address of anybody in its memory or
environment, and can open neither file nor socket: a hole in a decoder is a hole into nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import io
import itertools
import json
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageCms

from diagnoses.opening import pixels
from mlservice.engine.poison import poison
from mlservice.packs import Glance, Sign, available_packs, load_pack

SECONDS = 30.0  # on the clock: a busy machine, and another large picture, are waited for
PROCESSOR_SECONDS = 5
MEMORY = 460 << 20  # bytes on top of what a fork begins with: half a gigabyte together
OVER = "over_limits"  # the code for whatever a limit ended
_LOOK = 0.2  # seconds between two looks for forks that take too long
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def main(control: socket.socket) -> None:
    """Fork for each socket that comes; ends with the web process."""
    # Who asks the web process to stop asks the web process; this one ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _get_ready()
    # Locks belong to a process and end with it, so nobody's large picture keeps the others waiting.
    large = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this process
    running: dict[int, float] = {}
    while True:
        if select.select([control], [], [], _LOOK if running else None)[0]:
            word, handles, _flags, _address = socket.recv_fds(control, 1, 1)
            if not word:
                return
            running[_forked(handles[0], control, large)] = time.monotonic() + SECONDS
            os.close(handles[0])
        _bury(running)


def _get_ready() -> None:
    """Load whatever would be loaded with the first picture: a fork can open no file."""
    Image.init()
    pixels.know_heif()
    glances = [load_pack(name).glance for name in available_packs()]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for file_format, glance in itertools.product(pixels.FORMATS, glances):
        drawn = io.BytesIO()
        picture = Image.radial_gradient("L").convert("RGB")
        picture.save(drawn, file_format, icc_profile=profile)
        pixels.opened(drawn.getvalue(), glance)


def _bury(running: dict[int, float]) -> None:
    """Forget who ended, and end who is over time."""
    for fork, deadline in list(running.items()):
        if os.waitpid(fork, os.WNOHANG)[0]:
            del running[fork]
        elif time.monotonic() > deadline:
            os.kill(fork, signal.SIGKILL)


def _forked(handle: int, control: socket.socket, large: IO[bytes]) -> int:
    fork = os.fork()
    if fork:
        return fork
    status = 1
    try:
        control.close()
        with socket.socket(fileno=handle) as asked:
            _limit()
            asked.sendall(answer(_everything(asked), large))
        status = 0
    except Exception:  # noqa: BLE001 - told here, because nobody waits above
        traceback.print_exc()
    finally:  # nothing of this process's own is to be tidied up
        os._exit(status)


def answer(question: bytes, large: IO[bytes]) -> bytes:
    """To what :func:`asked` made: what was found as a line of JSON, then the rebuilt picture."""
    head, _, raw = question.partition(b"\n")
    try:
        poison(raw)
        found = pixels.opened(raw, _glance(json.loads(head)), lambda: _turn(large))
    except pixels.Unfit as unfit:
        return _line({"code": unfit.code})
    except MemoryError:
        return _line({"code": OVER})
    about = {"width": found.width, "height": found.height, "quality": found.quality.as_dict()}
    return _line(about) + found.content


def asked(raw: bytes, glance: Glance) -> bytes:
    """The question about ``raw``: the pack's glance as a line of JSON, then the file."""
    signs = {"strange": glance.strange, "misplaced": glance.misplaced}
    return _line({name: sign and _said(sign) for name, sign in signs.items()}) + raw


def _said(sign: Sign) -> dict[str, Any]:
    return {"code": sign.code, "bias": sign.bias, "weights": dict(sign.weights)}


def _glance(said: dict[str, dict[str, Any] | None]) -> Glance:
    return Glance(**{name: Sign(**sign) if sign else None for name, sign in said.items()})


def _line(what: dict[str, Any]) -> bytes:
    return json.dumps(what).encode() + b"\n"


@contextlib.contextmanager
def _turn(large: IO[bytes]) -> Iterator[None]:
    """One large picture at a time among the forks."""
    fcntl.lockf(large, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(large, fcntl.LOCK_UN)


def _everything(asked: socket.socket) -> bytes:
    parts = []
    while part := asked.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def _limit() -> None:
    """In a fork, before it reads a byte that a stranger chose."""
    if sys.platform == "linux":
        kernel = ctypes.CDLL(None)
        kernel.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # No file and no socket from here on; the number of one that is closed is not free either.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))

"""Prove a bundle in a process of its own: ``python -m mlservice.engine.prove FOLDER``.

The network of an unknown bundle is foreign machine-readable code: it is opened here, on one core
and with an end to its memory and its time, and neither in a web process nor in a worker. Prints
one line of JSON: ``{"refused": ""}`` when the golden pictures came out right, else why not.
"""

from __future__ import annotations

import ctypes
import json
import resource
import signal
import sys
from pathlib import Path

MEMORY = 4 << 30  # bytes of address space
CPU_SECONDS = 120
_PR_SET_PDEATHSIG = 1  # prctl(2)


def main(folder: Path) -> str:
    """Why the bundle in ``folder`` may not be served, in a sentence; "" where it may."""
    from mlservice.engine import Bundle, BundleError, check_golden, open_predictor

    try:
        bundle = Bundle.load(folder)
        check_golden(bundle, open_predictor(bundle, "cpu", threads=1))
    except BundleError as error:
        return str(error)
    except (OSError, ValueError, MemoryError) as error:
        return f"The bundle could not be tried out: {error!r}."
    return ""


def _bounded() -> None:
    """An end to memory (where the system keeps one) and time, and no life after the worker's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _bounded()
    sys.stdout.write(json.dumps({"refused": main(Path(sys.argv[1]))}) + "\n")

"""Places where a process can be told to die, to see what becomes of the work in its hands.

``FAILPOINT=after_predict:2`` in the environment kills the process with SIGKILL the second time it
comes to that place; ``after_predict:2:hang`` makes it stand still there for ever instead. Without
the variable, which nothing but tests and benchmarks sets, a place costs one comparison.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

from django.conf import settings

# What each place means: the work is …
PLACES = {
    "after_claim": "leased and nothing more",
    "after_decode": "leased and prepared",
    "after_predict": "scored, and nowhere but in memory",
    "before_commit": "written, in a transaction that is still open",
    "after_commit": "filed, and nobody told",
    "in_export": "a picture of a training export is written, the export is not whole",
    "after_files": "a submission's pictures are on the disk, its rows are not",
    "after_submit": "a submission is committed, and its sender not answered",
}
_passed: Counter[str] = Counter()


def reach(place: str) -> None:
    """Die or hang here, if that is what the environment asks for."""
    if not settings.FAILPOINT:
        return
    name, number, action = _asked(settings.FAILPOINT)
    if name != place:
        return
    _passed[place] += 1
    if _passed[place] != number:
        return
    while action == "hang":
        time.sleep(3600)
    os.kill(os.getpid(), signal.SIGKILL)


def _asked(text: str) -> tuple[str, int, str]:
    """``name[:number[:action]]``; raises :class:`ValueError` for what is none of ours."""
    given = dict(zip(("name", "number", "action"), text.split(":"), strict=False))
    name, action = given["name"], given.get("action", "kill")
    if name not in PLACES or action not in {"kill", "hang"}:
        raise ValueError(f"FAILPOINT={text!r}: no such place. There are {', '.join(PLACES)}.")
    return name, int(given.get("number", "1")), action

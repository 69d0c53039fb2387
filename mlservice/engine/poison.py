"""A picture that nobody has found yet, so that tests can see what it does to whoever opens it."""

from __future__ import annotations

import hashlib
import os
import signal

NAME = "DECODE_POISON"


def poison(content: bytes) -> None:
    """Where the environment's ``DECODE_POISON`` names this content, end badly.

    It is ``SHA256:crash``, ``SHA256:loop`` or ``SHA256:memory``.
    """
    if NAME not in os.environ:
        return
    poisonous, action = os.environ[NAME].split(":")
    if hashlib.sha256(content).hexdigest() != poisonous:
        return
    if action == "crash":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    held = []
    while True:
        if action == "memory":
            held.append(bytearray(16 << 20))

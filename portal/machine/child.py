"""One supervised process: its command, its log, how it is asked to stop. No Django here."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StartError(Exception):
    """Something did not start; the message is a sentence for the person at the keyboard."""


@dataclass
class Child:
    """A process of ours. It outlives neither a polite stop nor (on Linux) a killed parent.

    Each child leads a session of its own, so Ctrl-C in a terminal reaches only the supervisor,
    which stops its children in the right order.
    """

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    server: bool = False  # keeps data or connections of the others; never killed in a hurry
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, its output appended to ``log``. Call from the main thread (see `_tether`)."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                list(self.command),
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                preexec_fn=self._tether,  # noqa: PLW1509 - started before any thread is
            )

    def _tether(self) -> None:
        """In the child: the kernel sends ``stop_signal`` when the thread that started us ends."""
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(self.stop_signal))

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        if self.process is not None and self.running:
            self.process.send_signal(self.stop_signal)

    def wait(self, seconds: float) -> None:
        """Wait for the end; past ``seconds`` kill it and everything it started."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def stop(self, seconds: float = 10) -> None:
        self.ask_to_stop()
        self.wait(seconds)

    def kill(self) -> None:
        """SIGKILL to the child and its own children, and see it end."""
        self.send_kill()
        if self.process is not None:
            self.process.wait(10)

    def send_kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def last_words(self, lines: int = 12) -> str:
        """The end of its log, for a message about why it did not start."""
        if not self.log.exists():
            return "(it wrote nothing)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

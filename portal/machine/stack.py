"""The portal's processes on servers that are there already, by name: for tests and benchmarks.

``make demo`` starts a fixed set and keeps it running (`portal.machine.up`); here somebody starts,
kills and stops the processes one by one, to see what becomes of the work.
"""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from portal.machine import processes
from portal.machine.child import Child
from portal.machine.servers import free_port, wait_until

_COMMANDS = {
    "web": processes.WEB,
    "inference": processes.INFERENCE,
    "io": processes.IO,
    "beat": processes.BEAT,
}
_START_SECONDS = 60
# What a worker writes to its log once it can do its work.
READY = {"inference": "Serving ", "io": " ready.", "beat": "beat"}


@dataclass
class Stack:
    """Processes by name. A name may carry a number: ``inference-2`` is a second one.

    A numbered web server has a port of its own, as behind a balancing proxy: see :meth:`address`.
    """

    folder: Path  # of the logs
    env: dict[str, str]
    web_port: int = field(default_factory=free_port)
    standin_port: int = field(default_factory=free_port)
    children: dict[str, Child] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    stand_in: tuple[str, ...] = processes.STAND_IN  # a benchmark may bring one of its own

    @property
    def url(self) -> str:
        """Where the pages answer."""
        return self.address("web")

    @property
    def phones(self) -> str:
        """Where Twilio's stand-in answers, to the portal and to whoever looks at the phones."""
        return f"http://127.0.0.1:{self.standin_port}"

    def address(self, name: str) -> str:
        """Where the web server of that name answers."""
        return f"http://localhost:{self._port(name)}"

    def _port(self, name: str) -> int:
        if name == "web":
            return self.web_port
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]

    def start(self, *names: str, **env: str) -> None:
        """Start the named processes, with ``env`` on top, and wait until each can do its work."""
        for name in names:
            self.begin(name, **env)
        for name in names:
            self.await_ready(name)

    def begin(self, name: str, **env: str) -> None:
        """Start one and do not wait."""
        self.children[name] = self._child(name, env)
        self.children[name].start()

    def await_ready(self, name: str) -> None:
        """Until it can do its work; raises :class:`StartError` with its last words."""
        wait_until(self._readiness(name), self.children[name], seconds=_START_SECONDS)

    def _child(self, name: str, env: Mapping[str, str]) -> Child:
        kind = _kind(name)
        more: list[str] = []
        if kind in {"inference", "io"}:
            more = ["-n", f"{name}@%h"]
        elif kind == "standin":
            more = ["--port", str(self.standin_port), "--control"]
        whole = {
            **self.env,
            "WEB_BIND": f"127.0.0.1:{self._port(name) if kind == 'web' else self.web_port}",
            "WEB_WORKERS": "1",
            "PUBLIC_URL": self.url,
            "TWILIO_API_BASE": self.phones,
            **env,
        }
        log = self._log_file(name)
        log.unlink(missing_ok=True)  # an earlier life's "ready" is not this one's
        parts = self.stand_in if kind == "standin" else _COMMANDS[kind]
        return Child(name, processes.command(parts, *more), log, whole)

    def _readiness(self, name: str) -> Callable[[], bool]:
        kind = _kind(name)
        if kind == "web":
            return lambda: answers(f"{self.address(name)}/health/ready")
        if kind == "standin":
            return lambda: answers(self.phones + "/")
        return lambda: READY[kind] in self.log(name)

    def _log_file(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        """Everything the process has written in this life."""
        path = self._log_file(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def send(self, name: str, what: signal.Signals) -> None:
        """A signal to the process itself, not to its children."""
        pid = self.children[name].pid
        if pid is not None:
            os.kill(pid, what)

    def kill(self, name: str) -> None:
        """SIGKILL, as a machine that loses its power would."""
        self.children[name].kill()

    def stop(self, *names: str) -> None:
        """Politely; all of them where none is named."""
        for name in names or list(self.children):
            self.children[name].ask_to_stop()
        for name in names or list(self.children):
            self.children.pop(name).wait(20)


def answers(url: str) -> bool:
    """Whether a GET of ``url`` is answered, and with success."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
        return True
    return False


def _kind(name: str) -> str:
    return name.split("-", maxsplit=1)[0]

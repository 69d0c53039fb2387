"""The portal as it really runs: web server and workers as processes, for the tests that need them.

They use the test's own database, Redis-protocol server and picture folder, so that a test sees
what they do through the ORM. ``live_stack`` gives a stack with nothing started:

    def test_something(live_stack: Stack) -> None:
        live_stack.start("web", "inference", "io")
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from portal.machine import processes
from portal.machine.child import Child
from portal.machine.servers import free_port, wait_until

_COMMANDS = {
    "web": processes.WEB,
    "inference": processes.INFERENCE,
    "io": processes.IO,
    "beat": processes.BEAT,
    "standin": processes.STAND_IN,
}


@dataclass
class Stack:
    """Processes by name. A name may carry a number: ``inference-2`` is a second one."""

    folder: Path
    env: dict[str, str]
    web_port: int = field(default_factory=free_port)
    standin_port: int = field(default_factory=free_port)
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the pages answer."""
        return f"http://localhost:{self.web_port}"

    @property
    def phones(self) -> str:
        """Where Twilio's stand-in answers, to the portal and to whoever looks at the phones."""
        return f"http://127.0.0.1:{self.standin_port}"

    def start(self, *names: str, **env: str) -> None:
        """Start the named processes, with ``env`` on top, and wait until each can do its work."""
        for name in names:
            self.children[name] = child = self._child(name, env)
            child.start()
        for name in names:
            wait_until(self._readiness(name), self.children[name], seconds=60)

    def _child(self, name: str, env: dict[str, str]) -> Child:
        kind = name.split("-", maxsplit=1)[0]
        more: list[str] = []
        if kind in {"inference", "io"}:
            more = ["-n", f"{name}@%h"]
        elif kind == "standin":
            more = ["--port", str(self.standin_port), "--control"]
        whole = {
            **self.env,
            "WEB_BIND": f"127.0.0.1:{self.web_port}",
            "WEB_WORKERS": "1",
            "PUBLIC_URL": self.url,
            "TWILIO_API_BASE": self.phones,
            **env,
        }
        log = self.folder / f"{name}.log"
        return Child(name, processes.command(_COMMANDS[kind], *more), log, whole)

    def _readiness(self, name: str) -> Callable[[], bool]:
        kind = name.split("-", maxsplit=1)[0]
        if kind == "web":
            return lambda: answers(f"{self.url}/readyz")
        if kind == "standin":
            return lambda: answers(self.phones + "/")
        words = {"inference": "Serving ", "io": " ready.", "beat": "beat"}[kind]
        return lambda: words in self.log(name)

    def log(self, name: str) -> str:
        """Everything the process has written."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kill(self, name: str) -> None:
        """SIGKILL, as a machine that loses its power would."""
        self.children[name].kill()

    def stop(self, *names: str) -> None:
        """Politely; all of them where none is named."""
        for name in names or list(self.children):
            self.children[name].ask_to_stop()
        for name in names or list(self.children):
            self.children.pop(name).wait(20)


def get(url: str) -> requests.Response:
    """What a process of ours answers; never follows a redirect."""
    return requests.get(url, timeout=5, allow_redirects=False)


def answers(url: str) -> bool:
    """Whether a GET of ``url`` is answered, and with success."""
    with suppress(requests.RequestException):
        return get(url).ok
    return False


def eventually(check: Callable[[], bool], seconds: float = 20, what: str = "it") -> None:
    """Wait until ``check()``; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def collected_static() -> None:
    """What collectstatic makes of the real settings, which the web process serves."""
    subprocess.run(
        processes.command(("django", "collectstatic", "--noinput", "--verbosity=0")),
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings"},
        check=True,
    )


@pytest.fixture
def live_stack(
    transactional_db: None,
    collected_static: None,
    media: Path,
    tmp_path: Path,
    settings: Settings,
) -> Iterator[Stack]:
    """A stack on this test's database and pictures, with the shipped model active."""
    # Passwords that the web process can check: it knows the tests' fast hasher not.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    call_command("register_model", verbosity=0)
    stack = Stack(
        tmp_path / "logs",
        {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": database_url(),
            "DATABASE_IDLE_SECONDS": "5",
            "MEDIA_ROOT": str(media),
            "DATA_DIR": str(tmp_path),
            "EMAIL_URL": f"filemail:///{tmp_path / 'mail'}",
        },
    )
    yield stack
    stack.stop()


def database_url() -> str:
    """The address of the database this test uses, for another process."""
    name = connection.settings_dict["NAME"]
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{name}"))

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
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from portal.machine import processes
from portal.machine.stack import Stack


def get(url: str) -> requests.Response:
    """What a process of ours answers; never follows a redirect."""
    return requests.get(url, timeout=5, allow_redirects=False)


def eventually(check: Callable[[], bool], seconds: float = 20, what: str = "it") -> None:
    """Wait until ``check()``; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)


class QuickArgon2(Argon2PasswordHasher):
    """Argon2 at its cheapest. Who checks a password reads from the hash how it was made."""

    time_cost, memory_cost, parallelism = 1, 8, 1


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
    settings.PASSWORD_HASHERS = ["tests.stack.QuickArgon2"]
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

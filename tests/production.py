"""The settings that an ``https://`` address chooses, which the tests' own address does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

from pytest_django import Settings

ADDRESS = "https://portal.example.org"
CHOSEN = (
    *("SECURE_", "SESSION_COOKIE_", "CSRF_COOKIE_", "LANGUAGE_COOKIE_", "CSRF_TRUSTED_"),
    *("X_FRAME_", "PUBLIC_URL", "CONTENT_SECURITY_POLICY"),
)
ASK = """
import json
from portal import settings
print(json.dumps({name: value for name, value in vars(settings).items() if name.startswith(%r)}))
"""


@cache
def chosen() -> dict[str, Any]:
    """By name, as a process of its own works them out from the environment."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK % (CHOSEN,)],
        env={**os.environ, "PUBLIC_URL": ADDRESS},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(asked.stdout)
    return found


def take_on(settings: Settings) -> None:
    """Have this test's requests answered as in production. Make the clients afterwards."""
    for name, value in chosen().items():
        setattr(settings, name, value)

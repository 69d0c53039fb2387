"""Loaded by pytest before Django's settings are (``-p tests.plugin`` in pyproject.toml).

It chooses the environment the settings are made from: temporary folders, and the addresses of
an embedded PostgreSQL and Redis-protocol server that `tests.conftest` starts when the first test
needs them. ``DATABASE_URL`` and ``REDIS_URL`` in the environment win: CI may bring its own.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from portal.machine.servers import Postgres, Redis

# With ``-n 2`` each process has servers of its own. It inherits what the first one set below, so
# that one keeps what was there before.
BEFORE = "LENTIGO_TESTS_ENVIRONMENT"
# Each takes half a minute or more, and most of that is other processes: networks that are trained,
# workers that are killed, browsers. ``make test-long`` runs them, ``make test`` all others and
# ``.ci/run`` both.
# A process takes a whole file, so the longest begin: none is left alone at the end.
LONG = (
    "tests/test_accessibility.py",
    "tests/diagnoses/test_killed_workers.py",
    "tests/benchmarks/test_faults.py",
    "tests/training/test_architectures.py",
    "tests/benchmarks/test_messages.py",
    "tests/training/test_tune.py",
    "tests/test_workbench_story.py",
    "tests/training/test_fit.py",
    "tests/test_phones_story.py",
    "tests/training/test_crossval.py",
    "tests/test_viewer.py",
    "tests/portal/test_machine.py",
    "tests/test_whole_way.py",
    "tests/test_traces.py",
    "tests/diagnoses/test_states_machine.py",
    "tests/test_keys.py",
    "tests/portal/test_demo.py",
    "tests/test_people_story.py",
    "tests/test_models_story.py",
    "tests/training/test_metadata.py",
    "tests/training/test_whole_run.py",
    "tests/test_sharing_story.py",
    "tests/portal/test_replay.py",
    "tests/training/test_backends.py",
)
LONGEST = (
    *LONG,
    "tests/matrix/test_matrix.py",
    "tests/test_story.py",
    "tests/portal/test_headers.py",
)
if before := os.environ.pop(BEFORE, ""):
    kept = json.loads(before)
    for name in set(os.environ) - set(kept):
        if not name.startswith("PYTEST_"):
            del os.environ[name]
    os.environ.update(kept)
FOLDER = Path(tempfile.mkdtemp(prefix="lentigo-tests-"))
LOGS = FOLDER / "logs"
POSTGRES = None if "DATABASE_URL" in os.environ else Postgres(FOLDER / "pg", LOGS, durable=False)
REDIS = None if "REDIS_URL" in os.environ else Redis(FOLDER / "redis", LOGS)

# For the tests that start a demo of their own, which makes its own addresses and secrets.
OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
os.environ[BEFORE] = json.dumps(OUTSIDE)

if POSTGRES:
    os.environ["DATABASE_URL"] = POSTGRES.url()
if REDIS:
    os.environ["REDIS_URL"] = REDIS.url()
# As in production, but for the places things are kept and Twilio's address: nothing listens there.
os.environ.update(
    DEBUG="0",
    SECRET_KEY=secrets.token_urlsafe(50),
    DATABASE_IDLE_SECONDS="0",  # a test is one transaction, and may think for long
    PUBLIC_URL="http://localhost:8000",
    DATA_DIR=str(FOLDER / "data"),
    MEDIA_ROOT=str(FOLDER / "media"),
    STATIC_ROOT=str(FOLDER / "static"),
    MODEL_DEVICE="cpu",
    EMAIL_URL="memorymail://",
    PHONE_REGION="GB",
    TIME_ZONE="Europe/London",
    TWILIO_ACCOUNT_SID="AC" + "0" * 32,
    TWILIO_AUTH_TOKEN=secrets.token_hex(16),
    TWILIO_WHATSAPP_FROM="+15005550006",
    TWILIO_SMS_FROM="",
    TWILIO_WHATSAPP_RATE="0",
    QUIET_HOURS="",  # or what a test sends would depend on the hour it runs at
    TWILIO_API_BASE="http://127.0.0.1:9",
)
Path(os.environ["STATIC_ROOT"]).mkdir()  # WhiteNoise looks for it
for name in ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DEMO", "TWILIO_CONTENT_SIDS"):
    os.environ.pop(name, None)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """The long are marked before anybody chooses. Where several processes share the files, the
    longest are the first to be given out."""
    for item in items:
        if item.nodeid.split("::")[0] in LONG:
            item.add_marker(pytest.mark.long)
    yield
    if hasattr(config, "workerinput"):
        turn = {name: number for number, name in enumerate(LONGEST)}
        items.sort(key=lambda item: turn.get(item.nodeid.split("::")[0], len(turn)))


def stop_and_clear() -> None:
    for server in (REDIS, POSTGRES):
        if server:
            server.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)


atexit.register(stop_and_clear)

"""What every test may lean on: real servers, fast passwords, folders that vanish."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from pytest_django import Settings

from tests.plugin import POSTGRES, REDIS

pytest_plugins = ["tests.browser", "tests.cast", "tests.stack"]
ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """The two production settings that would cost minutes here and test nothing more."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Without the manifest, so that a page needs no collectstatic; tests.stack runs the real one.
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture(scope="session")
def servers() -> None:
    """PostgreSQL and the Redis-protocol server, running until the session ends."""
    for server in (POSTGRES, REDIS):
        if server and not server.child.running:
            server.start()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: None) -> None:
    """pytest-django makes the test database after this."""


@pytest.fixture(autouse=True)
def nobody_goes_on_listening() -> Iterator[None]:
    """The test's database may be thrown away: no thread holds on to a connection."""
    yield
    from diagnoses import hearing  # needs the settings, which pytest_configure changes first

    hearing.close()


@pytest.fixture(autouse=True)
def the_next_one_speaks_english() -> Iterator[None]:
    """A page in another language leaves it to the thread that made it, and that is the test's."""
    yield
    translation.deactivate()


@pytest.fixture
def media(tmp_path: Path, settings: Settings) -> Path:
    """An empty private picture store of this test's own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real data sets; the test is skipped where they are not on the machine."""
    folder = Path(os.environ.get("LENTIGO_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "ham10000").is_dir():
        pytest.skip("the real pictures are not on this machine (set LENTIGO_DATA)")
    return folder

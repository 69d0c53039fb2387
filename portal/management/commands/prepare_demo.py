"""Everything between an empty database and a demo worth opening, in one process."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Migrate, collect static files, register the model, make the demo's people and cases."
    requires_system_checks: list[str] = []  # the tables are made here

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--photos", type=Path)
        parser.add_argument("--cases", type=int)

    def handle(self, *_: Any, photos: Path | None, cases: int | None, **__: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("createcachetable", verbosity=0)
        collect_static_if_changed()
        call_command("register_model", verbosity=0)
        call_command("demo_people", verbosity=0)
        wanted = {} if cases is None else {"count": cases}
        call_command("demo_cases", photos=photos, **wanted)


def collect_static_if_changed() -> bool:
    """Run collectstatic unless the same files were collected before; whether it ran."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    now = _fingerprint()
    if stamp.exists() and stamp.read_text() == now:
        return False
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
    stamp.write_text(now)
    return True


def _fingerprint() -> str:
    """Of the names, sizes and times of every static file there is."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            about = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()

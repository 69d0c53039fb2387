"""How much room the pictures and the models take, and how much is left.

Walking through a hundred thousand files takes seconds, so an io worker does it now and then and
keeps the result in its :class:`Pulse`; what is free is asked of the disk itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce, Now

from diagnoses.models import FileKey
from mlservice import registry, uploads
from portal.models import Pulse

NAME = "storage"
EVERY = timedelta(minutes=10)  # as beat's schedule has it
LOW = 0.10  # share of the disk that is left; below it somebody has to do something


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk the pictures lie on, in bytes."""

    size: int
    free: int

    @property
    def share_used(self) -> float:
        return 1 - self.free / self.size if self.size else 1.0

    @property
    def low(self) -> bool:
        return self.free < LOW * self.size


@dataclass(frozen=True, slots=True)
class Measured:
    """What lay in the folders at ``at``: bytes and files."""

    at: datetime
    pictures: int
    files: int
    models: int
    refused: int = 0  # found changed, moved or cut


def disk() -> Disk | None:
    """Of the pictures' folder, or where it will be; None where the disk does not answer."""
    folder = Path(settings.MEDIA_ROOT)
    for place in (folder, *folder.parents):
        with suppress(OSError):
            usage = shutil.disk_usage(place)
            return Disk(usage.total, usage.free)
    return None


def measured(pulse: Pulse | None) -> Measured | None:
    """What an io worker measured last; None before the first time."""
    if pulse is None:
        return None
    said = pulse.said
    numbers = (said["pictures"], said["files"], said["models"], said.get("refused", 0))
    return Measured(pulse.heard_at, *numbers)


def measure() -> None:
    """Walk through both folders, and keep what they hold. Any io worker may, one at a time."""
    pictures = files = 0
    ours = uploads.home()
    if settings.PHOTO_STORAGE == "s3":  # as far as we wrote it down; nobody walks a bucket
        known = FileKey.objects.aggregate(bytes=Coalesce(Sum("size"), 0), n=Count("pk"))
        pictures, files = known["bytes"], known["n"]
    for entry in _files(Path(settings.MEDIA_ROOT), leave_out=ours):
        with suppress(OSError):  # gone meanwhile
            pictures += entry.stat(follow_symlinks=False).st_size
            files += 1
    models = 0
    for folder in (registry.BUNDLES, ours):
        for entry in _files(folder):
            with suppress(OSError):
                models += entry.stat(follow_symlinks=False).st_size
    refused = FileKey.objects.filter(refused_at__isnull=False).count()
    said = {"pictures": pictures, "files": files, "models": models, "refused": refused}
    Pulse.objects.update_or_create(
        name=NAME, defaults={"kind": Pulse.Kind.STORAGE, "heard_at": Now(), "said": said}
    )


def measure_if_old() -> None:
    """For a worker that has just started: the schedule's next time may be far."""
    if not Pulse.objects.filter(name=NAME, heard_at__gt=Now() - EVERY).exists():
        measure()


def _files(folder: Path, leave_out: Path | None = None) -> Iterator[os.DirEntry[str]]:
    """Every file below ``folder``; a folder that cannot be read counts as empty."""
    folders = [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if Path(entry.path) != leave_out:
                        folders.append(Path(entry.path))
                else:
                    yield entry

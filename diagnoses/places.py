"""Where sealed files lie: on a disk, whole or not at all. ``bucket.py`` has the other one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

WRITING = ".writing-"  # how a file's name begins that is not whole yet


class Place(Protocol):
    """What the sealed storage asks of a place beside Django's own ``Storage``.

    ``save`` writes over what has the name already.
    """

    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A context whose file is there once it ends well, and not at all otherwise."""
        ...

    def rename(self, old: str, new: str) -> None:
        """In one step, over whatever is called ``new``."""
        ...


@deconstructible
class Disk(FileSystemStorage):
    """Local disk under ``MEDIA_ROOT``: beside its place first, flushed, then renamed."""

    def __init__(self, location: str | None = None) -> None:
        super().__init__(location, allow_overwrite=True)

    def _save(self, name: str, content: File[bytes]) -> str:
        with self.writing(name) as file:
            for chunk in content.chunks():
                file.write(chunk)
        return str(Path(name).as_posix())

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=WRITING)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)

    def rename(self, old: str, new: str) -> None:
        target = Path(self.path(new))
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        Path(self.path(old)).replace(target)
        _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable, not only the file's bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

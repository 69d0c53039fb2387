"""Pictures of patients: on private disk, whole or not at all, and without a public address."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NoReturn

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible


@deconstructible
class PrivateStorage(FileSystemStorage):
    """Local disk under ``MEDIA_ROOT``. ``.url`` raises: pictures go through the gated view only."""

    def url(self, name: str | None) -> NoReturn:
        raise ValueError(f"{name} is private and has no address; link to the picture view.")

    def _save(self, name: str, content: File[bytes]) -> str:
        """Written beside its place, flushed to the disk, then renamed: a crash leaves no half."""
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)
        return str(Path(name).as_posix())


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable, not only the file's bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

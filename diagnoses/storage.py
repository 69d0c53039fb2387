"""Pictures of patients: sealed, whole or not at all, and without a public address.

``STORAGES["default"]``. Each file is sealed with a key of its own (``sealing``), the key lies
wrapped in the database (``FileKey``), and the sealed bytes lie in ``STORAGES["pictures"]``.
Nothing readable of ours touches a disk (Django's own temporary file of a large upload does, while
its request lasts: docs/encryption.md). A file from before that, readable, is read as it is until
``manage.py encrypt_files`` has sealed it; one in the place of a sealed one is refused.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any, NoReturn, Self, cast

from django.core.files.base import File
from django.core.files.storage import Storage, storages
from django.db import DatabaseError
from django.db.models.fields.files import FieldFile
from django.db.models.functions import Now
from django.utils.deconstruct import deconstructible
from django.utils.functional import SimpleLazyObject

from accounts.sealed import KEY_BYTES, SealError
from diagnoses.sealing import HEAD, PIECE, BrokenFileError, Head, Opening, Sealing, clear_size

logger = logging.getLogger(__name__)
SEALING = ".sealing"  # how a file is called that takes another's place when it is whole
IN_MEMORY = 32 << 20  # bytes; what is larger waits, sealed, in a temporary file


class _ReadableError(BrokenFileError):
    """A readable file where a sealed one belongs."""


class _NoKeyError(BrokenFileError):
    """``DATA_KEYS`` does not open its key: of that the file is not broken."""


class Opened(File):  # type: ignore[type-arg]  # generic for mypy only
    """Opened again after it was closed, it is asked of its storage: there is no path to it."""

    def __init__(self, file: Any, name: str, storage: Storage) -> None:
        super().__init__(file, name)
        self._storage = storage

    def open(self, mode: str | None = None, *_args: Any, **_kwargs: Any) -> Self:
        if self.closed:
            self.file = self._storage.open(str(self.name), mode or "rb").file
        else:
            self.seek(0)
        return self


@deconstructible
class PrivateStorage(Storage):
    """``.url`` and ``.path`` raise: pictures go through the gated view only, and are no file that
    anybody else could read."""

    @property
    def place(self) -> Any:
        return storages["pictures"]

    def url(self, name: str | None) -> NoReturn:
        raise ValueError(f"{name} is private and has no address; link to the picture view.")

    def path(self, name: str) -> NoReturn:
        raise NotImplementedError(f"{name} lies sealed: open it, its file says nothing.")

    # --- Reading ---------------------------------------------------------------------------------

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Raises ``FileNotFoundError``, and :class:`BrokenFileError` for what was not sealed here
        by us; so does reading, where only a later piece was changed."""
        if mode != "rb":
            raise ValueError("A sealed file is only read; save() or writing() makes one.")
        try:
            try:
                return self._tried(name)
            except _ReadableError:  # unless it was sealed in its place after we had opened it
                return self._tried(name)
        except BrokenFileError as error:
            _note(name, error)
            raise

    def _tried(self, name: str) -> File[bytes]:
        source = self.place.open(name, "rb")
        try:
            return self._opened(name, source)
        except BaseException:
            source.close()
            raise

    def _opened(self, name: str, source: IO[bytes]) -> File[bytes]:
        from diagnoses.models import FileKey  # the models' own fields need this storage

        head = Head.read(source.read(HEAD))
        if head is None:
            if FileKey.objects.filter(name=name).exists():
                raise _ReadableError("A readable file lies where a sealed one belongs.")
            source.seek(0)
            return Opened(source, name, self)
        row = FileKey.objects.filter(pk=head.key_id).first()
        if row is None:
            raise BrokenFileError("Its key is not in the database.")
        if row.name not in (name, name + SEALING):  # the second: sealed in its place this moment
            raise BrokenFileError("It was put in the place of another file.")
        try:
            secret = row.unwrap()
        except SealError as error:
            raise _NoKeyError(f"Its key does not open. {error}") from error
        size = source.seek(0, os.SEEK_END) or source.tell()
        opening = Opening(
            source,
            secret,
            head,
            size,
            refused=lambda error: _note(name, error),
            whole=(lambda: _clear(name)) if row.refused_at else lambda: None,
        )
        return Opened(io.BufferedReader(opening, PIECE), name, self)

    def exists(self, name: str) -> bool:
        return bool(self.place.exists(name))

    def size(self, name: str) -> int:
        """Bytes of what is inside."""
        with self.place.open(name, "rb") as source:
            is_sealed = Head.read(source.read(HEAD)) is not None
        size = int(self.place.size(name))
        return clear_size(size) if is_sealed else size

    def refused(self, names: Collection[str]) -> set[str]:
        """Those of ``names`` that were found broken before, and not found whole since."""
        from diagnoses.models import FileKey

        broken = FileKey.objects.filter(name__in=names, refused_at__isnull=False)
        return set(broken.values_list("name", flat=True))

    def givable(self, names: Collection[str]) -> dict[str, int]:
        """How many bytes each has, without those that are missing or known to be broken. Raises
        another ``OSError``: a bucket that is away says nothing of what is in it."""
        broken, sizes = self.refused(names), {}
        for name in set(names) - broken:
            with suppress(FileNotFoundError, BrokenFileError):
                sizes[name] = self.size(name)
        return sizes

    def pieces(self, name: str) -> Iterator[bytes]:
        """Of what is inside, opened when the first is asked for."""
        with self.open(name) as file:
            while piece := file.read(PIECE):
                yield piece

    def is_sealed(self, name: str) -> bool:
        with self.place.open(name, "rb") as source:
            return Head.read(source.read(HEAD)) is not None

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        folders, files = self.place.listdir(path)
        return folders, files

    def get_modified_time(self, name: str) -> datetime:
        at: datetime = self.place.get_modified_time(name)
        return at

    # --- Writing ---------------------------------------------------------------------------------

    def _save(self, name: str, content: File[bytes]) -> str:
        """Sealed in memory, its key written down, then the file itself."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as held:
            row, sealing = _begin(name, held)
            for chunk in content.chunks():
                sealing.write(chunk)
            sealing.finish()
            row.size = sealing.size
            row.save(force_insert=True)
            held.seek(0)
            try:
                return str(self.place.save(name, File(held, name)))
            except BaseException:
                with suppress(DatabaseError):  # a key without a file does no harm
                    row.delete()
                raise

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A context with a file to write to from start to end; there once it ends well."""
        with self.place.writing(name) as target:
            row, sealing = _begin(name, target)
            yield cast("IO[bytes]", sealing)
            sealing.finish()
            row.size = sealing.size
            row.save(force_insert=True)

    def rename(self, old: str, new: str) -> None:
        """Over whatever is called ``new``; in the caller's transaction, if there is one."""
        from diagnoses.models import FileKey

        with self.place.open(old, "rb") as source:
            head = Head.read(source.read(HEAD))
        if head is None:
            raise BrokenFileError("Only a sealed file is renamed.")
        FileKey.objects.filter(name=new).exclude(pk=head.key_id).delete()
        self.settle_name(old, new)
        self.place.rename(old, new)

    def settle_name(self, old: str, new: str) -> int:
        """The key of the file called ``old`` belongs to ``new`` from now on; 0 if it is gone."""
        from diagnoses.models import FileKey

        settled = 0
        for row in FileKey.objects.filter(name=old):
            secret, row.name = row.unwrap(), new
            row.wrap(secret)
            again = FileKey.objects.filter(pk=row.pk)  # of a file deleted now none is made anew
            settled += again.update(name=new, data_key=row.data_key, wrapped=row.wrapped)
        return settled

    def delete(self, name: str) -> None:
        """Its key first: from then on nobody opens it, in whatever copy."""
        from diagnoses.models import FileKey

        # The second: of what was sealed in its place this moment.
        FileKey.objects.filter(name__in=[name, name + SEALING]).delete()
        self.place.delete(name)


def _private() -> PrivateStorage:
    found = storages["default"]
    if not isinstance(found, PrivateStorage):
        raise TypeError("STORAGES['default'] is not the private storage.")
    return found


private: PrivateStorage = cast("PrivateStorage", SimpleLazyObject(_private))
"""The one that is set, by its own type: Django's ``default_storage`` knows no ``writing``."""


def _begin(name: str, target: IO[bytes]) -> tuple[Any, Sealing]:
    from diagnoses.models import FileKey

    row, secret = FileKey(name=name), os.urandom(KEY_BYTES)
    row.wrap(secret)
    return row, Sealing(target, secret, Head.new(row.pk))


def _note(name: str, error: BrokenFileError) -> None:
    """For whoever runs the portal: in the log, and counted."""
    from diagnoses.models import FileKey

    logger.error("The file %s cannot be opened: %s", name, error)
    if isinstance(error, _NoKeyError):
        return
    with suppress(DatabaseError):
        FileKey.objects.filter(name=name, refused_at=None).update(refused_at=Now())


def whole(file: FieldFile) -> bytes:
    """All of it: nothing is used before the last piece has been proved."""
    with file.open("rb") as opened:
        return bytes(opened.read())


def _clear(name: str) -> None:
    """What was noted of a file is over: it was put right, and has been read from end to end."""
    from diagnoses.models import FileKey

    with suppress(DatabaseError):
        FileKey.objects.filter(name=name).update(refused_at=None)

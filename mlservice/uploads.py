"""A bundle that comes as a file: unpacked into a folder of its own, whole or not at all.

Only files that the bundle's manifest names are taken out, each as a plain file of at most the size
it says it has, so nothing lands beside the folder and nothing grows beyond the limits.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler

from mlservice import registry
from mlservice.engine import Bundle, BundleError
from mlservice.engine.bundle import MANIFEST

MOST_PACKED = 128 << 20  # bytes; docs/operations.md has proxies let 200 MB through
MOST_UNPACKED = 256 << 20
MOST_FILES = 500
MOST_MANIFEST = 1 << 20
STALE = 3600.0  # seconds after which a half-unpacked folder was left by a process that died
_STAGING = ".unpacking-"
# What zipfile and its decompressors raise for what is no archive, or a damaged, a locked or a
# strange one: BadZipFile is only the first of them.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError, ValueError),
)


def home() -> Path:
    """Where the clinic's own bundles lie: beside the pictures, on the disk all processes share."""
    return Path(settings.MEDIA_ROOT) / "bundles"


def folders() -> list[Path]:
    """Every folder on this server that may hold a bundle: the shipped, and the clinic's own."""
    found = [*registry.BUNDLES.glob(f"*/{MANIFEST}"), *home().glob(f"*/{MANIFEST}")]
    return sorted(path.parent for path in found if not path.parent.name.startswith("."))


class BoundedUpload(TemporaryFileUploadHandler):
    """A file on the disk, that is dropped as soon as it is larger than a bundle may be."""

    too_large = False

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        """Django gives the request's announced length as the third."""
        super().handle_raw_input(*args, **kwargs)
        self.too_large = (args[2] or 0) > MOST_PACKED + MOST_MANIFEST
        self.received = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        if self.too_large:
            raise SkipFile
        super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received > MOST_PACKED:
            self.too_large = True
            raise SkipFile
        super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> UploadedFile[Any] | None:
        return None if self.too_large else super().file_complete(file_size)


def unpack(archive: UploadedFile[Any] | IO[bytes]) -> Path:
    """The folder with the bundle of a .zip; raises :class:`BundleError` and leaves nothing.

    The bundle may lie at the archive's top, or in one folder there. The same bundle again gives
    the folder that is there.
    """
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    _forget_stale()
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=home()))
    try:
        with zipfile.ZipFile(archive) as packed:
            _take_out(packed, staging)
        bundle = registry.checked(staging)
        target = home() / f"{bundle.manifest.pack}-{bundle.manifest_hash[:16]}"
        _put(staging, target)
    except _DAMAGED as error:
        raise BundleError(f"The file is not a .zip that can be read: {error}.") from error
    except OSError as error:
        why = error.strerror or error
        raise BundleError(f"The bundle could not be unpacked: {why}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _take_out(packed: zipfile.ZipFile, folder: Path) -> None:
    entries = packed.infolist()
    if len(entries) > MOST_FILES or sum(one.file_size for one in entries) > MOST_UNPACKED:
        raise BundleError(
            f"The file unpacks to more than {MOST_UNPACKED >> 20} MB or {MOST_FILES} files."
        )
    by_name = {one.filename: one for one in entries if not one.is_dir()}
    top = _top(by_name)
    manifest = by_name[f"{top}{MANIFEST}"]
    if manifest.file_size > MOST_MANIFEST:
        raise BundleError("The bundle's manifest is too long to be one.")
    content = packed.read(manifest)
    (folder / MANIFEST).write_bytes(content)
    for name in _named(content):
        entry = by_name.get(f"{top}{name}")
        if entry is None:
            raise BundleError(f"The bundle lacks the file {name!r}.")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with packed.open(entry) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file)  # ends after the size that was added up
            file.flush()
            os.fsync(file.fileno())


def _top(by_name: dict[str, zipfile.ZipInfo]) -> str:
    """What stands before every name: "" or "skin-3/"."""
    tops = [name.removesuffix(MANIFEST) for name in by_name if _is_manifest(name)]
    if len(tops) != 1:
        raise BundleError(f"The file must hold one {MANIFEST}, at its top or in one folder.")
    return tops[0]


def _is_manifest(name: str) -> bool:
    return name == MANIFEST or (name.count("/") == 1 and name.endswith(f"/{MANIFEST}"))


def _named(manifest: bytes) -> list[str]:
    """The files that the manifest has hashes of, every one inside the folder."""
    try:
        names = list(dict(json.loads(manifest)["sha256"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"The bundle's manifest is not readable: {error!r}.") from error
    for name in names:
        path = PurePosixPath(name)
        plain = name == str(path) and not path.is_absolute() and ".." not in path.parts
        if not plain or "\\" in name or "\0" in name or name == MANIFEST or name in {"", "."}:
            raise BundleError(f"The manifest names a file outside its folder: {name!r}.")
    return names


def _put(staging: Path, target: Path) -> None:
    """In its place under its final name; whoever was first has put the same there."""
    staging.chmod(0o700)
    if target.exists():
        try:
            Bundle.load(target)
        except BundleError:  # damaged since: this one is whole
            shutil.rmtree(target, ignore_errors=True)
        else:
            return
    try:
        staging.rename(target)
    except OSError:
        if not target.exists():
            raise


def forget(folder: Path) -> None:
    """Delete a bundle that was uploaded and is refused."""
    if folder.resolve().parent == home().resolve():
        shutil.rmtree(folder, ignore_errors=True)


def _forget_stale() -> None:
    for folder in home().glob(f"{_STAGING}*"):
        try:
            if time.time() - folder.stat().st_mtime > STALE:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # somebody else did
            continue

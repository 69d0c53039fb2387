"""An archive from outside, of which nothing is believed that was not checked.

First the list of its files, before one of them is opened: how many, what they are called, how large
they say they are. Then each is read, never further than it said, and held against the hash that the
manifest has of it. Only then is anything in it understood.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, NoReturn

from rest_framework import serializers

from diagnoses.archive import CASE, FHIR, FORMAT, MANIFEST
from diagnoses.archive.refusal import ArchiveRefusedError
from diagnoses.archive.shape import PHOTO, CaseShape, ManifestShape
from diagnoses.intake import MAX_BYTES

MOST_PHOTOS: Final = 18  # six with a case, and twelve that may follow
MOST_FILES: Final = MOST_PHOTOS + 3
LARGEST: Final = 128 << 20  # bytes, of the archive and of all that is in it
LARGEST_OF: Final[Mapping[str, int]] = {MANIFEST: 64 << 10, CASE: 1 << 20, FHIR: 4 << 20}
MOST_PACKED: Final = 50  # times: words pack well, and never like that
_END, _FAR_END = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _FAR_SIZE = 22, 20
_LIST_SIZE: Final = MOST_FILES * 512
_AT_ONCE: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Archive:
    """Checked whole. ``record`` is case.json as it came, ``case`` what we understand of it."""

    portal: str
    written_at: Any
    digest: str
    case: Mapping[str, Any]
    record: Mapping[str, Any]
    photos: tuple[tuple[str, str], ...]  # (name in the archive, kind), in their order
    file: zipfile.ZipFile

    def photo(self, name: str) -> IO[bytes]:
        return io.BytesIO(_content(self.file, self.file.getinfo(name)))


@contextmanager
def opened(upload: IO[bytes]) -> Iterator[Archive]:
    """Raises :class:`ArchiveRefusedError`."""
    _check_end(upload)
    try:
        file = zipfile.ZipFile(upload)
    except _BREAKS as error:
        raise ArchiveRefusedError("not_an_archive") from error
    with file:
        yield _checked(file)


# What the library raises over bytes that are no zip, or one of a kind that we do not take.
_BREAKS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)


def _check_end(upload: IO[bytes]) -> None:
    """The last 22 bytes say how long the list of files is: the library would read all of it.

    No zip64, no comment, nothing before or behind: that is how we write archives, and a list that
    is somewhere else than it says is none of ours.
    """
    upload.seek(0, os.SEEK_END)
    size = upload.tell()
    if size > LARGEST:
        raise ArchiveRefusedError("archive_too_large")
    if size < _END_SIZE:
        raise ArchiveRefusedError("not_an_archive")
    upload.seek(max(0, size - _END_SIZE - _FAR_SIZE))
    tail = upload.read()
    end, before = tail[-_END_SIZE:], tail[:-_END_SIZE]
    magic, *_disks, here, count, length, start, comment = struct.unpack("<4s4H2LH", end)
    if magic != _END or before.startswith(_FAR_END) or comment:
        raise ArchiveRefusedError("not_an_archive")
    if max(count, here) > MOST_FILES or length > _LIST_SIZE:
        raise ArchiveRefusedError("too_many_files")
    if start + length != size - _END_SIZE:
        raise ArchiveRefusedError("not_an_archive")


def _checked(file: zipfile.ZipFile) -> Archive:
    entries = file.infolist()
    if len(entries) > MOST_FILES:
        raise ArchiveRefusedError("too_many_files")
    for entry in entries:
        _check_entry(entry)
    names = [entry.filename for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ArchiveRefusedError("strange_file", name)
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise ArchiveRefusedError("archive_too_large")
    for name in (MANIFEST, CASE, FHIR):
        if name not in names:
            raise ArchiveRefusedError("missing_file", name)
    return _understood(file)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    is_ours = name in LARGEST_OF or PHOTO.fullmatch(name) is not None
    # A link would be read as a file; an encrypted one is nobody's to check.
    if not is_ours or kind not in (0, stat.S_IFREG) or entry.flag_bits & 0x1:
        raise ArchiveRefusedError("strange_file", name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveRefusedError("strange_file", name)
    too_large = entry.file_size > LARGEST_OF.get(name, MAX_BYTES)
    if too_large or entry.file_size > MOST_PACKED * max(entry.compress_size, 1):
        raise ArchiveRefusedError("too_packed", name)


def _understood(file: zipfile.ZipFile) -> Archive:
    manifest = _shaped(MANIFEST, _manifest(file))
    listed = {each["name"]: each for each in manifest["files"]}
    there = {entry.filename for entry in file.infolist()} - {MANIFEST}
    if len(listed) != len(manifest["files"]):
        raise ArchiveRefusedError("unreadable_file", MANIFEST)
    for name in sorted(set(listed) - there):
        raise ArchiveRefusedError("missing_file", name)
    for name in sorted(there - set(listed)):
        raise ArchiveRefusedError("strange_file", name)
    for name, each in listed.items():
        if _digest(file, file.getinfo(name)) != (each["size"], each["sha256"]):
            raise ArchiveRefusedError("wrong_hash", name)
    record = _json(CASE, _content(file, file.getinfo(CASE)))
    case = _shaped(CASE, record)
    if case["id"] != manifest["case"]:
        raise ArchiveRefusedError("unreadable_file", CASE)
    photos = _photos(case, there)
    told = sorted((name, listed[name]["sha256"]) for name in (CASE, *(name for name, _ in photos)))
    return Archive(
        portal=manifest["portal"],
        written_at=manifest["written_at"],
        digest=hashlib.sha256(json.dumps(told).encode()).hexdigest(),
        case=case,
        record=record,
        photos=photos,
        file=file,
    )


def _manifest(file: zipfile.ZipFile) -> dict[str, Any]:
    """Of our version: what another one means by the same words, nobody knows."""
    found = _json(MANIFEST, _content(file, file.getinfo(MANIFEST)))
    if found.get("format") != FORMAT or isinstance(found["format"], bool):
        raise ArchiveRefusedError("other_version", found.get("format", "?"))
    return found


def _photos(case: Mapping[str, Any], there: set[str]) -> tuple[tuple[str, str], ...]:
    """Those that are in the archive, each said of the case once."""
    photos = tuple((each["file"], each["kind"]) for each in case["photos"] if each["file"])
    names = [name for name, _ in photos]
    if not photos:
        raise ArchiveRefusedError("no_photos")
    for name in names:
        if name not in there:
            raise ArchiveRefusedError("missing_file", name)
    if sorted(names) != sorted(name for name in there if PHOTO.fullmatch(name)):
        raise ArchiveRefusedError("unreadable_file", CASE)
    return photos


def _shaped(name: str, content: Any) -> Mapping[str, Any]:
    shape: type[serializers.Serializer[Any]] = {MANIFEST: ManifestShape, CASE: CaseShape}[name]
    form = shape(data=content)
    try:
        right = form.is_valid()
    except RecursionError:
        right = False
    if not right:
        raise ArchiveRefusedError("unreadable_file", f"{name}, {', '.join(form.errors) or '?'}")
    return dict(form.validated_data)


def _json(name: str, raw: bytes) -> dict[str, Any]:
    """An object. Nothing in it that no text and no number is: it is kept, and shown, as it is."""

    def no_number(_: str) -> NoReturn:
        raise ValueError

    try:
        found = json.loads(raw.decode(), parse_constant=no_number)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:  # half of a character is a ValueError, too
        raise ArchiveRefusedError("unreadable_file", name) from error
    if not isinstance(found, dict):
        raise ArchiveRefusedError("unreadable_file", name)
    return found


def _pieces(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Never more than it said it is; what unpacks to more, or less, is damaged."""
    left = entry.file_size
    try:
        with file.open(entry) as source:
            while piece := source.read(_AT_ONCE):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
    except _BREAKS as error:
        raise ArchiveRefusedError("archive_damaged", entry.filename) from error
    if left:
        raise ArchiveRefusedError("archive_damaged", entry.filename)


def _content(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    return b"".join(_pieces(file, entry))


def _digest(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[int, str]:
    hashed, size = hashlib.sha256(), 0
    for piece in _pieces(file, entry):
        hashed.update(piece)
        size += len(piece)
    return size, hashed.hexdigest()

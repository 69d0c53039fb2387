"""The keys of files wrapped anew, and files from before sealed in their place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from django.db import transaction

from accounts import sealed
from accounts.resealing import Batch
from diagnoses.models import FileKey
from diagnoses.places import WRITING
from diagnoses.sealing import HEAD, LOST, Head
from diagnoses.storage import SEALING, private

ROWS = 500  # in one transaction
FOLDERS = ("photos", "drafts", "exports")


def rewrap() -> Iterator[Batch]:
    """Every file's key under the first data key; no file is touched. Like a column's ``reseal``."""
    first = sealed.data_keys()[0].name
    last = None
    while True:
        with transaction.atomic():
            rows = FileKey.objects.exclude(data_key=first).order_by("pk")
            rows = rows.filter(pk__gt=last) if last else rows
            batch = list(rows.select_for_update()[:ROWS])
            opened = [row for row in batch if _wrapped_anew(row)]
            FileKey.objects.bulk_update(opened, ["data_key", "wrapped"])
        if not batch:
            return
        last = batch[-1].pk
        yield Batch(len(batch), len(opened), len(batch) - len(opened))


def _wrapped_anew(row: FileKey) -> bool:
    try:
        row.wrap(row.unwrap())
    except sealed.SealError:
        return False
    return True


def readable_files() -> Iterator[tuple[str, bool]]:
    """The name of every file, and whether it lies there readable."""
    for folder in FOLDERS:
        for name in _below(folder):
            if name.endswith(SEALING) or PurePosixPath(name).name.startswith(WRITING):
                continue
            try:
                yield name, not private.is_sealed(name)
            except FileNotFoundError:  # deleted meanwhile
                continue


def seal_file(name: str) -> bool:
    """A readable file sealed in its place; False where it is gone, or sealed, meanwhile.

    First a sealed copy beside it, its key written down and its bytes flushed; then the copy takes
    the file's name, in one step of the disk. Killed anywhere, the file is whole, readable or
    sealed, and the next run goes on.
    """
    beside = name + SEALING
    private.delete(beside)  # of a run that was killed
    try:
        with private.place.open(name, "rb") as source:
            if Head.read(source.read(HEAD)) is not None:
                return False
            source.seek(0)
            private.save(beside, source)
    except FileNotFoundError:
        return False
    private.place.rename(beside, name)
    if not private.settle_name(beside, name):  # deleted meanwhile, and its new key with it
        private.place.delete(name)
        return False
    return True


def settle_names() -> int:
    """Of runs that were killed between a file's new name and its key's; how many.

    In a bucket the file may lie under both names: a copy is made first, then the old one goes.
    """
    left = 0
    for row in FileKey.objects.filter(name__endswith=SEALING):
        name = row.name.removesuffix(SEALING)
        head = _head(name)
        if head is not None and head.key_id == row.pk:
            private.settle_name(row.name, name)
            private.place.delete(row.name)
            left += 1
    return left


def _head(name: str) -> Head | None:
    """Of a sealed file; ``None`` for what is none."""
    try:
        with private.place.open(name, "rb") as source:
            return Head.read(source.read(HEAD))
    except LOST:
        return None


def _below(folder: str) -> Iterator[str]:
    try:
        folders, files = private.listdir(folder)
    except FileNotFoundError:
        return
    for name in sorted(files):
        yield f"{folder}/{name}"
    for name in sorted(folders):
        yield from _below(f"{folder}/{name}")

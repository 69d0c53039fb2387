"""The worker's part: exports are leased rows, made whole or not at all, and deleted after a week.

A worker that is killed loses nothing: its lease runs out, and the next one begins anew, with the
consents of that moment.
"""

from __future__ import annotations

import logging
import time
import uuid
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit, wording
from diagnoses.failpoints import reach
from diagnoses.learning import folder, which, withdrawing
from diagnoses.learning.pseudonyms import pseudonym
from diagnoses.learning.which import RESEARCH, Found, Wanted
from diagnoses.models import ExportedPhoto, TakenCopy, TrainingExport, TrainingExportQuerySet
from diagnoses.places import WRITING
from diagnoses.storage import private
from mlservice.packs import load_pack

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
LEASE = timedelta(seconds=60)
BEAT = 2.0  # seconds between two words about how far it is; each renews the lease
ATTEMPTS = 3
STALE = timedelta(hours=1)  # after which a half-written file was left by a worker that died
ROWS = 2000  # in one statement
State = TrainingExport.State


class NotNowError(Exception):
    """It cannot be written now; the text is a sentence."""


class LostError(Exception):
    """The lease is somebody else's now, or a consent was taken back meanwhile."""


def make_due() -> int:
    """Make every export that waits, one after the other; how many were settled."""
    done = 0
    while (export := claim()) is not None:
        try:
            _make(export)
            done += 1
        except LostError:
            logger.info("%s is begun anew", export)
        except OSError as error:  # a full disk: the lease runs out, and it is tried again
            logger.warning("%s could not be written: %s", export, error)
    return done


def claim() -> TrainingExport | None:
    """Lease the export that waits longest, if there is one."""
    with transaction.atomic():
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        rows = TrainingExport.objects.select_for_update(skip_locked=True)
        export = rows.filter(free, state=State.WAITING).order_by("asked_at").first()
        if export is None:
            return None
        if export.attempts >= ATTEMPTS:
            ExportedPhoto.objects.filter(export=export).delete()
            end(export, State.FAILED, "export.failed")
            return None
        lease(export)
    return export


def lease(export: TrainingExport) -> None:
    """``export`` is this process's for a while."""
    export.token = uuid.uuid4()
    TrainingExport.objects.filter(pk=export.pk).update(
        token=export.token, lease_until=Now() + LEASE, attempts=F("attempts") + 1
    )


def hold(export: TrainingExport) -> tuple[Wanted, Found]:
    """Choose the pictures and write down which: from now on whoever takes a consent back finds
    them here. Raises :class:`LostError`."""
    wanted = Wanted(load_pack(export.pack), export.modality, export.clinic)
    with transaction.atomic():
        withdrawing.one_at_a_time()
        _still_mine(export)
        ExportedPhoto.objects.filter(export=export).delete()
        found = which.find(wanted)
        rows = (
            ExportedPhoto(export=export, photo_id=item.photo, name=pseudonym("picture", item.photo))
            for item in found.items
        )
        ExportedPhoto.objects.bulk_create(rows, batch_size=ROWS)
        _mine(export).update(total=len(found.items), done=0, wording=wording.version(RESEARCH))
    return wanted, found


def in_hand(export: TrainingExport) -> Callable[[int], None]:
    """To be told how many pictures are done: says so every two seconds, and keeps the lease."""
    said = time.monotonic()

    def step(done: int) -> None:
        nonlocal said
        reach("in_export")
        if time.monotonic() - said < BEAT:
            return
        said = time.monotonic()
        if not _mine(export).update(done=done, lease_until=Now() + LEASE):
            raise LostError

    return step


def _make(export: TrainingExport) -> None:
    wanted, found = hold(export)
    temporary = f"exports/{WRITING}{export.token}"
    try:
        with private.writing(temporary) as file, zipfile.ZipFile(file, "w") as archive:
            written = folder.write(
                folder.Zipped(archive),
                wanted,
                found.items,
                export=str(export.pk),
                copies=found.copies,
                step=in_hand(export),
            )
        settle(export, written, State.READY, temporary)
    finally:
        if private.exists(temporary):  # it was not settled
            private.delete(temporary)


def write_out(wanted: Wanted, target: Path) -> TrainingExport:
    """The folder into ``target``, at once, from the command line; recorded like any other.

    Raises :class:`NotNowError` where the same is being made at this moment, or somebody took the
    consent back meanwhile.
    """
    export = TrainingExport(
        pack=wanted.pack.name, modality=wanted.modality, clinic=wanted.clinic, token=uuid.uuid4()
    )
    export.lease_until = timezone.now() + LEASE
    try:
        with transaction.atomic():
            export.save(force_insert=True)
    except IntegrityError as error:
        raise NotNowError("The same export is being made at this moment.") from error
    try:
        _, found = hold(export)
        written = folder.write(
            folder.Unpacked(target),
            wanted,
            found.items,
            export=str(export.pk),
            copies=found.copies,
            step=in_hand(export),
        )
        settle(export, written, State.OVER, None)
    except LostError as error:
        raise NotNowError("Somebody took back a consent meanwhile.") from error
    finally:  # a worker would make a zip of what was left half done
        with transaction.atomic():
            left = TrainingExport.objects.select_for_update().filter(pk=export.pk).first()
            if left is not None and left.state == State.WAITING:
                end(left, State.FAILED, "export.failed")
    export.refresh_from_db()
    return export


def settle(
    export: TrainingExport,
    written: folder.Written,
    state: TrainingExport.State,
    temporary: str | None,
) -> None:
    """The export's end, in one transaction; raises :class:`LostError` where it is not ours now."""
    with transaction.atomic():
        _still_mine(export)
        there = [item.photo for item in written.items]
        if len(there) < export.held.count():
            export.held.exclude(photo__in=there).delete()
        if not there:
            end(export, State.EMPTY, "export.empty")
            return
        size = None
        if temporary is not None:
            size = private.size(temporary)
            private.rename(temporary, export.file)
        TrainingExport.objects.filter(pk=export.pk).update(
            counts=written.counts,
            table_hash=written.table_hash,
            size=size,
            total=len(there),
            done=len(there),
            kept_until=Now() + KEPT_FOR if temporary else None,
        )
        if temporary is None:  # it is outside already
            TakenCopy.objects.create(export=export, by=None)
        end(export, state, "export.made", pictures=len(there), hash=written.table_hash)


def end(export: TrainingExport, state: TrainingExport.State, action: str, **said: object) -> None:
    """No longer waiting. In the caller's transaction."""
    TrainingExport.objects.filter(pk=export.pk).update(
        state=state, settled_at=Now(), token=None, lease_until=None
    )
    audit.record(action, actor=export.asked_by, about=withdrawing.about(export), **said)


def _mine(export: TrainingExport) -> TrainingExportQuerySet:
    return TrainingExport.objects.filter(pk=export.pk, token=export.token, state=State.WAITING)


def _still_mine(export: TrainingExport) -> None:
    """And it stays so until the end of this transaction."""
    if _mine(export).select_for_update().first() is None:
        raise LostError


def sweep() -> None:
    """Delete what is over, and what a worker that died has left."""
    withdrawing.catch_up()
    with transaction.atomic():
        old = TrainingExport.objects.select_for_update(skip_locked=True)
        for export in old.filter(state=State.READY, kept_until__lt=Now()):
            TrainingExport.objects.filter(pk=export.pk).update(state=State.OVER)
            audit.record("export.deleted", actor=None, about=withdrawing.about(export), why="age")
            withdrawing.delete_file(export)
    _delete_strays()


def _delete_strays() -> None:
    """Files of exports that are not ready: left by a process that died between row and file."""
    try:
        names = private.listdir("exports")[1]
    except FileNotFoundError:  # nobody ever asked for one
        return
    stale = timezone.now() - STALE
    ready = TrainingExport.objects.filter(state=State.READY)
    kept = {export.file for export in ready}
    for name in (f"exports/{name}" for name in names):
        try:
            if name not in kept and private.get_modified_time(name) < stale:
                private.delete(name)
        except OSError:  # somebody else did
            continue

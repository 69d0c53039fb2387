"""The photos of a form that is not sent yet, kept so that no refusal costs them.

A browser cannot fill a file input again. So each photo is cleaned and kept as soon as it arrives,
in the background or with the form, and the form comes back showing it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import IO
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from diagnoses import intake, quota
from diagnoses.models import Draft, DraftPhoto, UploadPiece, UploadTally
from diagnoses.sealing import LOST
from diagnoses.storage import whole
from mlservice.packs import Outcome, Pack, PhotoKind, QualityReason

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=14)
PIECES_KEPT_FOR = timedelta(days=1)  # of a photo that never arrived whole
MAIN = "main"
# A form has a few places for photos; nobody fills in more than a few forms at once.
MOST_PER_PERSON = 12


@dataclass(slots=True)
class Slot:
    """One place for a photo in the form, and what is in it."""

    name: str
    pack: Pack
    draft: DraftPhoto | None = None
    refused: intake.Refusal | None = None  # why the last picture for this place was not taken

    @property
    def refusal(self) -> str:
        """The sentence of it."""
        return self.refused.sentence if self.refused else ""

    @property
    def kinds(self) -> tuple[PhotoKind, ...]:
        """What the photo here may be. The computer looks at the main one; the others, a place
        for each kind, only help the doctor."""
        if self.name == MAIN:
            return tuple(kind for kind in self.pack.photo_kinds if kind.scored)
        return (self.pack.photo_kind(self.name),)

    @property
    def problems(self) -> list[QualityReason]:
        """What is wrong with the kept photo, worst first; empty when all is well."""
        if self.draft is None:
            return []
        return [self.pack.quality[code] for code in self.draft.quality["reasons"]]

    @property
    def hints(self) -> list[QualityReason]:
        """What may be better about a kept photo that will do."""
        if self.draft is None:
            return []
        return [self.pack.quality[code] for code in self.draft.quality.get("hints", ())]

    @property
    def drawings(self) -> list[tuple[str, str]]:
        """Templates, each with one to fall back on, that show how to take a better photo."""
        if self.draft is None:
            return []
        told = [*self.draft.quality["reasons"], *self.draft.quality.get("hints", ())]
        return drawings_of(self.pack, told)

    @property
    def verdict(self) -> Outcome | None:
        """What to tell about a photo that cannot be judged."""
        problems = self.problems
        if not problems:
            return None
        problem = gettext(" and ").join(each.problem for each in problems)
        return self.pack.outcomes["photo_fails"].fill(problem=problem)

    @property
    def advice(self) -> list[str]:
        return [line for problem in self.problems for line in problem.advice]


def drawings_of(pack: Pack, reasons: Iterable[str]) -> list[tuple[str, str]]:
    """For each reason the template that draws how to do better, and the one to fall back on."""
    return [
        (f"drawings/retake/{pack.name}/{code}.html", "drawings/retake/none.html")
        for code in reasons
    ]


def slots(patient: User, submit_key: UUID, pack: Pack) -> dict[str, Slot]:
    """The form's places for photos with what is kept in them, the main one first."""
    names = [MAIN, *(kind.name for kind in pack.photo_kinds if not kind.scored)]
    kept = {
        draft.slot: draft
        for draft in DraftPhoto.objects.filter(patient=patient, submit_key=submit_key)
    }
    return {name: Slot(name, pack, kept.get(name)) for name in names}


def receive(
    patient: User, submit_key: UUID, slot: Slot, upload: IO[bytes], by: User | None = None
) -> None:
    """Clean and keep ``upload`` in ``slot``. A refused one leaves a kept photo where it was.

    It counts for ``by``, who sent it; for nobody where it was counted before.
    """
    try:
        if by is not None:
            quota.spend(by, [_size(upload)])
        photo = intake.clean(upload, slot.pack.glance_at(slot.kinds[0].name))
    except intake.Refusal as refusal:
        slot.refused = refusal
        return
    try:
        slot.draft, slot.refused = keep(patient, submit_key, slot.name, photo), None
    except OSError:
        logger.exception("A photo of a form could not be kept")
        slot.refused = intake.Refusal(intake.NOT_KEPT)


def _size(upload: IO[bytes]) -> int:
    """In bytes, from here to its end."""
    here = upload.tell()
    size = upload.seek(0, os.SEEK_END) - here
    upload.seek(here)
    return size


def keep(patient: User, submit_key: UUID, slot: str, photo: intake.CleanPhoto) -> DraftPhoto:
    """Keep ``photo`` in its place of the form, instead of the one before.

    The same photo again is the one already kept: a double click must not take it from the first.
    """
    values = {
        "file": ContentFile(photo.content, name="draft.jpg"),
        "width": photo.width,
        "height": photo.height,
        "sha256": photo.sha256,
        "quality": photo.quality.as_dict(),
    }
    with transaction.atomic():
        # The row first: two uploads for one place wait for each other, and each knows the other's.
        one_at_a_time(patient)
        place = DraftPhoto.objects.filter(patient=patient, submit_key=submit_key, slot=slot)
        if same := place.filter(sha256=photo.sha256).first():
            return same
        _drop(list(place))
        _drop(
            list(DraftPhoto.objects.filter(patient=patient).order_by("-created_at", "pk"))[
                MOST_PER_PERSON - 1 :
            ]
        )
        return DraftPhoto.objects.create(
            patient=patient, submit_key=submit_key, slot=slot, **values
        )


def clean_photo(draft: DraftPhoto) -> intake.CleanPhoto:
    """The kept picture as intake made it. Raises ``FileNotFoundError`` once it is discarded,
    ``BrokenFileError``, and ``intake.Refusal`` while the storage gives nothing."""
    try:
        content = whole(draft.file)
    except LOST:
        raise
    except OSError as error:
        logger.exception("A photo of a form could not be fetched")
        raise intake.Refusal(intake.NOT_KEPT) from error
    return intake.CleanPhoto(
        content=content,
        width=draft.width,
        height=draft.height,
        sha256=draft.sha256,
        quality=intake.Quality.of(draft.quality),
    )


def discard(places: Mapping[str, Slot]) -> None:
    """Let go of a form's photos: it was sent, or they are no longer whole."""
    _drop([slot.draft for slot in places.values() if slot.draft is not None])
    for slot in places.values():
        slot.draft = None


def forget_all_of(patient: User) -> None:
    """Whatever this person began and did not send, answers and photos."""
    Draft.objects.filter(patient=patient).delete()
    UploadPiece.objects.filter(patient=patient).delete()
    UploadTally.objects.filter(person=patient).delete()
    _drop(list(DraftPhoto.objects.filter(patient=patient)))


def sweep() -> int:
    """Delete what nobody came back to, rows and files; says how many photos went.

    Files go by their age, not by their row, so one whose row never came to be goes as well.
    """
    Draft.objects.filter(touched_at__lt=Now() - KEPT_FOR).delete()
    quota.sweep()
    UploadPiece.objects.filter(created_at__lt=Now() - PIECES_KEPT_FOR).delete()
    gone, _ = DraftPhoto.objects.filter(created_at__lt=Now() - KEPT_FOR).delete()
    oldest = timezone.now() - KEPT_FOR
    for path in _files():
        try:
            if default_storage.get_modified_time(path) < oldest:
                default_storage.delete(path)
        except OSError as error:  # one file's trouble is its own: the next hour tries again
            logger.warning("%s could not be deleted: %s", path, error)
    return gone


def _files() -> Iterator[str]:
    """Every file of a form. A bucket has no folders to ask for, a disk may not have one yet."""
    try:
        for folder in default_storage.listdir("drafts")[0]:
            for name in default_storage.listdir(f"drafts/{folder}")[1]:
                yield f"drafts/{folder}/{name}"
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("The photos of forms could not be listed: %s", error)


def one_at_a_time(patient: User) -> None:
    """Whatever else this person's other tabs and phones do with their forms waits."""
    User.objects.select_for_update(no_key=True).get(pk=patient.pk)


def _drop(drafts: list[DraftPhoto]) -> None:
    """Delete rows now and their files once that is certain."""
    for draft in drafts:
        name = str(draft.file.name)
        draft.delete()
        _delete_later(name)


def _delete_later(name: str) -> None:
    """One that fails keeps none of the others; the sweep deletes what is left."""

    def delete() -> None:  # a partial has no name, which Django wants to log
        default_storage.delete(name)

    transaction.on_commit(delete, robust=True)

"""A photo that arrives in pieces: a broken network costs one piece, not the photo.

The sender numbers the bytes. Each answer says how many have arrived in one row from the start;
whoever lost the answer asks, and goes on from there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce, Length

from accounts.fields import OVERHEAD
from accounts.models import User
from diagnoses import drafts, intake, quota
from diagnoses.models import UploadPiece

# Photos on their way at once; who begins more is not on a slow network.
MOST_PER_PERSON = 6


class OutOfPlace(Exception):
    """The piece does not follow on what is here; ``received`` bytes are."""

    def __init__(self, received: int) -> None:
        self.received = received
        super().__init__(f"Go on from byte {received}.")


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way into one place of a form. ``name`` tells it from any other file."""

    patient: User
    submit_key: UUID
    slot: str
    name: str
    total: int  # bytes
    by: User  # who sends it


def received(upload: Upload) -> int:
    """How many bytes of it are here."""
    clear = Length("content") - OVERHEAD
    here = _pieces(upload).aggregate(bytes=Coalesce(Sum(clear), 0))
    return int(here["bytes"])


def add(upload: Upload, start: int, content: bytes) -> int:
    """Keep one piece; says how many bytes are here now.

    Raises :class:`OutOfPlace` for one that does not follow on the last, ``intake.Refusal`` for a
    file that would be too large, or more than its sender may send today. A piece that is here
    already is taken as such.
    """
    if upload.total > intake.MAX_BYTES or start + len(content) > upload.total:
        raise intake.Refusal("too_heavy")
    with transaction.atomic():
        drafts.one_at_a_time(upload.patient)
        here = received(upload)
        if 0 <= start <= here - len(content) and content:
            return here
        if start != here:
            raise OutOfPlace(here)
        if start == 0:
            quota.spend(upload.by, [upload.total])  # the whole of it, or the last piece might fail
            _make_room(upload)
        UploadPiece.objects.create(
            patient=upload.patient,
            submit_key=upload.submit_key,
            slot=upload.slot,
            upload=upload.name,
            start=start,
            content=content,
        )
        return here + len(content)


def whole(upload: Upload) -> IO[bytes]:
    """The file, all of it here; its pieces stay until :func:`forget`."""
    in_order = _pieces(upload).order_by("start").values_list("content", flat=True)
    return io.BytesIO(b"".join(in_order))


def forget(patient: User, submit_key: UUID, slot: str) -> None:
    """The file was taken or refused: nobody asks for its pieces again."""
    UploadPiece.objects.filter(patient=patient, submit_key=submit_key, slot=slot).delete()


def _pieces(upload: Upload) -> QuerySet[UploadPiece]:
    """Of another file for the same place there may be some until this one's first arrives."""
    return UploadPiece.objects.filter(
        patient=upload.patient,
        submit_key=upload.submit_key,
        slot=upload.slot,
        upload=upload.name,
    )


def _make_room(upload: Upload) -> None:
    """Another file for this place begins; and the oldest ones of too many go."""
    forget(upload.patient, upload.submit_key, upload.slot)
    begun = UploadPiece.objects.filter(patient=upload.patient, start=0).order_by("-created_at")
    for piece in begun.defer("content")[MOST_PER_PERSON - 1 :]:
        forget(upload.patient, piece.submit_key, piece.slot)

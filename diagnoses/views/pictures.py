"""What a doctor can lay beside the case's own pictures: the same mark's at other times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diagnoses.gathered import PHOTOS
from diagnoses.models import Photo
from diagnoses.worklist import Row

# Newest first; a mark photographed more often than this has its older ones in its other cases.
MOST = 40


@dataclass(frozen=True, slots=True)
class OtherPhoto:
    """A picture that came with another case of the same mark."""

    photo: Photo
    kind: str  # what it was taken for, in the pack's words
    row: Row


def at_other_times(rows: Sequence[Row]) -> list[OtherPhoto]:
    """The pictures of these cases, which come newest first and with their photos."""
    found = [
        OtherPhoto(photo, row.case.pack.photo_kind(photo.kind).text, row)
        for row in rows
        for photo in PHOTOS.of(row.case)
    ]
    return found[:MOST]

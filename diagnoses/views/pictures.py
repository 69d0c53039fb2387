"""What a doctor can lay beside the case's own pictures: the same mark's at other times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
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


def at_other_times(rows: Sequence[Row], doctor: User) -> list[OtherPhoto]:
    """The pictures of these cases, newest case first, at one statement."""
    by_case = {row.case.pk: row for row in rows}
    found = Photo.objects.visible_to(doctor).filter(case__in=list(by_case))
    return [
        OtherPhoto(photo, row.case.pack.photo_kind(photo.kind).text, row)
        for photo in found.order_by("-case__submitted_at", "created_at", "pk")[:MOST]
        if (row := by_case[photo.case_id])
    ]

"""Bytes from outside become a clean picture, or a reason the sender can act on. Pure.

Nothing is decoded in this process: :mod:`diagnoses.opening` does that in one that has limits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO

from django.utils.translation import gettext_lazy as _

from diagnoses.opening import children
from diagnoses.opening.child import OVER
from diagnoses.opening.children import NOT_NOW
from diagnoses.opening.judging import UNSEEN, Quality, judge
from diagnoses.opening.pixels import MAX_BYTES, Unfit
from mlservice.packs import Glance

__all__ = ["MAX_BYTES", "SENTENCES", "CleanPhoto", "Quality", "Refusal", "clean", "judge"]

AGAIN = 60  # seconds until what cannot be done now is tried again
NOT_KEPT = "not_kept"  # where the disk is full or the bucket away

SENTENCES = {
    "empty": _("This file is empty. Please choose the photo again."),
    "too_heavy": _(
        "This file is larger than 30 MB. Please send the photo as your camera took it, "
        "or a smaller copy."
    ),
    "too_much": _("This is more than we take at once. Please send fewer or smaller photos."),
    "not_a_picture": _(
        "This file is not a photo we can read. Please send a JPEG, PNG, WebP or HEIC picture."
    ),
    "damaged": _(
        "This photo is damaged or incomplete. Please take it again, or send another copy."
    ),
    "too_many_pixels": _("This photo has more than 50 megapixels. Please send a smaller copy."),
    "too_few_pixels": _(
        "This picture is too small to see anything on it. Please send the photo as "
        "your camera took it."
    ),
    "strip": _("This picture is a long strip. Please send one photo of one mark."),
    "animated": _("This is a moving picture. Please send one still photo."),
    OVER: _(
        "Opening this photo takes more time or memory than we allow. Please send it as a JPEG, "
        "or a smaller copy."
    ),
    "quota": _(
        "You have sent as many photos as one person may in a day. Please go on tomorrow; what you "
        "have sent so far is kept."
    ),
    NOT_NOW: _("We cannot open photos at this moment. Please try again in a few minutes."),
    NOT_KEPT: _("We cannot take photos at this moment. Please try again in a few minutes."),
}

_STATUS = {
    "too_much": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "quota": HTTPStatus.TOO_MANY_REQUESTS,
    NOT_NOW: HTTPStatus.SERVICE_UNAVAILABLE,
    NOT_KEPT: HTTPStatus.SERVICE_UNAVAILABLE,
}


class Refusal(Exception):
    """The picture cannot be taken; ``sentence`` says why and what to do.

    ``http`` is HTTP's status for it, and ``wait`` after how many seconds it may be tried again; 0
    where the same picture will never be taken.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.http = _STATUS.get(code, HTTPStatus.UNPROCESSABLE_ENTITY)
        self.wait = AGAIN if code in (NOT_NOW, NOT_KEPT) else 0
        self.sentence = str(SENTENCES[code])
        super().__init__(self.sentence)


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """An upright RGB JPEG without any metadata, and what is known of it."""

    content: bytes
    width: int
    height: int
    sha256: str
    quality: Quality


def clean(upload: IO[bytes], glance: Glance = UNSEEN) -> CleanPhoto:
    """Check, decode, turn upright and rebuild ``upload``; raises :class:`Refusal`.

    ``glance`` is the pack's, for a photo that it should hold for (:meth:`Pack.glance_at`).
    """
    raw = upload.read(MAX_BYTES + 1)
    if not raw:
        raise Refusal("empty")
    if len(raw) > MAX_BYTES:
        raise Refusal("too_heavy")
    try:
        opened = children.opened(raw, glance)
    except Unfit as unfit:
        known = unfit.code in SENTENCES  # the child is not believed blindly
        raise Refusal(unfit.code if known else OVER) from None
    return CleanPhoto(
        content=opened.content,
        width=opened.width,
        height=opened.height,
        sha256=hashlib.sha256(opened.content).hexdigest(),
        quality=opened.quality,
    )

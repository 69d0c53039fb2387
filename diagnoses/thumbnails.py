"""Small copies of pictures, for lists. As private as the pictures themselves."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from diagnoses.models import Photo
from diagnoses.sealing import BrokenFileError
from diagnoses.storage import whole

SIDE = 480  # pixels: a card's width on a dense screen
MEDIUM = 1280  # to look at, on a screen or on paper, where nobody measures


def thumbnail(photo: Photo) -> bytes:
    """A JPEG of at most 480 pixels a side, made once and kept beside the picture.

    One that does not open is made anew: its key may have gone with a transaction that was undone.
    """
    name = str(PurePosixPath(str(photo.file.name)).with_suffix(".thumb.jpg"))
    if default_storage.exists(name):
        try:
            with default_storage.open(name) as kept:
                return bytes(kept.read())
        except BrokenFileError:
            default_storage.delete(name)
    content = shrink(whole(photo.file))
    written = default_storage.save(name, ContentFile(content))
    if written != name:  # somebody else was first; theirs is the same
        default_storage.delete(written)
    return content


def shrink(picture: bytes, side: int = SIDE) -> bytes:
    """A copy of at most ``side`` pixels. ``picture`` is one of ours: an upright RGB JPEG.

    Raises :class:`BrokenFileError` where it is none.
    """
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG",)) as image:
            # Decodes at a fraction of the size where it can: a large photo costs milliseconds.
            image.draft("RGB", (side, side))
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            image.save(buffer, "JPEG", quality=82)
    except OSError as error:  # Pillow's word for it
        raise BrokenFileError(f"It is no picture: {type(error).__name__}") from error
    return buffer.getvalue()

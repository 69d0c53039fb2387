"""A case's pictures, out of the storage and into the hands of whoever decodes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diagnoses.models import Photo
from diagnoses.sealing import AwayError, BrokenFileError
from diagnoses.storage import whole
from mlservice.engine import PictureError
from mlservice.engine.decoders import Decoder, Pending
from mlservice.engine.types import Picture


def prepared(photos: Sequence[Photo], decoder: Decoder, side: int) -> list[Pending]:
    """Opened here, for the keys are in the database; decoded elsewhere. Raises
    :class:`AwayError`."""
    contents = [_content(photo) for photo in photos]
    return [
        content if isinstance(content, _Unreadable) else decoder.prepare(content, side)
        for content in contents
    ]


def _content(photo: Photo) -> bytes | _Unreadable:
    try:
        return whole(photo.file)
    except FileNotFoundError:
        return _Unreadable("The picture does not exist.")
    except BrokenFileError as error:
        return _Unreadable(f"The picture cannot be opened: {error}")
    except OSError as error:
        raise AwayError(error.strerror or str(error)) from error  # the rest may name the file


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A picture there is nothing to prepare of."""

    why: str

    def result(self) -> Picture:
        raise PictureError(self.why)

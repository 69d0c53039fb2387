"""From bytes to clean pixels, or the code of what is wrong with them: the only place that decodes.

Runs in the processes of :mod:`diagnoses.opening.child`, one picture each. The stored picture is
*rebuilt from pixels*: EXIF, GPS, comments, thumbnails and whatever else was hidden in the file
cannot survive, because nothing but the pixels is carried over.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from diagnoses.opening.judging import UNSEEN, Quality, judge
from mlservice.packs import Glance

MAX_BYTES = 30 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_RATIO = 8  # longer strips than this are not photos of anything
MIN_SIDE = 64
STORED_SIDE = 4096  # a 12-megapixel photo is kept whole; 50 megapixels of a phone add no detail
STORED_QUALITY = 92
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")  # a stereo JPEG (MPO) is opened as JPEG
# A picture of 50 megapixels takes half a gigabyte while it is made smaller: one at a time for each
# web process, or a few people's large photos together would take the whole machine's memory.
LARGE = 16_000_000
# Each scan of a JPEG may cost a pass over all its pixels, and an empty one a few bytes: a file of
# 300 kB can keep a processor busy for minutes. Cameras write one scan, careful encoders a dozen.
MAX_SCANS = 40
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")  # those that have a length, and the end
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

# Our own cap is checked on the header, before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None

Turn = Callable[[], AbstractContextManager[object]]
"""What a large picture waits for."""


class Unfit(Exception):
    """The picture cannot be taken; ``code`` is a key of ``intake.SENTENCES``."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Opened:
    """An upright RGB JPEG without any metadata, and what was measured of it."""

    content: bytes
    width: int
    height: int
    quality: Quality


@cache
def know_heif() -> None:
    """Have Pillow read HEIC. Not before it is needed: a web process decodes nothing."""
    import pillow_heif

    pillow_heif.register_heif_opener(decode_threads=1)


def opened(raw: bytes, glance: Glance = UNSEEN, turn: Turn = nullcontext) -> Opened:
    """Check, decode, turn upright and rebuild ``raw``; raises :class:`Unfit`, ``MemoryError``."""
    know_heif()
    image = _decode(raw, turn)
    with ThreadPoolExecutor(thread_name_prefix="judge") as beside:
        # Both at once: on a photo of 12 megapixels each takes longer than the network does.
        judging = beside.submit(judge, image, glance)
        content = _rebuilt(image)
        return Opened(content, image.width, image.height, judging.result())


def _decode(raw: bytes, turn: Turn) -> Image.Image:
    """Upright RGB pixels of ``raw`` and nothing beside them, no larger than they are stored.

    Every cap is checked on the header, before decoding.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
            _check_header(picture)
            _check_scans(picture, raw)
            with turn() if picture.width * picture.height > LARGE else nullcontext():
                picture.draft("RGB", (STORED_SIDE, STORED_SIDE))
                # Made small first: every step after this copies the picture.
                picture.thumbnail((STORED_SIDE, STORED_SIDE), Image.Resampling.LANCZOS, 3.0)
                picture.load()
                ImageOps.exif_transpose(picture, in_place=True)
                image = _to_srgb(picture)
                image.info.clear()  # of a comment or XMP in there the encoder would write a copy
                return image
    except (Unfit, MemoryError):
        raise
    except UnidentifiedImageError:
        raise Unfit("not_a_picture") from None
    except Exception as error:  # decoders raise anything on hostile bytes
        raise Unfit("damaged") from error


def _check_header(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Unfit("too_many_pixels")
    if min(width, height) < MIN_SIDE:
        raise Unfit("too_few_pixels")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise Unfit("strip")
    # A stereo JPEG (MPO) and a HEIC burst hold further frames of the same scene; these two do not.
    if image.format in {"PNG", "WEBP"} and getattr(image, "n_frames", 1) > 1:
        raise Unfit("animated")


def _check_scans(image: Image.Image, raw: bytes) -> None:
    """Refuse a JPEG of more than :data:`MAX_SCANS` scans.

    Walks from segment to segment up to the end of the first picture, so that what only looks like
    a scan, in a thumbnail or in the film of a moving photo, is not counted.
    """
    scans, position = 0, 2
    while image.format in {"JPEG", "MPO"} and (marker := _JPEG_MARKER.search(raw, position)):
        kind = raw[marker.end() - 1]
        if kind == _END_OF_IMAGE:
            return
        scans += kind == _START_OF_SCAN
        if scans > MAX_SCANS:
            raise Unfit("damaged")
        position = marker.end() + int.from_bytes(raw[marker.end() : marker.end() + 2], "big")


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB in the colours the sender saw: transparency on white, wide-gamut profiles converted."""
    profile = image.info.get("icc_profile")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(paper, layer).convert("RGB")
    elif image.mode.startswith("I"):  # 16-bit grey
        # No floats on the way: 50 megapixels of them would be 400 MB.
        levels = np.asarray(image).clip(0, 0xFFFF) >> 8
        image = Image.fromarray(levels.astype(np.uint8))
    if profile and image.mode in {"RGB", "CMYK"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            image = converted or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile is no reason to refuse the photo
    return image if image.mode == "RGB" else image.convert("RGB")


def _rebuilt(image: Image.Image) -> bytes:
    """A JPEG of the pixels alone. 4:4:4, because a mark's colour carries its diagnosis."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=STORED_QUALITY, subsampling=0)
    return buffer.getvalue()

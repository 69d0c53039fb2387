"""Bytes from outside become a clean picture, or a reason the sender can act on. Pure.

The stored picture is *rebuilt from pixels*: EXIF, GPS, comments, thumbnails and whatever else
was hidden in the file cannot survive, because nothing but the pixels is carried over.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import IO, Any, Self

import numpy as np
import pillow_heif
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from mlservice.engine.glance import colours_of, copy_of, palettes, placement, score
from mlservice.packs import Glance

MAX_BYTES = 30 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_RATIO = 8  # longer strips than this are not photos of anything
MIN_SIDE = 64
STORED_SIDE = 4096  # a 12-megapixel photo is kept whole; 50 megapixels of a phone add no detail
STORED_QUALITY = 92
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")  # a stereo JPEG (MPO) is opened as JPEG
# A picture of 50 megapixels takes half a gigabyte while it is made smaller: one at a time in each
# process, or a few people's large photos together would take the whole machine's memory.
LARGE = 16_000_000
_LARGE_IN_TURN = threading.Lock()
# Each scan of a JPEG may cost a pass over all its pixels, and an empty one a few bytes: a file of
# 300 kB can keep a processor busy for minutes. Cameras write one scan, careful encoders a dozen.
MAX_SCANS = 40
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")  # those that have a length, and the end
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

# The cuts of the quality check, on a copy of at most 512 pixels. A needless retake costs a patient
# more trust than a soft photo costs the doctor, so they are mild; docs/gates.md says what each
# refuses. Detail is as weak as its light, so below MIDDLING the focus cut falls with it, and the
# cut for darkness leaves room: dark is not badly lit, nor blurred.
QUALITY_SIDE = 512
FOCUS_CUT = 3.2  # variance of the Laplacian, grey levels squared
MIDDLING = 110.0  # mean grey level, 0..255
DARK_CUT = 35.0
BRIGHT_CUT = 235.0
CLIPPED_CUT = 0.30  # share of pixels at 250 and above
SMALL_CUT = 200  # short side, pixels

UNSEEN = Glance()

pillow_heif.register_heif_opener()
# Our own cap is checked on the header, before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None

SENTENCES = {
    "empty": _("This file is empty. Please choose the photo again."),
    "too_heavy": _(
        "This file is larger than 30 MB. Please send the photo as your camera took it, "
        "or a smaller copy."
    ),
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
}


class Refusal(Exception):
    """The picture cannot be taken; ``sentence`` says why and what to do."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.sentence = str(SENTENCES[code])
        super().__init__(self.sentence)


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured. ``reasons`` and ``hints`` are keys of ``Pack.quality``.

    Without reasons all is well. A hint is told beside the photo and changes nothing. ``strange``
    and ``misplaced`` are the scores of the pack's glance, found from 0 on; ``None``: not looked at.
    """

    focus: float
    brightness: float
    clipped: float
    reasons: tuple[str, ...]
    hints: tuple[str, ...] = ()
    strange: float | None = None
    misplaced: float | None = None

    def as_dict(self) -> dict[str, object]:
        return {
            "focus": round(self.focus, 2),
            "brightness": round(self.brightness, 1),
            "clipped": round(self.clipped, 3),
            "reasons": list(self.reasons),
            "hints": list(self.hints),
            "strange": self.strange and round(self.strange, 2),
            "misplaced": self.misplaced and round(self.misplaced, 2),
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """As :meth:`as_dict` stored it, today or before there were hints."""
        return cls(
            focus=stored["focus"],
            brightness=stored["brightness"],
            clipped=stored["clipped"],
            reasons=tuple(stored["reasons"]),
            hints=tuple(stored.get("hints", ())),
            strange=stored.get("strange"),
            misplaced=stored.get("misplaced"),
        )


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
    image = _decode(raw)
    # Both at once: on a photo of 12 megapixels each takes longer than the network does.
    judging = _beside().submit(judge, image, glance)
    content = _rebuilt(image)
    return CleanPhoto(
        content=content,
        width=image.width,
        height=image.height,
        sha256=hashlib.sha256(content).hexdigest(),
        quality=judging.result(),
    )


@cache
def _beside() -> ThreadPoolExecutor:
    """Made on first use: a forked web process inherits no threads."""
    return ThreadPoolExecutor(thread_name_prefix="judge")


def _decode(raw: bytes) -> Image.Image:
    """Upright RGB pixels of ``raw`` and nothing beside them, no larger than they are stored.

    Every cap is checked on the header, before decoding.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as opened:
            _check_header(opened)
            _check_scans(opened, raw)
            with _LARGE_IN_TURN if opened.width * opened.height > LARGE else nullcontext():
                opened.draft("RGB", (STORED_SIDE, STORED_SIDE))
                # Made small first: every step after this copies the picture.
                opened.thumbnail((STORED_SIDE, STORED_SIDE), Image.Resampling.LANCZOS, 3.0)
                opened.load()
                ImageOps.exif_transpose(opened, in_place=True)
                image = _to_srgb(opened)
                image.info.clear()  # of a comment or XMP in there the encoder would write a copy
                return image
    except Refusal:
        raise
    except UnidentifiedImageError:
        raise Refusal("not_a_picture") from None
    except Exception as error:  # decoders raise anything on hostile bytes
        raise Refusal("damaged") from error


def _check_header(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Refusal("too_many_pixels")
    if min(width, height) < MIN_SIDE:
        raise Refusal("too_few_pixels")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise Refusal("strip")
    # A stereo JPEG (MPO) and a HEIC burst hold further frames of the same scene; these two do not.
    if image.format in {"PNG", "WEBP"} and getattr(image, "n_frames", 1) > 1:
        raise Refusal("animated")


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
            raise Refusal("damaged")
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


def judge(image: Image.Image, glance: Glance = UNSEEN) -> Quality:
    """Focus, light and size of an RGB picture, and what ``glance`` finds in it."""
    small = image.convert("L")
    small.thumbnail((QUALITY_SIDE, QUALITY_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    grey = np.asarray(small, dtype=np.float32)
    focus, brightness = _laplacian_variance(grey), float(grey.mean())
    clipped = float((grey >= 250).mean())
    found = {
        "too_small": min(image.size) < SMALL_CUT,
        "too_dark": brightness < DARK_CUT,
        "too_bright": brightness > BRIGHT_CUT or clipped > CLIPPED_CUT,
        "blurred": focus < FOCUS_CUT * min(1.0, brightness / MIDDLING),
    }
    strange, misplaced = _glanced(image, glance)
    # What is shown in bad light nobody can say, and where it lies matters once the rest is well.
    seen = not (found["too_dark"] or found["too_bright"])
    if glance.strange and strange is not None:
        found[glance.strange.code] = seen and strange >= 0
    reasons = tuple(code for code, bad in found.items() if bad)
    hinted = glance.misplaced and misplaced is not None and misplaced >= 0 and not reasons
    hints = (glance.misplaced.code,) if glance.misplaced and hinted else ()
    return Quality(focus, brightness, clipped, reasons, hints, strange, misplaced)


def _glanced(image: Image.Image, glance: Glance) -> tuple[float | None, float | None]:
    """The scores of both signs; a photo is no stranger than its whole or its middle."""
    if glance == UNSEEN:
        return None, None
    colours, strange, misplaced = colours_of(copy_of(image)), glance.strange, glance.misplaced
    return (
        min(score(each, strange.weights, strange.bias) for each in palettes(colours))
        if strange
        else None,
        score(placement(colours), misplaced.weights, misplaced.bias) if misplaced else None,
    )


def _laplacian_variance(grey: NDArray[np.float32]) -> float:
    """How much fine detail there is: low on a blurred photo, whatever its subject."""
    centre = -4 * grey[1:-1, 1:-1]
    edges = centre + grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(edges.var())

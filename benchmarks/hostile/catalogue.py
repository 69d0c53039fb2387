"""Files that somebody might send, to do harm or by mistake, and what becomes of each.

Everything is made here, from drawings. Tests and ``python -m benchmarks hostile`` send the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from benchmarks.hostile.crafted import (
    EOI,
    MARKER,
    PNG,
    SOI,
    archive,
    box,
    chunk,
    components,
    film,
    header,
    heic_size,
    idat,
    many_scans,
    nested_boxes,
    pdf,
    png,
    resized,
    rgb16,
    saved,
    segment,
    webp_canvas,
    with_chunk,
    with_segments,
    ycck,
)
from diagnoses.opening.pixels import MAX_BYTES, MAX_RATIO, MAX_SCANS, MIN_SIDE, STORED_SIDE
from mlservice.packs.skin.drawing import draw

SIZE = (320, 240)
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
TAKEN = ""  # the code of what is accepted
_UNREADABLE = ("damaged", "not_a_picture", "too_few_pixels")
_PAGE = b"<!doctype html><script>alert('" + MARKER + b"')</script>"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One file. ``codes``: what the refusal's may be, and :data:`TAKEN` where it may be accepted.

    ``size`` is how large the picture is then.
    """

    name: str
    make: Callable[[], bytes]
    codes: tuple[str, ...]
    size: tuple[int, int] = SIZE


@cache
def picture() -> Image.Image:
    return draw(1, size=SIZE)


@cache
def honest(file_format: str = "JPEG", mode: str = "RGB") -> bytes:
    return saved(picture().convert(mode), file_format)


@cache
def catalogue() -> tuple[Hostile, ...]:
    """Every file, by groups."""
    groups = (_bombs, _polyglots, _others, _cut, _animated, _colours, _metadata, _shapes, _broken)
    return tuple(one for group in groups for one in group())


def largest() -> tuple[Hostile, ...]:
    """The most pixels that may be sent, of each kind: no harm is meant, and much is asked for."""
    side = 7000
    cases = (("JPEG", "RGB"), ("PNG", "RGB"), ("HEIF", "RGB"), ("WEBP", "RGB"), ("PNG", "RGBA"))
    return tuple(
        Hostile(
            f"{file_format.lower()}-{mode.lower()}-of-49-megapixels",
            partial(_enlarged, side, file_format, mode),
            (TAKEN,) if (file_format, mode) in cases[:3] else (TAKEN, "over_limits", "damaged"),
            (STORED_SIDE, STORED_SIDE),
        )
        for file_format, mode in cases
    )


def _enlarged(side: int, file_format: str, mode: str) -> bytes:
    # Quickly made: what is measured is the opening.
    options = {"PNG": {"compress_level": 1}, "WEBP": {"method": 0}}.get(file_format, {})
    enlarged = picture().resize((side, side)).convert(mode)
    return saved(enlarged, file_format, **options)


def _refused(name: str, code: str, make: Callable[[], bytes] | bytes) -> Hostile:
    return Hostile(name, _maker(make), (code,))


def _taken(name: str, make: Callable[[], bytes] | bytes, size: tuple[int, int] = SIZE) -> Hostile:
    return Hostile(name, _maker(make), (TAKEN,), size)


def _maker(make: Callable[[], bytes] | bytes) -> Callable[[], bytes]:
    return (lambda: make) if isinstance(make, bytes) else make


def _bombs() -> Iterator[Hostile]:
    """Small files that would be large."""
    many, little = "too_many_pixels", idat(b"\0" * 99)
    yield _refused("png-30000-squared", many, png(header(30_000, 30_000), little))
    yield _refused("png-of-two-billion", many, png(header(2**31 - 1, 2**31 - 1), little))
    yield _refused("png-one-line-of-a-billion", many, png(header(10**9, 1), little))
    yield _taken("png-that-goes-on", lambda: png(header(*SIZE), idat(b"\0" * 40_000_000)))
    yield _refused("png-49-megapixels-of-nothing", "damaged", png(header(7000, 7000), little))
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "A" * 40_000_000, zip=True)
    yield _refused("png-text-bomb", "damaged", lambda: saved(picture(), "PNG", pnginfo=text))
    yield Hostile(
        "png-profile-bomb",
        lambda: with_chunk(honest("PNG"), b"iCCP", b"x\0\0" + _deflated(60_000_000)),
        ("damaged", TAKEN),
    )
    yield _refused("jpeg-65500-squared", many, lambda: resized(honest(), 65_500, 65_500))
    yield _refused("jpeg-65535-squared", many, lambda: resized(honest(), 65_535, 65_535))
    yield Hostile(
        "jpeg-49-megapixels-of-nothing",
        lambda: resized(honest(), 7000, 7000),
        ("damaged", TAKEN),  # what is missing is grey: the quality check says so
        (4096, 4096),
    )
    scans = partial(saved, picture(), "JPEG", progressive=True)
    yield _refused("jpeg-of-endless-scans", "damaged", lambda: many_scans(scans(), 2 * MAX_SCANS))
    for side in (7000, 16_000, 2**24):
        canvas = partial(_on_a_canvas, side)
        yield Hostile(f"webp-canvas-of-{side}", canvas, (*_UNREADABLE, many, "over_limits"))
    yield _refused("heic-30000-squared", many, lambda: heic_size(honest("HEIF"), 30_000, 30_000))
    yield Hostile(
        "heic-49-megapixels-of-nothing",
        lambda: heic_size(honest("HEIF"), 7000, 7000),
        ("damaged", "over_limits"),
    )


def _on_a_canvas(side: int) -> bytes:
    return webp_canvas(honest("WEBP"), side, side)


def _deflated(length: int) -> bytes:
    return idat(b"A" * length)[8:-4]


def _polyglots() -> Iterator[Hostile]:
    """Pictures that are something else as well: what is no pixel is gone."""
    yield _taken("jpeg-and-zip", lambda: honest() + archive())
    yield _taken("jpeg-and-page", lambda: honest() + _PAGE)
    yield _taken("jpeg-page-in-comment", lambda: with_segments(honest(), segment(0xFE, _PAGE)))
    yield _taken("jpeg-pdf-in-comment", lambda: with_segments(honest(), segment(0xFE, pdf(_PAGE))))
    php = b"<?php system('" + MARKER + b"'); __HALT_COMPILER(); ?>"
    yield _taken("jpeg-php-in-segment", lambda: with_segments(honest(), segment(0xEC, php)))
    yield _taken("jpeg-and-program", lambda: honest() + b"MZ" + MARKER * 200)
    yield _taken("png-and-page", lambda: honest("PNG") + _PAGE)
    yield _taken("png-page-in-chunk", lambda: with_chunk(honest("PNG"), b"tEXt", b"x\0" + _PAGE))
    yield _taken("png-script-in-unknown", lambda: with_chunk(honest("PNG"), b"evIl", _PAGE))
    yield _taken("webp-and-zip", lambda: honest("WEBP") + archive())
    yield _taken("heic-and-page", lambda: honest("HEIF") + box(b"free", _PAGE))
    yield _refused("gif-and-script", "not_a_picture", b"GIF89a=1/*" + MARKER + b"*/;alert(1)")
    yield _refused("pdf-and-jpeg", "not_a_picture", lambda: pdf(honest()))
    yield _refused("zip-and-jpeg", "not_a_picture", lambda: archive() + honest())
    yield _refused("page-and-jpeg", "not_a_picture", lambda: _PAGE + honest())


def _others() -> Iterator[Hostile]:
    """What is no photo, whatever it is called."""
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>" + MARKER + b"</script></svg>"
    grey = picture().convert("L")
    files: dict[str, Callable[[], bytes] | bytes] = {
        "svg": svg,
        "page": _PAGE,
        "text": b"Dear doctor, it itches. " * 900,
        "script": b"#!/bin/sh\nrm -rf " + MARKER,
        "program": b"\x7fELF\2\1\1" + MARKER * 50,
        "zip": archive(),
        "pdf": pdf(_PAGE),
        "mp4": film(b"isom"),
        "mov": film(b"qt  "),
        "psd": b"8BPS\0\1" + b"\0" * 6 + b"\0\3\0\0\0\x40\0\0\0\x40\0\x08\0\3" + b"\0" * 999,
        "jpeg-xl": b"\xff\x0a" + MARKER * 20,
        "wmf": b"\xd7\xcd\xc6\x9a" + b"\0" * 99,
        "noise": np.random.default_rng(1).bytes(50_000),
        "zeros": b"\0" * 50_000,
        "beginning-of-a-jpeg": SOI,
        "beginning-of-a-png": PNG,
        "beginning-of-a-heic": nested_boxes(0),
        "boxes-in-boxes": lambda: nested_boxes(5000),
    }
    for name in ("GIF", "TIFF", "BMP", "ICO", "EPS", "AVIF", "JPEG2000", "TGA", "PPM", "PDF"):
        files[f"pillow-{name.lower()}"] = partial(saved, picture(), name)
    files["xbm"] = partial(saved, grey.convert("1"), "XBM")
    for name, make in files.items():
        yield _refused(name, "not_a_picture", make)


def _cut() -> Iterator[Hostile]:
    """A transfer that broke off, at many places."""
    for file_format in FORMATS:
        for percent in (1, 5, 20, 40, 60, 80, 95):
            yield Hostile(
                f"{file_format.lower()}-{percent}-percent-of-it",
                lambda file_format=file_format, percent=percent: (  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                    honest(file_format)[: len(honest(file_format)) * percent // 100]
                ),
                ("damaged", "not_a_picture"),
            )


def _animated() -> Iterator[Hostile]:
    more = {"save_all": True, "append_images": [draw(2, size=SIZE)]}
    yield _refused("png-animated", "animated", lambda: saved(picture(), "PNG", **more))
    yield _refused("webp-animated", "animated", lambda: saved(picture(), "WEBP", **more))
    yield _refused("gif-animated", "not_a_picture", lambda: saved(picture(), "GIF", **more))
    yield _taken("jpeg-of-two-views", lambda: saved(picture(), "MPO", **more))
    yield _taken("heic-of-two-views", lambda: saved(picture(), "HEIF", **more))


def _colours() -> Iterator[Hostile]:
    for mode in ("1", "L", "LA", "P", "RGBA"):
        yield _taken(f"png-{mode.lower()}", partial(honest, "PNG", mode))
    yield _taken("png-16-bit", lambda: rgb16(picture()))
    sixteen = np.asarray(picture().convert("L")).astype(np.uint16) * 257
    yield _taken("png-16-bit-grey", lambda: saved(Image.fromarray(sixteen), "PNG"))
    see_through = partial(saved, picture().convert("P"), "PNG", transparency=bytes(range(256)))
    yield _taken("png-palette-with-transparency", see_through)
    no_palette = png(header(*SIZE, colour=3), idat(b"\0" * 241 * 321))
    yield Hostile("png-palette-missing", lambda: no_palette, ("damaged", TAKEN))
    yield _taken("jpeg-grey", partial(honest, "JPEG", "L"))
    yield _taken("jpeg-cmyk", partial(honest, "JPEG", "CMYK"))
    yield _taken("jpeg-ycck", lambda: ycck(honest("JPEG", "CMYK")))
    yield _taken("webp-lossless", lambda: saved(picture().convert("RGBA"), "WEBP", lossless=True))
    yield _taken("heic-with-transparency", lambda: saved(picture().convert("RGBA"), "HEIF"))


def _metadata() -> Iterator[Hostile]:
    """Where, when, by whom, with what: none of it is kept."""
    words = MARKER.decode()
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x9286] = words
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[29] = "N", (51.0, 30.0, 0.0), words
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + MARKER + b"</x:xmpmeta>"
    for name in FORMATS:
        all_of_it = {"exif": exif, "xmp": xmp}
        yield _taken(f"{name.lower()}-where-and-who", partial(saved, picture(), name, **all_of_it))
    for turn in range(1, 9):
        turned = Image.Exif()
        turned[0x0112] = turn
        size = SIZE if turn < 5 else SIZE[::-1]
        yield _taken(f"jpeg-turned-{turn}", partial(saved, picture(), "JPEG", exif=turned), size)
    app = segment(0xE1, b"Exif\0\0" + MARKER * 4600)
    yield _taken("jpeg-giant-exif", lambda: with_segments(honest(), app))
    yield _taken("jpeg-150-segments", lambda: with_segments(honest(), *[app] * 150))
    notes = [segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\x40" + MARKER * 4)]
    yield _taken("jpeg-press-notes", lambda: with_segments(honest(), *notes))
    small = segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + honest() + MARKER)
    yield _taken("jpeg-thumbnail-of-another", lambda: with_segments(honest(), small))
    yield _taken("jpeg-profile-of-noise", lambda: saved(picture(), "JPEG", icc_profile=MARKER * 99))
    long = MARKER * 200_000
    yield _taken("jpeg-profile-of-3-MB", lambda: saved(picture(), "JPEG", icc_profile=long))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + MARKER
    yield _taken("png-profile", lambda: saved(picture(), "PNG", icc_profile=srgb))
    international = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
    yield _taken("png-words", lambda: with_chunk(honest("PNG"), b"iTXt", international))
    giant = segment(0xE5, b"A" * 65_000)
    yield _taken("jpeg-26-MB-of-segments", lambda: with_segments(honest(), *[giant] * 400))


def _shapes() -> Iterator[Hostile]:
    def blank(width: int, height: int) -> Callable[[], bytes]:
        return lambda: saved(Image.new("RGB", (width, height), "tan"), "PNG")

    longest = MAX_RATIO * MIN_SIDE
    yield _refused("empty", "empty", b"")
    yield _refused("over-30-MB", "too_heavy", lambda: honest() + b"\0" * MAX_BYTES)
    yield _refused("1-pixel", "too_few_pixels", blank(1, 1))
    yield _refused("a-pixel-too-narrow", "too_few_pixels", blank(MIN_SIDE - 1, 500))
    yield _refused("a-pixel-too-long", "strip", blank(longest + 1, MIN_SIDE))
    yield _refused("jpeg-of-65500-by-64", "strip", lambda: resized(honest(), 65_500, 64))
    yield _taken("just-so-long", blank(MIN_SIDE, longest), (MIN_SIDE, longest))
    yield Hostile("png-of-no-pixels", lambda: png(header(0, 0), idat(b"")), _UNREADABLE)
    yield Hostile("jpeg-of-no-lines", lambda: resized(honest(), 320, 0), _UNREADABLE)


def _broken() -> Iterator[Hostile]:
    """Files that lie about themselves."""
    whole = honest("PNG")
    wrong_sum = whole[:29] + b"\0\0\0\0" + whole[33:]
    no_end = PNG + header(*SIZE) + b"\xff\xff\xff\xff" + b"IDAT" + b"\0" * 999
    no_tables = SOI + honest()[honest().index(b"\xff\xc0") :]
    negative = SOI + b"\xff\xe1\0\0" + honest()[2:]
    files: dict[str, Callable[[], bytes] | bytes] = {
        "png-wrong-sum": wrong_sum,
        "png-endless-chunk": no_end,
        "png-without-data": png(header(*SIZE)),
        "png-depth-of-3": png(header(*SIZE, depth=3), idat(b"\0" * 99)),
        "png-data-of-noise": png(header(*SIZE), chunk(b"IDAT", MARKER * 99)),
        "jpeg-without-tables": no_tables,
        "jpeg-of-no-colours": lambda: components(honest(), 0),
        "jpeg-of-255-colours": lambda: components(honest(), 255),
        "jpeg-of-nothing": SOI + EOI,
        "jpeg-of-restarts": SOI + b"\xff\xd0" * 50_000,
        "webp-lies-about-its-length": b"RIFF\xff\xff\xff\xff" + honest("WEBP")[8:20],
        "heic-of-noise": nested_boxes(0) + box(b"mdat", MARKER * 99),
    }
    for name, make in files.items():
        yield Hostile(name, _maker(make), ("damaged", "not_a_picture"))
    yield Hostile("jpeg-segment-of-no-length", _maker(negative), ("damaged", TAKEN))

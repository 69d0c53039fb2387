"""Files written byte by byte: what no honest program would write, and what libraries do not."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image

from diagnoses.opening.pixels import know_heif

PNG = b"\x89PNG\r\n\x1a\n"
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
# Stands in whatever must not survive: a place, a name, a script.
MARKER = b"PLANTED-1f2e3d"


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    know_heif()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


# --- PNG -----------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def png(*chunks: bytes) -> bytes:
    return PNG + b"".join(chunks) + chunk(b"IEND", b"")


def idat(data: bytes, level: int = 9) -> bytes:
    return chunk(b"IDAT", zlib.compress(data, level))


def with_chunk(file: bytes, kind: bytes, data: bytes) -> bytes:
    """The PNG with one more chunk, right behind its header."""
    end = len(PNG) + 25
    return file[:end] + chunk(kind, data) + file[end:]


def rgb16(image: Image.Image) -> bytes:
    """16 bits for each of three colours, which Pillow reads but does not write."""
    width, height = image.size
    raw = image.convert("RGB").tobytes()
    doubled = bytearray(2 * len(raw))
    doubled[::2] = doubled[1::2] = raw
    row = 6 * width
    lines = b"".join(b"\0" + doubled[at : at + row] for at in range(0, len(doubled), row))
    return png(header(width, height, depth=16), idat(lines))


# --- JPEG ----------------------------------------------------------------------------------------


def segment(kind: int, data: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(data) + 2) + data


def with_segments(file: bytes, *segments: bytes) -> bytes:
    """The JPEG with more segments, right behind its beginning."""
    return SOI + b"".join(segments) + file[2:]


def resized(file: bytes, width: int, height: int) -> bytes:
    """The JPEG as it is, but for the size that its frame says."""
    at = next(at for at in range(len(file)) if file[at] == 0xFF and file[at + 1] in {0xC0, 0xC2})
    return file[: at + 5] + struct.pack(">HH", height, width) + file[at + 9 :]


def components(file: bytes, count: int) -> bytes:
    """The JPEG as it is, but for how many colours its frame says it has."""
    at = file.index(b"\xff\xc0")
    return file[: at + 9] + bytes([count]) + file[at + 10 :]


def ycck(cmyk: bytes) -> bytes:
    """The same inks as luminance and chrominance: Adobe's mark says so."""
    at = cmyk.index(b"Adobe")
    return cmyk[: at + 11] + b"\x02" + cmyk[at + 12 :]


def many_scans(progressive: bytes, count: int) -> bytes:
    """The last scan over and over: each one is a pass over all pixels."""
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    return progressive[:-2] + last * count + EOI


# --- WebP and HEIC -------------------------------------------------------------------------------


def webp_canvas(file: bytes, width: int, height: int) -> bytes:
    """The WebP as it is, but in an extended file that says its canvas is so large."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    body = b"WEBP" + extended + file[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def heic_size(file: bytes, width: int, height: int) -> bytes:
    """The HEIC as it is, but for the size that its properties say."""
    at = file.index(b"ispe") + 8
    return file[:at] + struct.pack(">II", width, height) + file[at + 8 :]


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


def nested_boxes(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = box(b"meta", b"\0\0\0\0" + data)
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + data


# --- Others --------------------------------------------------------------------------------------


def archive() -> bytes:
    """A ZIP with a script in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("run.html", b"<script>/*" + MARKER + b"*/</script>")
    return buffer.getvalue()


def pdf(inside: bytes) -> bytes:
    return b"%PDF-1.7\n1 0 obj << /Length " + b"%d" % len(inside) + b" >> stream\n" + inside


def film(brand: bytes) -> bytes:
    """The beginning of an MP4 or a MOV."""
    return box(b"ftyp", brand + b"\0\0\2\0" + brand) + box(b"mdat", MARKER * 100)

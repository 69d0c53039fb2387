"""The picture files themselves: sizes from their headers, and copies of one another."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from training.data import Row, data_hash, file_hashes
from training.errors import TrainingError

EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels."""

    minimum: int
    median: float
    maximum: int


@dataclass(frozen=True, slots=True)
class Size:
    """``pictures`` files of exactly ``width`` x ``height`` pixels."""

    width: int
    height: int
    pictures: int


@dataclass(frozen=True, slots=True)
class Copies:
    """Files that are the same byte for byte, in groups of two or more.

    ``surplus`` files would go if one of each group stayed. ``across_lesions`` groups hold more
    than one lesion, ``across_classes`` groups more than one class. ``examples`` names the
    pictures of the first ten groups.
    """

    groups: int
    pictures: int
    surplus: int
    across_lesions: int
    across_classes: int
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Files:
    """``sizes`` is ordered by frequency; ``formats`` counts by what the file is, not by its suffix.
    ``data_hash`` is :func:`training.data.data_hash`, the one a split and a bundle carry.
    """

    files: int
    bytes: int
    formats: dict[str, int]
    width: Span
    height: Span
    sizes: tuple[Size, ...]
    copies: Copies
    data_hash: str


def measure_files(rows: Sequence[Row]) -> Files:
    """Read every picture's header and hash its bytes; no pixel is decoded.

    Raises :class:`TrainingError` naming the first file that is not a picture.
    """
    hashes = file_hashes(rows)
    headers = [_header(row) for row in tqdm(rows, "sizes", leave=False)]
    sizes = Counter((width, height) for _, width, height in headers)
    return Files(
        files=len(rows),
        bytes=sum(row.path.stat().st_size for row in rows),
        formats=dict(Counter(kind for kind, _, _ in headers).most_common()),
        width=_span([width for _, width, _ in headers]),
        height=_span([height for _, _, height in headers]),
        sizes=tuple(Size(*size, pictures) for size, pictures in sizes.most_common()),
        copies=find_copies(rows, hashes),
        data_hash=data_hash(rows, hashes),
    )


def _header(row: Row) -> tuple[str, int, int]:
    """Format, width and height in pixels, as stored."""
    try:
        with Image.open(row.path) as opened:
            return opened.format or "?", opened.width, opened.height
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise TrainingError(
            f"The picture {row.path.name!r} (image_id {row.image_id!r}) cannot be read: replace "
            f"the file or take its line out of the csv. ({type(error).__name__})"
        ) from error


def _span(values: Sequence[int]) -> Span:
    return Span(min(values), statistics.median(values), max(values))


def find_copies(rows: Sequence[Row], hashes: Mapping[str, str]) -> Copies:
    """Groups of ``rows`` whose files have the same hash (``image_id`` -> hash)."""
    by_hash: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_hash[hashes[row.image_id]].append(row)
    groups = [group for group in by_hash.values() if len(group) > 1]
    pictures = sum(map(len, groups))
    return Copies(
        groups=len(groups),
        pictures=pictures,
        surplus=pictures - len(groups),
        across_lesions=sum(len({row.lesion_id for row in group}) > 1 for group in groups),
        across_classes=sum(len({row.dx for row in group}) > 1 for group in groups),
        examples=tuple(tuple(row.image_id for row in group) for group in groups[:EXAMPLES]),
    )

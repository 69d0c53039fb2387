"""Prepared pictures of a whole folder, kept on disk so that preparing happens once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mlservice.engine.preprocess import prepare, preprocess_hash
from mlservice.engine.types import Picture, PictureError
from training.data import Row
from training.errors import TrainingError


def prepare_rows(rows: Sequence[Row], side: int, out: Picture | None = None) -> Picture:
    """``(n, side, side, 3)`` ``uint8``, one picture a row, by the engine's own function."""
    if out is None:
        out = np.empty((len(rows), side, side, 3), np.uint8)
    with ThreadPoolExecutor() as pool:
        prepared = pool.map(lambda row: prepare_row(row, side), rows)
        for number, picture in enumerate(tqdm(prepared, "prepare", len(rows))):
            out[number] = picture
    return out


def prepare_row(row: Row, side: int) -> Picture:
    """The row's picture as it is served; raises :class:`TrainingError` naming it."""
    try:
        return prepare(row.path, side)
    except PictureError as error:
        raise TrainingError(f"{error} (image_id {row.image_id!r})") from error


def cached_pictures(rows: Sequence[Row], side: int, data_hash: str, cache: Path) -> Picture:
    """As :func:`prepare_rows`, read from ``cache`` when these very pictures were prepared before.

    The name of the file holds the data's and the preprocessing's hash. A run that is stopped
    half way leaves a ``.part`` file that is never read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"pictures-{data_hash[:16]}-{preprocess_hash(side)[:16]}.npy"
    if not path.exists():
        part = path.with_suffix(".part")
        shape = (len(rows), side, side, 3)
        ordered = sorted(rows, key=lambda row: row.image_id)
        mapped = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        prepare_rows(ordered, side, mapped)
        mapped.flush()
        part.rename(path)
    stored: Picture = np.load(path, mmap_mode="r")
    return stored

"""A split beside a test part that is given: the published one, kept as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from training.data import Row, data_hash, file_hashes
from training.duplicates import Twins, find_twins
from training.errors import LeakError, TrainingError
from training.split import PARTS, SHARES, Split, guard, make_split


def read_test(path: Path, rows: Sequence[Row]) -> tuple[str, ...]:
    """The image ids listed in ``path``; raises :class:`TrainingError` for one there is not."""
    try:
        named = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"The list {str(path)!r} cannot be read: {error}.") from error
    known = {row.image_id for row in rows}
    for image in named:
        if image not in known:
            raise TrainingError(f"The picture {image!r} of {path.name!r} is not in the csv.")
    if not named:
        raise TrainingError(f"The list {path.name!r} names no picture.")
    return tuple(sorted(set(named)))


def split_beside(
    rows: Sequence[Row],
    test: Collection[str],
    seed: int,
    shares: Sequence[float] = SHARES,
    cache: Path | None = None,
    *,
    photographs: bool = True,
) -> Split:
    """As :func:`training.split.make_split`, with ``test`` as the test part, whole and alone.

    The shares of the other parts part what is left. Raises :class:`LeakError` besides where one of
    the other pictures shows one of ``test`` again.
    """
    hashes = file_hashes(rows)
    twins = find_twins(rows, rows, hashes, cache) if photographs else []
    apart = frozenset(test)
    again = sorted({one for pair in twins for one in _outside(pair, apart)})
    if again:
        raise LeakError(
            f"{len(again)} pictures are the same photograph as one of the test part: "
            f"{', '.join(again)}. Take them out of the csv."
        )
    rest = [row for row in rows if row.image_id not in apart]
    kept = sum(shares[:-1])
    others = (*(share / kept for share in shares[:-1]), 0.0)
    parts = make_split(rest, seed, others, cache, photographs=photographs).parts
    whole = {**parts, PARTS[-1]: tuple(sorted(apart))}
    split = Split(seed, tuple(shares), data_hash(rows, hashes), whole, photographs)
    guard(split, rows, hashes, twins)
    return split


def _outside(pair: Twins, apart: Collection[str]) -> list[str]:
    """Of two copies on both sides of the test part the one outside of it, else none."""
    outside = [image for image in (pair.one, pair.other) if image not in apart]
    return outside if len(outside) == 1 else []

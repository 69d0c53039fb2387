"""What the metadata experiment looks at: held-out pictures with a bundle's probabilities.

The test part is neither read nor needed: its rows are passed over and its pictures not opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mlservice.engine import Bundle, Modality, check_golden, open_predictor
from mlservice.engine.judging.judged import Doubles
from training.data import Row, file_hashes, read_folder
from training.errors import TrainingError
from training.evaluate import judge
from training.metadata_models import Evidence
from training.split import Split, guard

HELD = ("validation", "calibration")


def held_parts(bundle: Bundle) -> tuple[str, ...]:
    """The parts that did not train ``bundle``, the test part aside; raises where none is left."""
    trained = _trained_parts(bundle)
    held = tuple(part for part in HELD if part not in trained)
    if not held:
        raise TrainingError(
            f"The bundle {bundle.folder.name!r} was trained on {', '.join(trained)}: no part is "
            "left to compare on but the test part, which stays closed."
        )
    return held


def _trained_parts(bundle: Bundle) -> tuple[str, ...]:
    return tuple(bundle.manifest.training["config"].get("parts", ("fit",)))


def gather(bundle: Bundle, data: Path, split_file: Path, cache: Path) -> Evidence:
    """Read ``data`` without its test part and score what did not train ``bundle``.

    Raises :class:`TrainingError` when the bundle was trained on another split, or the data are
    not those the split was made of.
    """
    held = held_parts(bundle)
    split = Split.load(split_file)
    if bundle.manifest.training.get("split_hash") != split.hash:
        raise TrainingError(
            f"The bundle {bundle.folder.name!r} was trained on another split than "
            f"{split_file.name!r}: which of these pictures it has seen is not known."
        )
    rows = read_folder(data, bundle.labels, without=frozenset(split.parts["test"]))
    hashes = file_hashes(rows)
    # Copies were searched for when this very split was made and trained on: that takes minutes.
    guard(split, rows, hashes, twins=())
    held_out = _parts(split, rows, held)
    served = _served(bundle, held_out, hashes, split, cache)
    known = _parts(split, rows, [p for p in ("fit", *HELD) if p not in held])
    return Evidence(bundle.labels, bundle.harmful, tuple(held_out), served, tuple(known))


def _parts(split: Split, rows: Sequence[Row], parts: Sequence[str]) -> list[Row]:
    """The rows of these parts by name of picture; raises when the csv lacks one."""
    chosen = sorted((r for p in parts for r in split.rows(rows, p)), key=lambda row: row.image_id)
    missing = {image for p in parts for image in split.parts[p]} - {r.image_id for r in chosen}
    if missing:
        raise TrainingError(
            f"The csv lacks {len(missing)} pictures of the split, among them {min(missing)!r}."
        )
    return chosen


def _served(
    bundle: Bundle, rows: Sequence[Row], hashes: Mapping[str, str], split: Split, cache: Path
) -> Doubles:
    """``(n, c)`` probabilities as served, from ``cache`` where these very ones were made before.

    The name of the file holds the bundle's, the split's and every picture's hash; a run that is
    stopped half way leaves no file under that name.
    """
    lines = [f"{row.image_id},{hashes[row.image_id]}" for row in rows]
    lines += [bundle.manifest_hash, split.hash]
    key = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    path = cache / f"served-{key[:32]}.npz"
    if not path.exists():
        predictor = open_predictor(bundle)
        check_golden(bundle, predictor)
        judged = judge(bundle, predictor, rows, Modality.DERMOSCOPIC, metadata=False)
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, probabilities=judged.probabilities)
        part.rename(path)
    with np.load(path) as stored:
        served: Doubles = stored["probabilities"]
    return served

"""Who has looked at the test part: noted before it is opened, and printed on the card.

A test part that is looked at again and again becomes one more part that chooses.
"""

from __future__ import annotations

import json
from pathlib import Path

from training.errors import TrainingError

OPENED = "opened.jsonl"


def open_test_part(work: Path, split_hash: str, bundle: str) -> list[str]:
    """Note that ``bundle`` opens the test part of this split; the bundles that did so before."""
    path = work / OPENED
    before = _noted(path, split_hash)
    with path.open("a", encoding="utf-8") as opened:
        opened.write(json.dumps({"split": split_hash, "bundle": bundle}) + "\n")
    return before


def look_again(work: Path, split_hash: str, bundle: str) -> None:
    """Note that ``bundle`` is measured on the test part outside an export.

    Once: a bundle that is finished gives the same answers again, and nothing is chosen by them.
    """
    if bundle not in _noted(work / OPENED, split_hash):
        open_test_part(work, split_hash, bundle)


def _noted(path: Path, split_hash: str) -> list[str]:
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [str(line["bundle"]) for line in lines if line["split"] == split_hash]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{str(path)!r} is not a list of openings: {error!r}.") from error

"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Protocol

WORK = Path(".lentigo/training")


class Commands(Protocol):
    """What ``add_subparsers`` returns, as far as we use it."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser: ...  # noqa: A002 - argparse's own name


def add_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pack", default="skin", help="whose labels (default: skin)")


def add_material(parser: argparse.ArgumentParser) -> None:
    """``DATA``, ``--pack``, ``--work`` and ``--split``."""
    parser.add_argument("data", type=Path, help="folder with pictures and a csv of image_id,dx")
    add_pack(parser)
    parser.add_argument("--work", type=Path, default=WORK, help=f"default: {WORK}")
    parser.add_argument("--split", type=Path, help="split file (default: WORK/split.json)")


def add_resamples(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resamples", type=_positive, default=1000, help="of the bootstrap (default: 1000)"
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def share(text: str) -> float:
    """An argument above 0 and at most 1."""
    if not 0 < float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share, above 0 and at most 1")
    return float(text)


def split_path(options: argparse.Namespace) -> Path:
    path: Path = options.split or options.work / "split.json"
    return path

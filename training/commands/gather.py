"""``gather``: a folder for each class becomes a labelled folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.common import Commands


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "gather", help="make a labelled folder of one that has a folder for each class"
    )
    parser.add_argument("data", type=Path, help="folder with CLASS/picture or PART/CLASS/picture")
    parser.add_argument("out", type=Path, help="new folder: a csv and links to the pictures")
    parser.add_argument(
        "--classes",
        type=_named,
        nargs="+",
        required=True,
        metavar="FOLDER=LABEL",
        help="which folder holds which label of the pack",
    )
    parser.add_argument(
        "--lesion",
        default="",
        metavar="REGEX",
        help="what it finds in a picture's name says whose it is (default: each its own)",
    )
    parser.add_argument(
        "--test", default="test", metavar="PART", help="set apart for judging (default: test)"
    )
    parser.add_argument(
        "--one-each",
        action="store_true",
        help="outside of the part set apart, the first picture of each lesion alone",
    )
    parser.set_defaults(command=run)


def _named(text: str) -> tuple[str, str]:
    folder, given, label = text.partition("=")
    if not (folder and given and label):
        raise argparse.ArgumentTypeError(f"{text!r} is not FOLDER=LABEL")
    return folder, label


def run(options: argparse.Namespace) -> None:
    from training.gather import find, first_of_each, gather

    found = find(options.data, dict(options.classes), options.lesion)
    if options.one_each:
        found = first_of_each(found, options.test)
    for name, number in gather(found, options.out, options.test).items():
        print(f"{name}: {number} pictures")
    print(options.out)

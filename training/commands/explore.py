"""``explore``: what is in a labelled folder, as a page and as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.common import WORK, Commands, add_pack
from training.errors import TrainingError

if TYPE_CHECKING:
    from training.data import Row


def add(commands: Commands) -> None:
    parser = commands.add_parser("explore", help="show what is in a labelled folder")
    parser.add_argument("data", type=Path, help="folder with pictures and a csv of image_id,dx")
    add_pack(parser)
    parser.add_argument("--out", type=Path, default=WORK / "explore", help="default: %(default)s")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="BUNDLE",
        help="also write the numbers alone beside a bundle that was trained on it (data.json)",
    )
    parser.add_argument(
        "--also",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="with --beside: the further folders that the bundle was trained on",
    )
    parser.add_argument("--open", action="store_true", help="show the page in a browser")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    import webbrowser

    from mlservice.packs import load_pack
    from training.data import read_folder
    from training.explore import explore, measure_files, write
    from training.labels import pack_labels

    rows = read_folder(options.data, pack_labels(options.pack)[0])
    name = options.data.resolve().name
    found = explore(rows, load_pack(options.pack), name, measure_files(rows))
    try:
        paths = write(found, options.out)
    except OSError as error:
        raise TrainingError(f"Nothing can be written to {str(options.out)!r}: {error}.") from error
    print(*paths, sep="\n")
    if options.beside:
        print(_write_beside(options, rows))
    if options.open:
        webbrowser.open(paths[0].resolve().as_uri())


def _write_beside(options: argparse.Namespace, rows: Sequence[Row]) -> Path:
    from mlservice.engine import Bundle, EngineError
    from mlservice.engine.explored import DATA, write_explored
    from training.data import read_folder
    from training.explore.beside import beside, folder_of

    try:
        bundle = Bundle.load(options.beside)
    except EngineError as error:
        raise TrainingError(str(error)) from error
    folders = [folder_of(rows, options.data.resolve().name)]
    for further in options.also:
        folders.append(folder_of(read_folder(further, bundle.labels), further.resolve().name))
    path: Path = options.beside / DATA
    write_explored(beside(bundle, folders), path)
    return path

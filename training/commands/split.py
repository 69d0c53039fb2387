"""``split``: which lesion trains, stops, calibrates, judges."""

from __future__ import annotations

import argparse

from training.commands.common import Commands, add_material, split_path


def add(commands: Commands) -> None:
    parser = commands.add_parser("split", help="split a labelled folder by lesion")
    add_material(parser)
    parser.add_argument("--seed", type=int, default=7)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    from training.data import read_folder
    from training.labels import pack_labels
    from training.split import make_split

    rows = read_folder(options.data, pack_labels(options.pack)[0])
    path = split_path(options)
    split = make_split(rows, options.seed, cache=path.parent / "cache")
    split.save(path)
    for part, images in split.parts.items():
        lesions = {row.lesion_id for row in split.rows(rows, part)}
        print(f"{part}: {len(images)} pictures of {len(lesions)} lesions")
    print(f"{path} {split.hash}")

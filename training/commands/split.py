"""``split``: which lesion trains, stops, calibrates, judges."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.common import Commands, add_material, split_path


def add(commands: Commands) -> None:
    parser = commands.add_parser("split", help="split a labelled folder by lesion")
    add_material(parser)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--absent",
        nargs="+",
        action="extend",
        default=[],
        metavar="CLASS",
        help="classes of the pack this folder is known not to have",
    )
    parser.add_argument(
        "--test",
        type=Path,
        metavar="FILE",
        help="image ids, one a line, that are the test part: the published one, kept as it is",
    )
    parser.add_argument(
        "--files-only",
        action="store_true",
        help="do not search for one photograph in two files: of pictures that are all much alike, "
        "such as radiographs, that takes an hour; the same file is found all the same",
    )
    parser.add_argument("--oversample", action="store_true", help="refused: says why")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    from training.data import SPLIT_FIRST, read_folder
    from training.errors import LeakError, TrainingError
    from training.given import read_test, split_beside
    from training.labels import pack_labels
    from training.split import check_classes, make_split

    if options.oversample:
        raise LeakError(
            "Oversampling before the split puts copies of one picture on both sides of it: "
            f"{SPLIT_FIRST}"
        )
    labels = pack_labels(options.pack)[0]
    for name in options.absent:
        if name not in labels:
            raise TrainingError(f"--absent {name!r} is not one of {', '.join(labels)}.")
    rows = read_folder(options.data, labels)
    path = split_path(options)
    cache = path.parent / "cache"
    photographs = not options.files_only
    if options.test:
        test = read_test(options.test, rows)
        split = split_beside(rows, test, options.seed, cache=cache, photographs=photographs)
    else:
        split = make_split(rows, options.seed, cache=cache, photographs=photographs)
    check_classes(split, rows, labels, options.absent)
    split.save(path)
    for part, images in split.parts.items():
        lesions = {row.lesion_id for row in split.rows(rows, part)}
        print(f"{part}: {len(images)} pictures of {len(lesions)} lesions")
    print(f"{path} {split.hash}")

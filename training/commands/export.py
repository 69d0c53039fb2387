"""``export``: a run becomes a bundle, checked and measured."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from training.commands.common import Commands, add_material, add_resamples, share, split_path
from training.errors import TrainingError


def add(commands: Commands) -> None:
    parser = commands.add_parser("export", help="make a bundle of a run and measure it")
    add_material(parser)
    parser.add_argument(
        "run", type=Path, help="folder of a finished `fit`, or a bundle to be read anew"
    )
    parser.add_argument(
        "--version", type=_version, required=True, help="2, or 2.1: the bundle is PACK-VERSION"
    )
    parser.add_argument(
        "--fields",
        type=share,
        nargs="+",
        metavar="SHARE",
        help="of the side that each view shows when served (default: the run's)",
    )
    parser.add_argument(
        "--metadata",
        choices=("age", "site"),
        nargs="+",
        default=(),
        help="what the names (never the risk) are read with beside the picture: see `metadata`",
    )
    parser.add_argument("--out", type=Path, default=Path("mlservice/bundles"))
    parser.add_argument("--phone", type=Path, help="folder of phone photos, to teach the gate")
    parser.add_argument(
        "--not-skin",
        type=Path,
        help="folder of photos of other things, likewise; may stand alone",
    )
    outlines = parser.add_mutually_exclusive_group()
    outlines.add_argument(
        "--masks", type=Path, help='outlines of the marks, to teach "no lesion" (DATA/masks)'
    )
    outlines.add_argument(
        "--no-masks", action="store_true", help='leave outlines out: it never says "no lesion"'
    )
    add_resamples(parser)
    parser.set_defaults(command=run)


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 2, or 2.1")
    return text


def _masks(options: argparse.Namespace) -> Path | None:
    """The folder of outlines: the one named, or the data's own where there is one."""
    named: Path = options.masks or options.data / "masks"
    if options.masks and not named.is_dir():
        raise TrainingError(f"There is no folder {str(named)!r} of outlines.")
    return named if named.is_dir() and not options.no_masks else None


def run(options: argparse.Namespace) -> None:
    from mlservice.engine import EngineError
    from training.export import export
    from training.outside import Others
    from training.run import open_material

    if options.phone and not options.not_skin:
        raise TrainingError("--phone needs --not-skin: the gate learns from both.")
    others = Others(options.phone, options.not_skin, _masks(options))
    material = open_material(
        options.data, split_path(options), options.pack, options.work / "cache"
    )
    try:
        bundle = export(
            material,
            options.run,
            options.out / f"{options.pack}-{options.version}",
            work=options.work,
            others=others,
            fields=tuple(options.fields) if options.fields else None,
            metadata=tuple(dict.fromkeys(options.metadata)),
            resamples=options.resamples,
        )
    except EngineError as error:
        raise TrainingError(str(error)) from error
    print(f"made: {bundle.folder}")

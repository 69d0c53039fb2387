"""``export``: a run becomes a bundle, checked and measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.common import Commands, add_material, split_path
from training.errors import TrainingError


def add(commands: Commands) -> None:
    parser = commands.add_parser("export", help="make a bundle of a run and measure it")
    add_material(parser)
    parser.add_argument("run", type=Path)
    parser.add_argument("--version", required=True, help="the bundle becomes PACK-VERSION")
    parser.add_argument("--out", type=Path, default=Path("mlservice/bundles"))
    parser.add_argument("--phone", type=Path, help="folder of phone photos, to teach the gate")
    parser.add_argument("--not-skin", type=Path, help="folder of other photos, likewise")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    from training.export import export
    from training.outside import Others
    from training.run import open_material

    if (options.phone is None) != (options.not_skin is None):
        raise TrainingError("The gate needs both --phone and --not-skin, or neither.")
    others = Others(options.phone, options.not_skin) if options.phone else None
    bundle = export(
        open_material(options.data, split_path(options), options.pack, options.work / "cache"),
        options.run,
        options.out / f"{options.pack}-{options.version}",
        others=others,
        resamples=options.resamples,
    )
    print(f"made: {bundle.folder}")

"""The command line: ``python -m training split | fit | export | evaluate``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from training.errors import TrainingError

WORK = Path(".lentigo/training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a :class:`TrainingError` is one line on standard error and status 2."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        options.command(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    split = commands.add_parser("split", help="split a labelled folder by lesion")
    split.add_argument("data", type=Path, help="folder with pictures and a csv of image_id,dx")
    split.add_argument("--seed", type=int, default=7)
    split.set_defaults(command=_split)
    fit = commands.add_parser("fit", help="train a network; started again, it goes on")
    fit.add_argument("data", type=Path)
    fit.add_argument("--run", type=Path, help="run folder (default: below --work, by name)")
    fit.add_argument("--arch", default="mobilenet_v2")
    fit.add_argument("--weights", type=Path, help="pretrained backbone; without it, random")
    fit.add_argument("--frozen", action="store_true", help="train the head only")
    fit.add_argument("--epochs", type=int, default=20, help="of fine-tuning")
    fit.add_argument("--train-side", type=int, default=192)
    fit.add_argument("--side", type=int, default=224)
    fit.add_argument("--freeze-until", metavar="LAYER", help="hold the layers up to this one")
    fit.add_argument("--batch", type=int, default=32)
    fit.add_argument("--learning-rate", type=float, default=3e-4)
    fit.add_argument("--balance", type=float, default=0.5)
    fit.add_argument("--adjust", type=float, default=1.0)
    fit.add_argument("--prior", type=float, default=0.5)
    fit.add_argument("--seed", type=int, default=7)
    fit.set_defaults(command=_fit)
    export = commands.add_parser("export", help="make a bundle of a run and measure it")
    export.add_argument("data", type=Path)
    export.add_argument("run", type=Path)
    export.add_argument("--version", required=True, help="the bundle becomes PACK-VERSION")
    export.add_argument("--out", type=Path, default=Path("mlservice/bundles"))
    export.add_argument("--phone", type=Path, help="folder of phone photos, to teach the gate")
    export.add_argument("--not-skin", type=Path, help="folder of other photos, likewise")
    export.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    export.set_defaults(command=_export)
    evaluate = commands.add_parser("evaluate", help="measure a bundle on a labelled folder")
    evaluate.add_argument("bundle", type=Path, nargs="?", help="default: the shipped one")
    evaluate.add_argument("--images", type=Path, required=True)
    evaluate.add_argument("--labels", type=Path, required=True, help="csv with image_id,dx")
    evaluate.add_argument("--declared", choices=("dermoscopic", "phone"), default="dermoscopic")
    evaluate.add_argument("--pack", default="skin", help="whose shipped bundle (default: skin)")
    evaluate.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    evaluate.add_argument("--json", action="store_true", help="JSON on standard output")
    evaluate.set_defaults(command=_evaluate)
    for command in (split, fit, export):
        command.add_argument("--pack", default="skin", help="whose labels (default: skin)")
        command.add_argument("--work", type=Path, default=WORK, help=f"default: {WORK}")
        command.add_argument("--split", type=Path, help="split file (default: WORK/split.json)")
    return parser


def _split(options: argparse.Namespace) -> None:
    from training.data import read_folder
    from training.labels import pack_labels
    from training.split import make_split

    rows = read_folder(options.data, pack_labels(options.pack)[0])
    split = make_split(rows, options.seed)
    path = options.split or options.work / "split.json"
    split.save(path)
    for part, images in split.parts.items():
        lesions = {row.lesion_id for row in split.rows(rows, part)}
        print(f"{part}: {len(images)} pictures of {len(lesions)} lesions")
    print(f"{path} {split.hash}")


def _fit(options: argparse.Namespace) -> None:
    from training.run import fit, open_material

    split = options.split or options.work / "split.json"
    name = f"{options.arch}-{'frozen' if options.frozen else 'tuned'}-{options.seed}"
    run = options.run or options.work / name
    fit(
        open_material(options.data, split, options.pack, options.work / "cache"),
        run,
        options.pack,
        options.weights,
        arch=options.arch,
        side=options.side,
        train_side=options.train_side,
        epochs=0 if options.frozen else options.epochs,
        freeze_until=options.freeze_until,
        batch=options.batch,
        learning_rate=options.learning_rate,
        balance=options.balance,
        adjust=options.adjust,
        prior=options.prior,
        seed=options.seed,
    )
    print(f"trained: {run}")


def _export(options: argparse.Namespace) -> None:
    from training.export import export
    from training.outside import Others
    from training.run import open_material

    if (options.phone is None) != (options.not_skin is None):
        raise TrainingError("The gate needs both --phone and --not-skin, or neither.")
    others = Others(options.phone, options.not_skin) if options.phone else None
    split = options.split or options.work / "split.json"
    bundle = export(
        open_material(options.data, split, options.pack, options.work / "cache"),
        options.run,
        options.out / f"{options.pack}-{options.version}",
        others=others,
        resamples=options.resamples,
    )
    print(f"made: {bundle.folder}")


def _evaluate(options: argparse.Namespace) -> None:
    from mlservice.engine import Bundle, EngineError, Modality, shipped
    from training.evaluate import evaluate, table

    try:
        bundle = Bundle.load(options.bundle or shipped(options.pack))
        metrics = evaluate(
            bundle,
            options.images,
            options.labels,
            Modality(options.declared),
            resamples=options.resamples,
        )
    except EngineError as error:
        raise TrainingError(str(error)) from error
    print(json.dumps(metrics, indent=1) if options.json else table(metrics))

"""``fit``: train a network; started again, it goes on."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.common import Commands, add_material, share, split_path

TEACH = 0.7


def add(commands: Commands) -> None:
    parser = commands.add_parser("fit", help="train a network; started again, it goes on")
    add_material(parser)
    parser.add_argument("--run", type=Path, help="run folder (default: below --work, by name)")
    parser.add_argument("--arch", help="default: that of --settings, or mobilenet_v2")
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="TUNE.JSON",
        help="what tune found; a setting that is also given here is taken from here",
    )
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--weights",
        metavar="PATH",
        help="file with the pretrained backbone, or `none` for random weights "
        "(default: what Keras downloads for --arch)",
    )
    begin.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="RUN",
        help="go on from the weights of a finished run or a bundle, with a schedule of their own",
    )
    parser.add_argument("--frozen", action="store_true", help="train the head only")
    parser.add_argument(
        "--turned",
        action="store_true",
        help="with --frozen: the head learns from the mean over the views that are served, not "
        "from the upright picture alone",
    )
    parser.add_argument(
        "--fields",
        type=share,
        nargs="+",
        metavar="SHARE",
        help="of the side that each view shows when served (default: 1 0.85 0.7)",
    )
    parser.add_argument("--epochs", type=int, default=20, help="of fine-tuning")
    parser.add_argument("--side", type=int, default=224, help="of the pictures when served")
    parser.add_argument(
        "--train-side",
        type=_side_from,
        nargs="+",
        default=[(0, 192)],
        metavar="SIDE[@EPOCH]",
        help="side of the views in training; `160 192@9` grows after nine epochs",
    )
    parser.add_argument(
        "--also", type=Path, nargs="+", default=[], metavar="FOLDER", help="further folders"
    )
    parser.add_argument(
        "--with-validation",
        action="store_true",
        help="train on the validation part too, once the settings are chosen",
    )
    parser.add_argument(
        "--teacher",
        dest="teachers",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="finished runs, or bundles, whose answers train beside the labels",
    )
    parser.add_argument(
        "--teach", type=share, help="share of a label that is the teachers' (default: 0.7)"
    )
    parser.add_argument(
        "--teach-temperature",
        type=_above_zero,
        help="what the teachers' logits are divided by: below 1 they are surer (default: 1)",
    )
    parser.add_argument("--patience", type=int, default=0, help="epochs; 0: no early stopping")
    parser.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16"),
        default="float32",
        help="of the arithmetic in training; the shorter one pays on GPUs",
    )
    parser.add_argument("--norms", choices=("batch", "held"), default="batch")
    parser.add_argument("--ema", type=float, default=0.998, help="of the averaged weights")
    parser.add_argument("--freeze-until", metavar="LAYER", help="hold the layers up to this one")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--head-epochs", type=int, help="of the last layer alone (default: 60)")
    parser.add_argument("--balance", type=float, help="default: 0.5")
    parser.add_argument("--mix", type=float, default=0.0, help="blend views by Beta(MIX, MIX)")
    parser.add_argument("--adjust", type=float, help="default: 1")
    parser.add_argument("--seed", type=int, default=7)
    parser.set_defaults(command=run)


def _side_from(text: str) -> tuple[int, int]:
    """``"192@9"`` -> ``(9, 192)``: views of 192 pixels from the tenth epoch on."""
    side, _, epoch = text.partition("@")
    if int(side) % 32:
        raise argparse.ArgumentTypeError(f"{side} cannot be divided by 32")
    return int(epoch or 0), int(side)


def _above_zero(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return float(text)


def run(options: argparse.Namespace) -> None:
    from training.architectures import choose_weights
    from training.errors import TrainingError
    from training.features import Backbone
    from training.run import fit, open_further, open_material
    from training.settings import Tuned

    for name in ("teach", "teach_temperature"):
        if getattr(options, name) and not options.teachers:
            raise TrainingError(f"--{name.replace('_', '-')} needs a --teacher.")
    if options.turned and not options.frozen:
        raise TrainingError("--turned goes with --frozen: fine-tuning turns its pictures itself.")
    tuned = Tuned.load(options.settings, "fit") if options.settings else None
    settings = {"arch": options.arch or "mobilenet_v2"} | dict(tuned.settings if tuned else {})
    weights = None if options.start else choose_weights(settings["arch"], options.weights)
    if tuned:
        tuned.check(options.arch, Backbone(settings["arch"], weights).weights_sha256())
    given = {name: getattr(options, name) for name in ("head_epochs", "balance", "adjust")}
    settings |= {name: value for name, value in given.items() if value is not None}
    if options.fields:
        settings["fields"] = tuple(options.fields)
    name = f"{settings['arch']}-{'frozen' if options.frozen else 'tuned'}-{options.seed}"
    folder = options.run or options.work / name
    material = open_material(
        options.data, split_path(options), options.pack, options.work / "cache"
    )
    fit(
        material,
        folder,
        options.pack,
        weights,
        [open_further(other, material) for other in options.also],
        options.start,
        options.teachers,
        teach=(options.teach or TEACH) if options.teachers else 0.0,
        teach_temperature=options.teach_temperature or 1.0,
        precision=options.precision,
        side=options.side,
        turned=options.turned,
        parts=("fit", "validation") if options.with_validation else ("fit",),
        train_sides=tuple(options.train_side),
        patience=options.patience,
        norms=options.norms,
        ema=options.ema,
        epochs=0 if options.frozen else options.epochs,
        freeze_until=options.freeze_until,
        batch=options.batch,
        learning_rate=options.learning_rate,
        mix=options.mix,
        seed=options.seed,
        **settings,
    )
    print(f"trained: {folder}")

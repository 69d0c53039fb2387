"""``fit``: train a network; started again, it goes on."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.common import Commands, add_material, split_path


def add(commands: Commands) -> None:
    parser = commands.add_parser("fit", help="train a network; started again, it goes on")
    add_material(parser)
    parser.add_argument("--run", type=Path, help="run folder (default: below --work, by name)")
    parser.add_argument("--arch", default="mobilenet_v2")
    parser.add_argument(
        "--weights",
        metavar="PATH",
        help="file with the pretrained backbone, or `none` for random weights "
        "(default: what Keras downloads for --arch)",
    )
    parser.add_argument("--frozen", action="store_true", help="train the head only")
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
    parser.add_argument("--patience", type=int, default=0, help="epochs; 0: no early stopping")
    parser.add_argument("--norms", choices=("batch", "held"), default="batch")
    parser.add_argument("--ema", type=float, default=0.998, help="of the averaged weights")
    parser.add_argument("--freeze-until", metavar="LAYER", help="hold the layers up to this one")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--balance", type=float, default=0.5)
    parser.add_argument("--adjust", type=float, default=1.0)
    parser.add_argument("--prior", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=7)
    parser.set_defaults(command=run)


def _side_from(text: str) -> tuple[int, int]:
    """``"192@9"`` -> ``(9, 192)``: views of 192 pixels from the tenth epoch on."""
    side, _, epoch = text.partition("@")
    if int(side) % 32:
        raise argparse.ArgumentTypeError(f"{side} cannot be divided by 32")
    return int(epoch or 0), int(side)


def run(options: argparse.Namespace) -> None:
    from training.architectures import choose_weights
    from training.run import fit, open_further, open_material

    weights = choose_weights(options.arch, options.weights)
    name = f"{options.arch}-{'frozen' if options.frozen else 'tuned'}-{options.seed}"
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
        arch=options.arch,
        side=options.side,
        parts=("fit", "validation") if options.with_validation else ("fit",),
        train_sides=tuple(options.train_side),
        patience=options.patience,
        norms=options.norms,
        ema=options.ema,
        epochs=0 if options.frozen else options.epochs,
        freeze_until=options.freeze_until,
        batch=options.batch,
        learning_rate=options.learning_rate,
        balance=options.balance,
        adjust=options.adjust,
        prior=options.prior,
        seed=options.seed,
    )
    print(f"trained: {folder}")

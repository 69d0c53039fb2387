"""``tune``: search backbone and head settings over frozen features; called again, it goes on."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.common import Commands, add_material, split_path


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "tune", help="search backbone and head settings over frozen features; resumable"
    )
    add_material(parser)
    parser.add_argument(
        "--minutes",
        type=float,
        default=10,
        help="of searching; the running trial is finished, and frozen features that are not on "
        "disk yet are computed before the clock starts (default: 10)",
    )
    parser.add_argument("--trials", type=int, help="stop after so many more, if that is sooner")
    parser.add_argument(
        "--archs",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAME,NAME…",
        help="backbones to choose from (default: those with --weights)",
    )
    parser.add_argument(
        "--weights",
        type=_named,
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="pretrained backbones, or `none` for random weights; one of --archs that is not "
        "named here has what Keras downloads",
    )
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--study", type=Path, help="folder of the search (default: WORK/tune)")
    parser.set_defaults(command=run)


def _named(text: str) -> tuple[str, str]:
    arch, given, weights = text.partition("=")
    if not given:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE")
    return arch, weights


def run(options: argparse.Namespace) -> None:
    from training.architectures import choose_weights
    from training.features import Backbone
    from training.run import open_material
    from training.tune import Search, candidates
    from training.tune_report import PLOT, RESULT, as_table, report

    weights = dict(options.weights)
    archs = _archs(options.archs, list(weights))
    chosen = {arch: choose_weights(arch, weights.get(arch)) for arch in archs}
    backbones = {
        arch: Backbone(arch, weights, options.side, options.seed)
        for arch, weights in chosen.items()
    }
    material = open_material(
        options.data, split_path(options), options.pack, options.work / "cache"
    )
    folder = options.study or options.work / "tune"
    search = Search(
        folder, candidates(material, options.pack, backbones), material.split.parts, options.seed
    )
    note = (
        f"over frozen features of {', '.join(map(str, backbones.values()))}; nothing is fine-tuned"
    )
    try:
        search.run(options.minutes, options.trials)
    finally:  # what was found is told when it is stopped by hand too
        found = report(search.study, {"note": note, **search.about()}, folder)
    print(f"{note}; judged on the validation part, of which the best of many is an optimist")
    print(f"{as_table(found)}\n{folder / RESULT}, {folder / PLOT}")


def _archs(named: list[str], weighted: list[str]) -> list[str]:
    from training.errors import TrainingError

    archs = list(dict.fromkeys(named or weighted))
    if not archs:
        raise TrainingError("Name the backbones to choose from: --weights mobilenet_v2=FILE …")
    spare = [arch for arch in weighted if arch not in archs]
    if spare:
        raise TrainingError(f"There are --weights for {spare[0]!r}, which is not among --archs.")
    return archs

"""``evaluate``: a bundle on any labelled folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mlservice.packs.model import MODALITIES
from training.commands.common import Commands, add_pack, add_resamples
from training.errors import TrainingError


def add(commands: Commands) -> None:
    parser = commands.add_parser("evaluate", help="measure a bundle on a labelled folder")
    parser.add_argument(
        "bundle", type=Path, nargs="?", help="folder (default: the newest one shipped)"
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of the pictures")
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        help="csv with image_id,dx (lesion_id, age, sex, localization where known)",
    )
    parser.add_argument(
        "--declared",
        choices=MODALITIES,
        help="how the pictures were taken (default: as the bundle's own)",
    )
    parser.add_argument(
        "--split",
        type=Path,
        help="split file of the folder: measure its test part alone, and note that it was opened",
    )
    add_pack(parser)
    add_resamples(parser)
    parser.add_argument(
        "--rule",
        type=Path,
        metavar="FILE",
        help="write what the 80 %% rule costs at every threshold (with --split: BUNDLE/rule.json)",
    )
    parser.add_argument(
        "--json", action="store_true", help="every number as JSON on standard output"
    )
    parser.set_defaults(command=run)


def _same(rule: Path, folder: Path) -> bool:
    return rule.resolve().parent == folder.resolve()


def run(options: argparse.Namespace) -> None:
    from mlservice.engine import Bundle, EngineError, Modality, shipped
    from mlservice.engine.rule import RULE, write_rule
    from training.data import read_table
    from training.evaluate import evaluate, full_name, heard, judge_rows
    from training.openings import look_again
    from training.report import report
    from training.rule import price_of
    from training.split import open_split

    pictures: dict[str, str] = {}
    try:
        bundle = Bundle.load(options.bundle or shipped(options.pack))
        if options.rule and RULE in bundle.manifest.sha256 and _same(options.rule, bundle.folder):
            raise TrainingError(f"The bundle {full_name(bundle)} has its {RULE} already.")
        rows = read_table(options.labels, options.images, bundle.labels)
        if options.split:
            split = open_split(options.split, rows)
            rows = split.rows(rows, "test")
            pictures = {"part": "test", "data_hash": split.data_hash, "split_hash": split.hash}
            look_again(options.split.parent, split.hash, full_name(bundle))
        declared = Modality(options.declared) if options.declared else None
        judged = judge_rows(bundle, rows, declared)
        metrics = evaluate(judged, bundle, resamples=options.resamples)
        metrics["heard"] = heard(bundle, rows)
    except EngineError as error:
        raise TrainingError(str(error)) from error
    if options.rule:
        named = {"manifest_hash": bundle.manifest_hash, **pictures}
        try:
            write_rule(price_of(judged, full_name(bundle), **named), options.rule)
        except OSError as error:
            raise TrainingError(f"{str(options.rule)!r} cannot be written: {error}.") from error
    # Strict JSON: what does not exist is null; a nan would be a mistake of ours.
    print(json.dumps(metrics, indent=1, allow_nan=False) if options.json else report(metrics))

"""``metadata``: do age, sex and body site help the picture?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from training.commands.common import Commands, add_material, split_path
from training.errors import TrainingError

RULE = (
    "do age, sex and site help? adopted only for a gain of at least 0.01 in malignancy AUC or "
    "balanced accuracy whose 95%% interval excludes zero, with no subgroup losing sensitivity"
)


def add(commands: Commands) -> None:
    parser = commands.add_parser("metadata", help=RULE)
    add_material(parser)
    parser.add_argument("--bundle", type=Path, help="default: the shipped one")
    parser.add_argument("--seed", type=int, default=7, help="of the folds and the bootstrap")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5, help="of the cross-validation")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="JSON on standard output")
    shape.add_argument("--markdown", action="store_true", help="tables for docs/experiments.md")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    from mlservice.engine import Bundle, EngineError, shipped
    from training.metadata import experiment
    from training.metadata_evidence import gather, held_parts
    from training.metadata_table import markdown, text

    if options.folds < 2 or options.repeats < 1 or options.resamples < 1:
        raise TrainingError("--folds must be 2 or more, --repeats and --resamples 1 or more.")
    try:
        bundle = Bundle.load(options.bundle or shipped(options.pack))
        evidence = gather(bundle, options.data, split_path(options), options.work / "cache")
    except EngineError as error:
        raise TrainingError(str(error)) from error
    found = {
        "bundle": f"{bundle.name}-{bundle.version}",
        "bundle_hash": bundle.manifest_hash,
        "split_hash": bundle.manifest.training["split_hash"],
        "parts": list(held_parts(bundle)),
        **experiment(
            evidence,
            seed=options.seed,
            folds=options.folds,
            repeats=options.repeats,
            resamples=options.resamples,
        ),
    }
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print(markdown(found) if options.markdown else text(found))

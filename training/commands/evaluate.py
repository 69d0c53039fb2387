"""``evaluate``: a bundle on any labelled folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from training.commands.common import Commands
from training.errors import TrainingError


def add(commands: Commands) -> None:
    parser = commands.add_parser("evaluate", help="measure a bundle on a labelled folder")
    parser.add_argument("bundle", type=Path, nargs="?", help="default: the shipped one")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="csv with image_id,dx")
    parser.add_argument("--declared", choices=("dermoscopic", "phone"), default="dermoscopic")
    parser.add_argument("--pack", default="skin", help="whose shipped bundle (default: skin)")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
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

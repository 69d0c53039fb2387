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
    add_pack(parser)
    add_resamples(parser)
    parser.add_argument(
        "--json", action="store_true", help="every number as JSON on standard output"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    from mlservice.engine import Bundle, EngineError, Modality, shipped
    from training.evaluate import evaluate
    from training.report import report

    try:
        metrics = evaluate(
            Bundle.load(options.bundle or shipped(options.pack)),
            options.images,
            options.labels,
            Modality(options.declared) if options.declared else None,
            resamples=options.resamples,
        )
    except EngineError as error:
        raise TrainingError(str(error)) from error
    # Strict JSON: what does not exist is null; a nan would be a mistake of ours.
    print(json.dumps(metrics, indent=1, allow_nan=False) if options.json else report(metrics))

"""``crossval``: how much the numbers move when other lesions are held out."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands.common import Commands, add_material, split_path

if TYPE_CHECKING:  # these load the network's library
    from training.crossval import Cases, Score
    from training.run import Material


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "crossval",
        help="cross-validate by lesion: a head over frozen features in every fold, or --full",
    )
    add_material(parser)
    parser.add_argument("-k", type=int, default=5, help="folds (default: 5)")
    parser.add_argument("--arch", help="default: mobilenet_v2")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="pretrained backbone, or `none` for random weights (default: Keras's download)",
    )
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument(
        "--settings", type=Path, metavar="TUNE.JSON", help="architecture and head that tune found"
    )
    parser.add_argument(
        "--full",
        type=Path,
        metavar="RUN",
        help="repeat the training of this run of fit in every fold, fine-tuning included: "
        "as many times its hours as there are folds",
    )
    parser.add_argument("--seed", type=int, default=7, help="of the folds and the training")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    from training.crossval import OPEN, Cases, as_table, cross_validate, lesion_groups, make_folds
    from training.errors import TrainingError
    from training.labels import pack_labels
    from training.run import open_material

    if options.full and (options.settings or options.arch):
        raise TrainingError("--full takes everything from its run: no --arch, no --settings.")
    material = open_material(
        options.data, split_path(options), options.pack, options.work / "cache"
    )
    labels, harmful = pack_labels(options.pack)
    groups = lesion_groups(material.rows, split_path(options).parent / "cache")
    cases = Cases.of(material.rows_of(OPEN), groups, labels, harmful)
    folds = make_folds(cases, options.k, options.seed)
    score, how = (_full if options.full else _frozen)(options, material, cases)
    found = {
        **how,
        "k": options.k,
        "seed": options.seed,
        "parts": OPEN,
        "data_hash": material.split.data_hash,
        "split_hash": material.split.hash,
        **cross_validate(cases, folds, score),
    }
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print(f"{options.k} folds of {found['n']} pictures, {found['lesions']} lesions, by lesion;")
        print(f"{found['note']}; the test part stays closed\n{as_table(found)}")


def _frozen(
    options: argparse.Namespace, material: Material, cases: Cases
) -> tuple[Score, dict[str, Any]]:
    """A head over frozen features."""
    from training.architectures import choose_weights
    from training.crossval import frozen_score
    from training.features import Backbone, feature_table, frozen_config
    from training.settings import Tuned, applied

    tuned = Tuned.load(options.settings) if options.settings else None
    arch = tuned.settings["arch"] if tuned else options.arch or "mobilenet_v2"
    weights = choose_weights(arch, options.weights)
    backbone = Backbone(arch, weights, options.side, options.seed)
    if tuned:
        tuned.check(options.arch, backbone.weights_sha256())
    base = frozen_config(material.split, options.pack, backbone)
    config, head = applied(base, tuned.settings if tuned else {})
    table = feature_table(
        material.rows, material.labels, material.split.data_hash, backbone, material.cache
    )
    note = f"over frozen features of {backbone}; fine-tuning is not repeated per fold"
    score = frozen_score(table.of([row.image_id for row in cases.rows]), config, **head)
    return score, {"features": "frozen", "note": note, "config": asdict(config), "head": head}


def _full(
    options: argparse.Namespace, material: Material, cases: Cases
) -> tuple[Score, dict[str, Any]]:
    """The whole training of a run."""
    from training.architectures import choose_weights
    from training.config import Config
    from training.crossval_full import full_score

    config = Config.load(options.full)
    folder = options.work / f"crossval-{options.full.name}-{options.k}-{options.seed}"
    weights = choose_weights(config.arch, options.weights)
    note = f"the whole training of {options.full.name} is repeated in every fold"
    score = full_score(material, cases.rows, config, weights, folder)
    return score, {"features": "trained", "note": note, "config": asdict(config), "head": {}}

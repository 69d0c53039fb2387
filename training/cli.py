"""The command line: ``python -m training COMMAND``; each command is a module of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from training.commands import (
    crossval,
    evaluate,
    explore,
    export,
    fit,
    gather,
    glance,
    metadata,
    split,
    tune,
)
from training.errors import TrainingError

COMMANDS = (gather, explore, split, fit, tune, crossval, export, evaluate, metadata, glance)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a :class:`TrainingError` is one line on standard error and status 2."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        options.command(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0

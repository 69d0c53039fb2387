"""The audit trail tampered with at random, by somebody who owns the database and not the key.

Each time one thing is done to a linked trail, with the triggers that would refuse it switched off;
then the whole of it is verified, and all is undone. Beside every kind of tampering its own count.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter

from benchmarks.measuring import Figure, Report, say
from benchmarks.rig import Rig

LINES = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tamperings", type=int, default=5000)
    parser.add_argument("--lines", type=int, default=LINES, help="of the trail")
    parser.add_argument("--seed", type=int, default=1)


def run(options: argparse.Namespace) -> Report:
    report = Report("audit", "random tamperings of the audit trail")
    with Rig():
        from benchmarks.audit.tampering import KINDS, Trail

        trail = Trail.made(options.lines)
        calm = trail.verdict()
        if calm.faults:
            report.broken.append("a trail that nobody touched is called tampered with")
        dice = random.Random(options.seed)  # noqa: S311 - dice
        tried: Counter[str] = Counter()
        missed: Counter[str] = Counter()
        for number in range(options.tamperings):
            name = list(KINDS)[number % len(KINDS)]
            tried[name] += 1
            missed[name] += not trail.tampered(name, dice)
            if number % 500 == 499:
                say(f"{number + 1} tamperings, {missed.total()} missed")
    for name, count in tried.items():
        report.figures.append(Figure(f"missed: {name}", missed[name], target="0", n=count))
    report.figures.append(
        Figure("missed, all together", missed.total(), target="0", n=options.tamperings)
    )
    report.broken += [f"missed: {name}" for name in missed if missed[name]]
    report.notes.append(
        f"A trail of {options.lines} lines, linked and sealed. Taking out a line before it is "
        "linked (seconds) cannot be found and is not among these."
    )
    report.detail = {"missed": dict(missed), "tried": dict(tried)}
    return report

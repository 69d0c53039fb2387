"""R1–R6 and R9–R12: real processes, really killed, while cases keep coming in.

The oracle is a journal that the client keeps outside of the portal (``journal.py``): what was
acknowledged, with its ``Idempotency-Key``. At the end it is compared with what the database and
the phones hold (``audit.py``). Beside it the usual Celery set-ups, under the same injector.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.faults.catalogue import FAULTS, Sizes
from benchmarks.faults.outcome import Outcome
from benchmarks.measuring import Figure, Report
from benchmarks.rig import Rig

RIVALS = ("plain_default", "acks_late", "celery_batches")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=18, help="of inference workers, in total")
    parser.add_argument("--times", type=int, default=2, help="how often each other fault happens")
    parser.add_argument("--seconds", type=int, default=40, help="of restarting everything in turn")
    parser.add_argument("--rate", type=float, help="cases a second that are sent (2; short: 1)")
    parser.add_argument("--only", default="", help=f"of {', '.join(FAULTS)}; with commas between")
    parser.add_argument("--short", action="store_true", help="as in the tests: once or twice each")
    parser.add_argument(
        "--rivals",
        action=argparse.BooleanOptionalAction,
        default=True,
        help=f"also {', '.join(RIVALS)}",
    )


def run(options: argparse.Namespace) -> Report:
    chosen = chosen_faults(options.only, short=options.short)
    sizes = Sizes(options.kills, options.times, options.seconds, short=options.short)
    report = Report("R1", "lost and doubled when processes are killed (a client's journal)")
    rate = options.rate or (1.0 if options.short else 2.0)
    with Rig() as rig:
        from benchmarks.faults import ours, rivals  # they need Django set up

        found = {"ours": ours.suffer(rig, chosen, sizes, rate)}
        if options.rivals:
            numbers = {name: sizes.of(name) for name in chosen if name in rivals.FAULTS}
            found |= rivals.suffer(rig, RIVALS, numbers, rate)
    for who, outcomes in found.items():
        report.detail[who] = {one.fault: one.as_json() for one in outcomes}
        report.figures += figures(who, outcomes)
    report.notes += notes(found)
    return report


def chosen_faults(only: str, *, short: bool) -> list[str]:
    """Raises :class:`SystemExit` for a name that is none."""
    if not only:
        return [name for name, fault in FAULTS.items() if fault.in_short or not short]
    names = only.split(",")
    if unknown := set(names) - set(FAULTS):
        raise SystemExit(f"No such fault: {', '.join(sorted(unknown))}.")
    return names


def figures(who: str, outcomes: list[Outcome]) -> list[Figure]:
    """Lost, doubled and the recovery of each fault, with the number of faults."""
    lines = []
    for one in outcomes:
        said: dict[str, Any] = one.as_json()
        name, n = f"{who} {one.fault}", one.n
        lines.append(Figure(f"{name}: lost of {one.cases}", one.lost, target="0", n=n))
        lines.append(Figure(f"{name}: doubled", one.doubled, target="0", n=n))
        if said["recovery_p99_s"] is not None:
            value = said["recovery_p99_s"]
            lines.append(Figure(f"{name}: moving again, p99", value, unit="s", n=n))
    return lines


def notes(found: dict[str, list[Outcome]]) -> list[str]:
    lines = []
    for who, outcomes in found.items():
        n, cases = sum(one.n for one in outcomes), sum(one.cases for one in outcomes)
        lost, doubled = sum(o.lost for o in outcomes), sum(o.doubled for o in outcomes)
        told = f"{who}: {lost} lost, {doubled} doubled of {cases} acknowledged, in {n} faults"
        if not lost and n:
            told += f"; 0 in {n} trials means less than {3 / n:.1%} of such faults at 95 %"
        lines.append(told + ".")
        for one in outcomes:
            lines += [f"{who} {one.fault}: {said}" for said in (*one.broken[:5], *one.slow)]
    if set(found) - {"ours"}:
        lines.append(
            "Rivals: lost is what has no row once the queue was idle for 10 s. What Redis holds as "
            "unacknowledged would come back after an hour (proof.late), and counts as lost."
        )
    lines.append("The clients run on the same cores as the portal.")
    return lines

"""P6: three times more cases than the machine can do, for a while: what it still gets done.

The peak is what one worker drains from a full queue. Then cases fall due at three times that rate,
one in ten of them urgent by its answers. They are submitted beforehand and wait for their moment,
because submitting is not what is measured here, and would take its cores from what is. Goodput is
what is committed meanwhile; an urgent case's time runs from its moment to its committed prediction.
"""

from __future__ import annotations

import argparse
import signal
import time
from datetime import timedelta

from benchmarks.measuring import Figure, Report, at, say
from benchmarks.rig import Rig, Sender, committed, drawn, seconds_until

TIMES, URGENT_EVERY = 3, 10
PEAK_CASES = 96
URGENT = {"bleeding": "bleeds", "change_size": "yes"}
SOON = timedelta(seconds=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60, help="of overload, in each turn")


def run(options: argparse.Namespace) -> Report:
    report = Report("P6", f"{TIMES}× overload")
    shares: list[float] = []
    urgent: list[float] = []
    with Rig() as rig:
        # It stands still while the cases are written, for longer than its watchdog would let it.
        rig.stack.start("inference", SCORING_HANG_SECONDS="900")
        [sender] = rig.senders(1)
        _peak(rig, sender)  # warm
        for _ in range(options.pairs):
            peak = _peak(rig, sender)
            goodput, waits = _overload(rig, sender, TIMES * peak, options.seconds)
            shares.append(goodput / peak)
            urgent += waits
            say(f"peak {peak:.1f}/s, goodput {goodput:.1f}/s, longest RED {max(waits):.2f} s")
    ordered = sorted(shares)
    report.figures = [
        Figure(
            "goodput ÷ peak",
            ordered[len(ordered) // 2],
            (ordered[0], ordered[-1]),
            target="≥ 0.95",
            n=len(shares),
        ),
        Figure("urgent, p95", at(urgent, 0.95), unit="s", target="≤ 2", n=len(urgent)),
        Figure("urgent, longest", max(urgent), unit="s", n=len(urgent)),
    ]
    report.notes.append(f"{options.seconds:.0f} s of overload in each turn")
    return report


def _peak(rig: Rig, sender: Sender) -> float:
    rig.stack.send("inference", signal.SIGSTOP)
    rig.queue(sender, drawn(16), PEAK_CASES)
    goal = committed() + PEAK_CASES
    rig.stack.send("inference", signal.SIGCONT)
    return PEAK_CASES / seconds_until(goal)


def _overload(rig: Rig, sender: Sender, rate: float, seconds: float) -> tuple[float, list[float]]:
    """Cases committed a second, and each urgent case's seconds, while ``rate`` a second fall due.

    An urgent case that was not scored in that time counts with what it has waited by then.
    """
    from django.utils import timezone

    from diagnoses.models import Scoring

    rig.stack.send("inference", signal.SIGSTOP)
    rig.queue(sender, drawn(16), round(rate * seconds), _urgent_or_not)
    keys = _spread(rate)
    before = committed()
    rig.stack.send("inference", signal.SIGCONT)
    time.sleep(SOON.total_seconds() + seconds)  # nothing is waited for: this is what is measured
    ended, done = timezone.now(), committed() - before
    urgent = Scoring.objects.filter(pk__in=keys, priority=0)
    times = urgent.values_list("run_after", "prediction__created_at")
    waits = [(scored or ended) - due for due, scored in times]
    _withdraw_the_rest()
    return done / seconds, [wait.total_seconds() for wait in waits]


def _urgent_or_not(number: int) -> dict[str, str]:
    return {} if number % URGENT_EVERY else URGENT


def _spread(rate: float) -> list[int]:
    """Have the waiting rows fall due one after the other, in the order they were submitted."""
    from django.utils import timezone

    from diagnoses.models import Scoring

    rows = list(Scoring.objects.waiting().order_by("pk"))
    first = timezone.now() + SOON
    for number, row in enumerate(rows):
        row.run_after = first + timedelta(seconds=number / rate)
    Scoring.objects.bulk_update(rows, ["run_after"], batch_size=500)
    return [row.pk for row in rows]


def _withdraw_the_rest() -> None:
    from diagnoses import workflow
    from diagnoses.models import Case

    for case in Case.objects.filter(status=Case.Status.REGISTERED).select_related("patient"):
        try:
            workflow.withdraw(case, case.patient)
        except workflow.Moved:  # scored just now
            continue

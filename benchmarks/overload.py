"""P6: three times more cases than the machine can do, for a while: what it still gets done.

The peak is what one worker drains from a full queue. Then cases arrive at three times that rate,
one in ten of them urgent by its answers, straight into the queue (over HTTP the web server would be
the limit). Goodput is what is committed meanwhile; an urgent case's time runs from its submission
to its committed prediction, by the database's clock.
"""

from __future__ import annotations

import argparse
import io
import threading
import time
from uuid import uuid4

from benchmarks.measuring import Figure, Report, at, say
from benchmarks.rig import Rig, Sender, committed, drawn, seconds_until

TIMES, URGENT_EVERY = 3, 10
PEAK_CASES = 96
URGENT = {"bleeding": "bleeds", "change_size": "yes"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60, help="of overload, in each turn")


def run(options: argparse.Namespace) -> Report:
    report = Report("P6", f"{TIMES}× overload")
    shares: list[float] = []
    urgent: list[float] = []
    with Rig() as rig:
        rig.stack.start("inference")
        [sender] = rig.senders(1)
        for _ in range(options.pairs):
            peak = _peak(rig, sender)
            goodput, waits = _overload(sender, TIMES * peak, options.seconds)
            shares.append(goodput / peak)
            urgent += waits
            say(f"peak {peak:.1f}/s, goodput {goodput:.1f}/s, longest RED {max(waits):.2f} s")
            _withdraw_the_rest()
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
    report.notes.append("the sender's own processor time is on the same cores")
    return report


def _peak(rig: Rig, sender: Sender) -> float:
    goal = committed() + PEAK_CASES
    rig.queue(sender, drawn(16), PEAK_CASES)  # quicker than they are scored
    before = committed()
    return (goal - before) / seconds_until(goal)


def _overload(sender: Sender, rate: float, seconds: float) -> tuple[float, list[float]]:
    """Cases committed a second, and each urgent case's seconds, while ``rate`` a second come."""
    from django.db.models import F

    from diagnoses.models import Prediction

    first = Prediction.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    before, started = committed(), time.perf_counter()
    submitting = threading.Thread(target=_submit, args=[sender, rate, seconds])
    submitting.start()
    submitting.join()
    goodput = (committed() - before) / (time.perf_counter() - started)
    waits = Prediction.objects.filter(pk__gt=first, scoring__priority=0).annotate(
        waited=F("created_at") - F("case__submitted_at")
    )
    return goodput, [wait.total_seconds() for wait in waits.values_list("waited", flat=True)]


def _submit(sender: Sender, rate: float, seconds: float) -> None:
    from django.db import connection

    from accounts.models import User
    from diagnoses import intake, workflow

    patient = User.objects.get(email=sender.email)
    photos = [intake.clean(io.BytesIO(content)) for content in drawn(16)]
    started, number = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        if number > elapsed * rate:
            time.sleep(0.005)
            continue
        photo = workflow.NewPhoto("dermoscopic", photos[number % len(photos)])
        answers = URGENT if number % URGENT_EVERY == 0 else {}
        workflow.submit(patient, workflow.Submission("skin", "back", [photo], answers, uuid4()))
        number += 1
    say(f"{number / seconds:.1f} cases/s came, {rate:.1f} were asked for")
    connection.close()


def _withdraw_the_rest() -> None:
    from diagnoses import workflow
    from diagnoses.models import Case

    for case in Case.objects.filter(status=Case.Status.REGISTERED).select_related("patient"):
        workflow.withdraw(case, case.patient)

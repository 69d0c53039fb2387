"""P13 and P17: how soon a worker is ready, what the web process holds, what many pictures leave.

The worker scores case after case for as long as ``--pictures`` lasts; its resident memory is read
every thousand, and the slope is a straight line through those readings after the first ones.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import psutil

from benchmarks.measuring import Figure, Report, say
from benchmarks.rig import SMALL, Rig, committed, drawn, seconds_until
from portal.machine.child import Child

CHUNK = 200  # cases submitted at a time
SETTLED = 0.2  # the share of readings left out at the beginning: caches fill
MB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pictures", type=int, default=2000, help="50,000 for the real thing")


def run(options: argparse.Namespace) -> Report:
    report = Report("P13, P17", "start, memory of the web process, memory over many pictures")
    with Rig() as rig:
        started = time.perf_counter()
        rig.stack.start("inference")
        ready = time.perf_counter() - started
        rig.stack.start("web", WEB_WORKERS="1")
        # Its own children, not theirs: each web process has one more, which opens photos.
        [web] = psutil.Process(rig.stack.children["web"].pid).children()
        report.figures += [
            Figure("inference worker ready", ready, unit="s", target="≤ 3"),
            Figure("web process", web.memory_info().rss / MB, unit="MB", target="≤ 120"),
        ]
        report.detail["tensorflow_in_web"] = _holds(web, "tensorflow")
        report.detail["tensorflow_in_worker"] = any(
            _holds(one, "tensorflow") for one in _processes(rig.stack.children["inference"])
        )
        _soak(report, rig, options.pictures)
    return report


def _soak(report: Report, rig: Rig, pictures: int) -> None:
    photos = drawn(16, SMALL)
    readings: list[tuple[int, float]] = []
    done = 0
    while done < pictures:
        goal = committed() + CHUNK
        rig.queue(rig.senders(1)[0], photos, CHUNK)
        seconds_until(goal)
        done += CHUNK
        readings.append((done, _resident(rig.stack.children["inference"])))
        say(f"{done} pictures: {readings[-1][1]:.1f} MB")
    kept = readings[int(SETTLED * len(readings)) :]
    slope = float(np.polyfit([n for n, _ in kept], [mb for _, mb in kept], 1)[0]) * 1000
    report.figures += [
        Figure("memory per 1,000 pictures", slope, unit="MB", target="≤ 0.2", n=done),
        Figure("worker and its decoder, at the end", readings[-1][1], unit="MB", n=done),
    ]
    report.detail["readings"] = readings


def _processes(child: Child) -> list[psutil.Process]:
    process = psutil.Process(child.pid)
    return [process, *process.children(recursive=True)]


def _resident(child: Child) -> float:
    return float(sum(one.memory_info().rss for one in _processes(child))) / MB


def _holds(process: psutil.Process, library: str) -> bool:
    """Whether the process has mapped a file of that library."""
    return any(f"/{library}/" in one.path for one in process.memory_maps())

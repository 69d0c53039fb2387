"""P1: how fast a full queue becomes committed predictions, against a raw loop over its files.

The worker is stopped (SIGSTOP) while the queue is filled, so that neither its start nor the
submissions count; the clock runs from SIGCONT until the last prediction is committed. The raw loop
runs in this process on the same stored files while the worker has nothing to do.
"""

from __future__ import annotations

import argparse
import signal
import time
from statistics import median

from benchmarks.measuring import Report, in_turn, ratio
from benchmarks.rig import LARGE, SMALL, RawLoop, Rig, committed, drawn, seconds_until

SIZES = {"600×450": (SMALL, 192), "12 megapixels": (LARGE, 96)}
DISTINCT = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", type=float, default=1.0, help="times the usual number of cases")


def run(options: argparse.Namespace) -> Report:
    report = Report("P1", "from the queue to committed predictions ÷ raw loop (cases/s)")
    with Rig() as rig:
        rig.stack.start("inference")
        raw = RawLoop()
        for name, (size, cases) in SIZES.items():
            count = round(cases * options.cases)
            photos = drawn(min(DISTINCT, count), size)
            paths = _fill(rig, photos, count)
            _drain(rig, count)  # warm
            raw.seconds(paths[:8])

            def ours(photos: list[bytes] = photos, count: int = count) -> float:
                _fill(rig, photos, count)
                return count / _drain(rig, count)

            def theirs(paths: list[str] = paths) -> float:
                return len(paths) / raw.seconds(paths)

            found = in_turn({"ours": ours, "raw loop": theirs}, options.pairs)
            report.detail[f"{name}, processor ms a case"] = _made_of(rig, raw, photos, paths)
            report.figures.append(
                ratio(
                    f"drain ÷ raw loop, {name}", found["ours"], found["raw loop"], target="≥ 0.95"
                )
            )
            report.detail[name] = {key: median(values) for key, values in found.items()}
            report.notes.append(
                f"{name}: {median(found['ours']):.1f} cases/s, raw loop "
                f"{median(found['raw loop']):.1f}; {count} cases a turn"
            )
    return report


def _made_of(rig: Rig, raw: RawLoop, photos: list[bytes], paths: list[str]) -> dict[str, float]:
    """What one more turn costs each part, in milliseconds of processor time a case."""
    _fill(rig, photos, len(paths))
    before = rig.processor_seconds()
    _drain(rig, len(paths))
    after = rig.processor_seconds()
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    started = time.process_time()
    raw.seconds(paths)
    spent["raw loop"] = time.process_time() - started
    return {name: round(1000 * seconds / len(paths), 2) for name, seconds in spent.items()}


def _fill(rig: Rig, photos: list[bytes], count: int) -> list[str]:
    """A queue of ``count`` cases before a worker that stands still; the stored files."""
    rig.stack.send("inference", signal.SIGSTOP)
    return rig.queue(rig.senders(1)[0], photos, count)


def _drain(rig: Rig, count: int) -> float:
    """Let the worker go; how many seconds it needs for all of it."""
    goal = committed() + count
    rig.stack.send("inference", signal.SIGCONT)
    return seconds_until(goal)

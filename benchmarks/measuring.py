"""How a figure is measured and told: in turn with its reference, as a ratio, with its spread.

A machine is noisy, so ours and theirs are measured A B A B … in one run and divided pair by pair.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LEAST_PAIRS = 5
_LIBRARIES = ("django", "celery", "psycopg", "ai-edge-litert", "numpy", "pillow", "gunicorn")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a report. ``spread`` is the least and the greatest of the pairs."""

    name: str
    value: float
    spread: tuple[float, float] | None = None
    unit: str = ""  # empty: a ratio or a count
    target: str = ""  # as measured against, e.g. "≥ 0.95"
    n: int = 0


@dataclass
class Report:
    """What a benchmark found. ``detail`` holds whatever else its reader may want: keys of the JSON
    beside these."""

    measure: str  # e.g. "P1"
    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # what must hold and did not: the exit code
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        return {**told.pop("detail"), **told, "machine": machine()}

    def table(self) -> str:
        """For people."""
        lines = [f"{self.measure}  {self.title}"]
        for one in self.figures:
            spread = f"({one.spread[0]:.2f}–{one.spread[1]:.2f})" if one.spread else ""
            n = f"n = {one.n}" if one.n else ""
            value = f"{one.value:.2f}{' ' + one.unit if one.unit else ''}"
            lines.append(f"  {one.name:<58} {value:>12} {spread:<15} {one.target:<9} {n}".rstrip())
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)


def machine() -> dict[str, Any]:
    """The processor, the versions and the commit a figure was measured with."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "commit": _git("rev-parse", "--short", "HEAD")
        + ("+" if _git("status", "--porcelain") else ""),
        "versions": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", maxsplit=1)[1].strip()
    return platform.processor() or "unknown"


def _git(*arguments: str) -> str:
    said = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def in_turn(tasks: Mapping[str, Callable[[], float]], pairs: int) -> dict[str, list[float]]:
    """Run every task once per round, in the order given; what each returned, round by round.

    A task returns its own figure (seconds, or items a second), so that what it must set up first
    does not count.
    """
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(pairs):
        for name, task in tasks.items():
            found[name].append(task())
            say(f"{number + 1}/{pairs}  {name}: {found[name][-1]:.3f}")
    return found


def ratio(name: str, ours: Sequence[float], theirs: Sequence[float], *, target: str = "") -> Figure:
    """The median of ``ours / theirs``, pair by pair, with the least and the greatest."""
    values = [own / other for own, other in zip(ours, theirs, strict=True)]
    return Figure(
        name, statistics.median(values), (min(values), max(values)), target=target, n=len(values)
    )


def at(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie; of few values, the greatest of those."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def say(text: str) -> None:
    """What is going on, for whoever waits; the report itself goes to standard output."""
    print(text, file=sys.stderr, flush=True)


def printed(report: Report, *, as_json: bool) -> None:
    """The report: a table and one line of JSON, or the JSON alone."""
    if not as_json:
        print(report.table())
    print(json.dumps(report.as_json(), ensure_ascii=False))

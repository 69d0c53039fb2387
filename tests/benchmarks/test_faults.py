"""The short form of ``python -m benchmarks faults``: real processes, each fault once or twice.

One run for all of them, on servers of its own. Nothing here asks how long anything took.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.catalogue import FAULTS

ROOT = Path(__file__).resolve().parents[2]
SHORT = [name for name, fault in FAULTS.items() if fault.in_short]
# What must have been seen, or the fault did not happen as its name says.
PROOF = {
    "kill_random": "orphaned_rows",
    "kill_after_predict": "orphaned_rows",
    "web_after_submit": "found_again",
    "hang": "ended_by_watchdog",
    "zombie": "late_answers_refused",
    "redis_wiped": "keys_wiped",
    "redis_down": "taken_meanwhile",
    "postgres_killed": "processes_killed",
    "poison_photo": "children_ended_crash",
}


@cache
def short_form() -> dict[str, dict[str, Any]]:
    """What became of the portal, by fault."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "faults", "--short", "--no-rivals", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ours: dict[str, dict[str, Any]] = json.loads(done.stdout)["ours"]
    return ours


@pytest.mark.parametrize("fault", SHORT)
def test_nothing_is_lost_or_doubled(fault: str) -> None:
    found = short_form()[fault]
    assert found["n"] > 0, "the fault never happened"
    assert found["cases"] > 0, "no case was acknowledged meanwhile"
    assert found["broken"] == []
    assert (found["lost"], found["doubled"]) == (0, 0)


@pytest.mark.parametrize(("fault", "proof"), PROOF.items(), ids=PROOF)
def test_the_fault_really_happened(fault: str, proof: str) -> None:
    assert short_form()[fault]["proof"][proof] > 0

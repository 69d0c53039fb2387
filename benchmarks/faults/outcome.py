"""What one fault did: to be summed up as JSON, and read by the short form's test."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measuring import at


@dataclass
class Outcome:
    """``n`` faults happened; ``proof`` counts what shows that they did; ``broken`` says what must
    hold and did not."""

    fault: str
    n: int = 0
    cases: int = 0
    lost: int = 0
    doubled: int = 0
    recovery: list[float] = field(default_factory=list)  # seconds, one per fault
    taken_over: list[float] = field(default_factory=list)  # seconds, one per orphaned case
    proof: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)  # what held, but later than it must
    began: float = 0.0
    ended: float = 0.0

    def must(self, holds: bool, what: str) -> None:
        """Note that ``what`` did not hold."""
        if not holds:
            self.broken.append(what)

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "n": self.n,
            "cases": self.cases,
            "lost": self.lost,
            "doubled": self.doubled,
            "recovery_p50_s": _at(self.recovery, 0.50),
            "recovery_p99_s": _at(self.recovery, 0.99),
            "proof": dict(self.proof),
            "broken": self.broken,
            "slow": self.slow,
        }
        if self.taken_over:
            said["taken_over_p50_s"] = _at(self.taken_over, 0.50)
            said["taken_over_p99_s"] = _at(self.taken_over, 0.99)
        return said


def _at(values: list[float], share: float) -> float | None:
    return round(at(values, share), 3) if values else None

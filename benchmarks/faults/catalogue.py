"""Which faults there are, and how often each happens. No Django here: the options need it."""

from __future__ import annotations

from dataclasses import dataclass

WORKER_PLACES = ("after_claim", "after_decode", "after_predict", "before_commit", "after_commit")
# The others in the short form too would say what tests/diagnoses/test_killed_workers.py says.
IN_SHORT = ("after_predict", "after_commit")
WEB_PLACES = ("after_files", "after_submit")
DAMAGES, POISONS = 5, 3


@dataclass(frozen=True, slots=True)
class Fault:
    """``counts`` says what decides how often it happens; see ``Sizes.of``."""

    counts: str
    in_short: bool = True


FAULTS = {
    "kill_random": Fault("kills"),
    **{f"kill_{place}": Fault("kills", place in IN_SHORT) for place in WORKER_PLACES},
    **{f"web_{place}": Fault("times") for place in WEB_PLACES},
    "hang": Fault("times"),
    "zombie": Fault("times"),
    "redis_wiped": Fault("times"),
    "redis_down": Fault("times"),
    "postgres_killed": Fault("times"),
    "poison_photo": Fault("poisons"),
    "bad_bundle": Fault("damages", in_short=False),
    "version_switch": Fault("switches", in_short=False),
    "rolling_restart": Fault("seconds", in_short=False),
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything a run asked for."""

    kills: int  # in total
    times: int
    seconds: int
    short: bool = False

    def of(self, name: str) -> int:
        counts = FAULTS[name].counts
        killing = sum(fault.counts == "kills" for fault in FAULTS.values())
        if self.short:
            return {"kills": 2 if name == "kill_random" else 1, "times": 1, "poisons": 1}[counts]
        return {
            "kills": max(1, round(self.kills / killing)),
            "times": self.times,
            "damages": DAMAGES,
            "poisons": POISONS * max(1, self.times // 2),
            "switches": 5 * self.times,
            "seconds": self.seconds,
        }[counts]

"""The release gate in words; its arithmetic is the engine's, where the portal reads it too."""

from __future__ import annotations

from mlservice.engine.gate import LEAST_BENIGN_GREEN, MOST_BENIGN_RED, MOST_GREEN, release_gate
from training.tables import Numbers, shown

CONDITIONS = {
    "green_malignant": ("harmful pictures ending GREEN", f"at most {MOST_GREEN}"),
    "green_benign": ("benign pictures GREEN", f"at least {LEAST_BENIGN_GREEN}"),
    "red_benign": ("benign pictures RED", f"at most {MOST_BENIGN_RED}"),
}


def gate_verdict(metrics: Numbers) -> str:
    """The verdict in words, and a line for each condition with its number and interval."""
    gate = release_gate(metrics)
    lines = [f"Release gate: **{'passed' if gate['passed'] else 'FAILED'}**.\n"]
    for name, (what, bound) in CONDITIONS.items():
        met = "met" if gate[name] else "not met"
        lines.append(f"- {met}: {what} {shown(metrics, name)}, {bound}")
    return "\n".join(lines) + "\n"


__all__ = ["CONDITIONS", "gate_verdict", "release_gate"]

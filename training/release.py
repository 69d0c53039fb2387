"""The release gate: what a version must reach on its frozen test part to be shipped.

By the picture alone. About 200 harmful pictures: four of them is the 95 % bound of a true 1 %;
the shares say that the triage is worth something.
"""

from __future__ import annotations

from training.tables import Numbers, shown

MOST_GREEN = 4
LEAST_BENIGN_GREEN = 0.25
MOST_BENIGN_RED = 0.45
CONDITIONS = {
    "green_malignant": ("harmful pictures ending GREEN", f"at most {MOST_GREEN}"),
    "green_benign": ("benign pictures GREEN", f"at least {LEAST_BENIGN_GREEN}"),
    "red_benign": ("benign pictures RED", f"at most {MOST_BENIGN_RED}"),
}


def release_gate(metrics: Numbers) -> dict[str, bool]:
    """Whether each condition is met, and ``passed`` for all of them.

    What could not be measured, for want of harmful or of benign pictures, is not met.
    """
    green, red = metrics["green_benign"], metrics["red_benign"]
    met = {
        "green_malignant": metrics["n_malignant"] > 0 and metrics["green_malignant"] <= MOST_GREEN,
        "green_benign": green is not None and green >= LEAST_BENIGN_GREEN,
        "red_benign": red is not None and red <= MOST_BENIGN_RED,
    }
    return {"passed": all(met.values()), **met}


def gate_verdict(metrics: Numbers) -> str:
    """The verdict in words, and a line for each condition with its number and interval."""
    gate = release_gate(metrics)
    lines = [f"Release gate: **{'passed' if gate['passed'] else 'FAILED'}**.\n"]
    for name, (what, bound) in CONDITIONS.items():
        met = "met" if gate[name] else "not met"
        lines.append(f"- {met}: {what} {shown(metrics, name)}, {bound}")
    return "\n".join(lines) + "\n"

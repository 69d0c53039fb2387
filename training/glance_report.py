"""What was fitted, as the pack's TOML, and how it does on what nothing was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlservice.engine.glance import palettes, score
from mlservice.packs import Sign
from training.glance import TONES, Examples, opened, seen, strangeness

_HEAD = """\
# What is judged of a photo at once, before any network: weights over the numbers of
# mlservice/engine/glance.py. Written by `python -m training glance`; do not edit.
"""


def as_toml(strange: Sign, misplaced: Sign) -> str:
    parts = [_HEAD]
    for name, sign in (("strange", strange), ("misplaced", misplaced)):
        parts.append(f'\n[glance.{name}]\ncode = "{sign.code}"\nbias = {sign.bias:.5f}\n')
        parts.append(f"\n[glance.{name}.weights]\n")
        parts += [f"{key} = {weight:.5f}\n" for key, weight in sorted(sign.weights.items())]
    return "".join(parts)


def report(
    strange: Sign,
    misplaced: Sign,
    sets: Mapping[str, Examples],
    ordinary: Sequence[Path],
    phone: Sequence[Path],
) -> str:
    """Counts found of what taught nothing; `python -m benchmarks gates` tells them in full."""
    lines = []
    for name, one in sets.items():
        subject, placed = one.subject["held out"], one.placed["held out"]
        for place, tone in enumerate(TONES):
            found = [strangeness(strange, both) >= 0 for both in subject[place :: len(TONES)]]
            hinted = [beside(misplaced, each) for each in placed[place :: len(TONES)]]
            lines.append(f"{strange.code}: {name}, {tone}: {sum(found)} of {len(found)}")
            lines.append(f"{misplaced.code}: {name}, {tone}: {sum(hinted)} of {len(hinted)}")
        pieces = [beside(misplaced, each) for each in one.beside.get("held out", [])]
        lines.append(f"{misplaced.code}: {name}, on the edge: {sum(pieces)} of {len(pieces)}")
    for name, paths in (("ordinary photos", ordinary), ("phone photos", phone)):
        found = [strangeness(strange, palettes(seen(opened(path)))) >= 0 for path in paths]
        lines.append(f"{strange.code}: {name}: {sum(found)} of {len(found)}")
    return "\n".join(lines)


def beside(misplaced: Sign, measured: Mapping[str, float]) -> bool:
    return score(measured, misplaced.weights, misplaced.bias) >= 0

"""What the style guide shows: sample forms and data, one for every state of every piece."""

from __future__ import annotations


def context() -> dict[str, object]:
    return {}

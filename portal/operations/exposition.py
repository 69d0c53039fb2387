"""Prometheus' text format, version 0.0.4: families of samples, as one string. Knows no Django.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
TYPES = frozenset({"counter", "gauge", "summary", "untyped"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; ``suffix`` ("_sum", "_count") belongs to a summary."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Everything of one name. Raises ``ValueError`` for a name that the format does not allow."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.kind not in TYPES:
            raise ValueError(f"{self.name!r} of type {self.kind!r} is no metric.")
        for sample in self.samples:
            if wrong := [label for label in sample.labels if not _LABEL.fullmatch(label)]:
                raise ValueError(f"{self.name} has labels that are none: {wrong}.")

    def lines(self) -> Iterable[str]:
        """Two lines about it, and one a sample."""
        yield f"# HELP {self.name} {_escaped(self.help)}"
        yield f"# TYPE {self.name} {self.kind}"
        for sample in self.samples:
            yield f"{self.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"


def written(families: Iterable[Family]) -> str:
    """As Prometheus reads it. Raises ``ValueError`` where a name comes twice."""
    lines: list[str] = []
    seen: set[str] = set()
    for family in families:
        if family.name in seen:
            raise ValueError(f"{family.name} comes twice.")
        seen.add(family.name)
        lines.extend(family.lines())
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))

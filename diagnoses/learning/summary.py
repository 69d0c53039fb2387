"""What would be exported now, in numbers: what an admin sees before pressing."""

from __future__ import annotations

from dataclasses import dataclass

from accounts import directory
from diagnoses.learning.folder import counts
from diagnoses.learning.which import Source, Wanted, agreed, answered, find
from mlservice.packs import Label

# Below that, somebody who knows a patient may know them again, and nothing is learnt from it.
FEW = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One label: pictures, marks and people."""

    label: Label
    pictures: int
    lesions: int
    patients: int

    @property
    def few(self) -> bool:
        return 0 < self.patients < FEW


@dataclass(frozen=True, slots=True)
class Summary:
    """``sources`` are marks; ``without`` says how many answered cases are of people who did not
    agree: "7", "100+", "" for none."""

    lines: list[Line]
    sources: list[tuple[Source, int]]
    pictures: int
    lesions: int
    patients: int
    unlabelled: int
    copies: int
    without: str

    @property
    def rows(self) -> list[tuple[Label, Line]]:
        return [(line.label, line) for line in self.lines]

    @property
    def few(self) -> list[Line]:
        return [line for line in self.lines if line.few]


def summarise(wanted: Wanted) -> Summary:
    """In three statements. Reads a row for each picture of those who agreed, and no file."""
    found = find(wanted)
    counted = counts(found.items)
    none = {"pictures": 0, "lesions": 0, "patients": 0}
    lines = [Line(label, **counted["labels"].get(label.name, none)) for label in wanted.pack.labels]
    without = answered(wanted).exclude(patient__in=agreed().values("user"))
    return Summary(
        lines,
        [(Source(name), number) for name, number in counted["sources"].items()],
        len(found.items),
        counted["lesions"],
        counted["patients"],
        found.unlabelled,
        found.copies,
        directory.counted(without),
    )

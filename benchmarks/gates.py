"""What is refused, of real pictures and of spoilt ones: at once on the server, and by the network.

The first gates are those of the upload (``diagnoses.intake``), which ask for a retake; ``framing``
is only a hint. The others are the shipped network's: "not skin", "no lesion", and taken for a
phone's photo though declared dermoscopic. Counts of ``n``, with 95 % intervals by Wilson.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.gates_pictures import Photos, data_folder, every_set
from benchmarks.measuring import Report, say
from mlservice.engine import Bundle, Modality, assess, open_predictor, prepare, shipped
from mlservice.engine.intervals import wilson
from mlservice.engine.types import Predictor

COUNT = 250
BATCH = 8
AT_ONCE = ("refused", "blurred", "too_dark", "too_bright", "too_small", "not_skin", "framing")
NETWORK = ("network: not skin", "network: no lesion", "network: phone")


@dataclass(frozen=True, slots=True)
class Line:
    """How many of a set each gate found."""

    photos: str
    good: bool
    n: int
    found: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        gates = {
            gate: {
                "found": self.found.get(gate, 0),
                "interval": wilson(self.found.get(gate, 0), self.n),
            }
            for gate in (*AT_ONCE, *NETWORK)
        }
        return {"photos": self.photos, "should_pass": self.good, "n": self.n, "gates": gates}


@dataclass
class Gates(Report):
    """A report that is a table of sets and gates."""

    lines: list[Line] = field(default_factory=list)

    def table(self) -> str:
        if not self.lines:
            return super().table()
        head = f"{'':<34}{'n':>5}" + "".join(f"{gate.split(': ')[-1]:>12}" for gate in GATES)
        rows = [f"{self.measure}  {self.title}", head]
        rows += [
            f"{line.photos:<34}{line.n:>5}"
            + "".join(f"{line.found.get(gate, 0) or '-':>12}" for gate in GATES)
            for line in self.lines
        ]
        rows += ["", "refused at once, with its 95 % interval:"]
        rows += [
            f"  {line.photos:<34} {line.found.get('refused', 0):>4} of {line.n:<4} "
            + "({:.1%}–{:.1%})".format(*wilson(line.found.get("refused", 0), line.n))
            for line in self.lines
        ]
        return "\n".join([*rows, *self.notes])

    def as_json(self) -> dict[str, Any]:
        told = super().as_json()
        return {**told, "lines": [line.as_json() for line in self.lines]}


GATES = (*AT_ONCE, *NETWORK)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=COUNT, help="pictures of each large set")


def run(options: argparse.Namespace) -> Report:
    report = Gates("gates", "photos that the gates find, of real and of spoilt pictures")
    folder = data_folder()
    if folder is None:
        report.notes.append(
            "The real pictures are not on this machine (set LENTIGO_DATA): skipped."
        )
        return report
    bundle = Bundle.load(shipped("skin"))
    predictor = open_predictor(bundle, "cpu")
    for photos in every_set(folder, options.count):
        line = _line(photos, bundle, predictor)
        say(f"{line.photos}: {line.found.get('refused', 0)} of {line.n} refused at once")
        report.lines.append(line)
    return report


def _line(photos: Photos, bundle: Bundle, predictor: Predictor) -> Line:
    from diagnoses import intake
    from mlservice.packs import load_pack

    found: Counter[str] = Counter()
    glance = load_pack("skin").glance
    kept: list[bytes] = []
    for made in photos.files:
        photo = intake.clean(io.BytesIO(made()), glance)
        found["refused"] += bool(photo.quality.reasons)
        found.update((*photo.quality.reasons, *photo.quality.hints))
        kept.append(photo.content)
    for start in range(0, len(kept), BATCH):
        found.update(_by_the_network(kept[start : start + BATCH], bundle, predictor))
    return Line(photos.name, photos.good, len(photos.files), dict(found))


def _by_the_network(contents: Sequence[bytes], bundle: Bundle, predictor: Predictor) -> list[str]:
    """What its gates say of photos that were all declared dermoscopic."""
    names = dict(zip((Modality.NOT_SKIN, Modality.NO_LESION, Modality.PHONE), NETWORK, strict=True))
    pictures = [prepare(content, bundle.side) for content in contents]
    seen = assess(predictor, bundle, pictures, [Modality.DERMOSCOPIC] * len(pictures))
    return [names[one.modality] for one in seen if one.modality in names]

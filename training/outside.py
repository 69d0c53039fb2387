"""The world outside the training pictures: gate, distance and plain skin, fitted and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlservice.engine import Picture, PictureError, Predictor, prepare
from mlservice.engine.statistics import Statistics
from mlservice.engine.types import Floats
from training.config import Config
from training.errors import TrainingError
from training.fit import Part
from training.gate import (
    Pieces,
    closed_gate,
    far_cut,
    fit_gate,
    fit_statistics,
    halves,
    no_lesion_cut,
    not_skin_cut,
    person_of,
    with_no_lesion,
)
from training.outside_report import Cuts, Kind, Report, gate_report, no_lesion_report
from training.run import Material
from training.scores import score
from training.skin_crops import Content, View, cut, find_pairs

MOST = 400
PAIRS = {"fit": 800, "calibration": 400, "test": 500}  # of plain skin and its twin, at most


@dataclass(frozen=True)
class Others:
    """Folders beside the labelled one, each of them optional.

    ``not_skin`` holds pictures of other things, and ``phone``, never without it, phone photos of
    what the pack is about: half of each teaches the gate. ``masks`` holds the outlines of the
    labelled marks (see :func:`training.skin_crops.read_mask`), from around which plain skin is cut.
    """

    phone: Path | None = None
    not_skin: Path | None = None
    masks: Path | None = None


@dataclass(frozen=True)
class Halves:
    """Two disjoint halves of one folder: one teaches, the other examines."""

    taught: Kind
    unseen: Kind


@dataclass(frozen=True)
class Outside:
    """What was fitted, its cuts, and a report on pictures it was not fitted on.

    ``no_lesion_cut`` is ``None`` without outlines: this version cannot know plain skin. The
    report is :func:`gate_report`'s, with :func:`no_lesion_report`'s as ``no_lesion``; ``None``
    where there were no such pictures.
    """

    statistics: Statistics
    distance_cut: float
    not_skin_cut: float
    no_lesion_cut: float | None
    report: Report | None


@dataclass(frozen=True)
class Bench:
    """What all of the fitting needs."""

    predictor: Predictor
    material: Material
    config: Config

    def embeddings(self, pictures: Picture) -> Floats:
        return score(self.predictor, pictures, self.config.fields).embeddings

    def pieces(self, part: str, masks: Path) -> Pieces:
        """Plain skin and its twins, from pictures of one part of the split."""
        pairs = find_pairs(self.material.rows_of(part), masks, self.config.seed, PAIRS[part])
        if not pairs:
            raise TrainingError(
                f"No picture of the part {part!r} has plain skin enough around its mark to cut a "
                "square from; leave the outlines out with --no-masks."
            )

        def embedded(content: Content, view: View) -> Floats:
            squares = [one for pair in pairs for one in pair if one.content == content]
            return self.embeddings(cut(squares, self.config.side, view))

        return Pieces(
            embedded("skin", "near"),
            embedded("skin", "wide"),
            embedded("mark", "near"),
            embedded("mark", "wide"),
            tuple(skin.row.lesion_id for skin, _ in pairs),
        )

    def halves(self, folder: Path) -> Halves:
        return Halves(*(self._kind(paths) for paths in halves(folder, self.config.seed)))

    def _kind(self, paths: Sequence[Path]) -> Kind:
        try:
            pictures = np.stack([prepare(path, self.config.side) for path in paths])
        except PictureError as error:
            raise TrainingError(str(error)) from error
        return Kind(self.embeddings(pictures), tuple(person_of(path) for path in paths))


def fit_outside(
    predictor: Predictor,
    material: Material,
    config: Config,
    held: Floats,
    others: Others | None,
) -> Outside:
    """Fit on the fitting part and half of ``others``, cut on the calibration embeddings ``held``.

    Without photos the gate stays closed: nothing is recognised as of the proven kind. Without
    outlines nothing is ever called "no lesion".
    """
    bench, others = Bench(predictor, material, config), others or Others()
    fitting = _some(material.part("fit", config.side), config.seed)
    known = bench.embeddings(fitting.pictures)
    phone = bench.halves(others.phone) if others.phone else None
    things = bench.halves(others.not_skin) if others.not_skin else None
    gate = closed_gate(known.shape[1])
    if things:
        photos = phone.taught.embeddings if phone else None
        gate = fit_gate(known, photos, things.taught.embeddings)
    statistics = fit_statistics(known, fitting.targets, config.labels, gate)
    least = None
    if others.masks:
        marks = [known, phone.taught.embeddings] if phone else [known]
        statistics, least = _learn_plain_skin(bench, statistics, marks, held, others.masks)
    cuts = Cuts(far_cut(statistics, held), not_skin_cut(statistics, held), least)
    report = _report(bench, statistics, cuts, phone, things, others.masks)
    return Outside(statistics, cuts.distance, cuts.not_skin, cuts.no_lesion, report)


def _learn_plain_skin(
    bench: Bench, statistics: Statistics, marks: Sequence[Floats], held: Floats, masks: Path
) -> tuple[Statistics, float]:
    """``statistics`` that know plain skin, and the cut; ``marks`` are pictures of marks."""
    pieces = bench.pieces("fit", masks)
    taught = with_no_lesion(
        statistics,
        [pieces.skin_near, pieces.skin_wide],
        [*marks, pieces.mark_near, pieces.mark_wide],
    )
    rows = bench.material.rows_of("calibration")
    harmful = np.array([row.dx in bench.config.harmful for row in rows])
    return taught, no_lesion_cut(taught, held, harmful, bench.pieces("calibration", masks))


def _report(
    bench: Bench,
    statistics: Statistics,
    cuts: Cuts,
    phone: Halves | None,
    things: Halves | None,
    masks: Path | None,
) -> Report | None:
    """Judged on the test part and on the halves that taught nothing."""
    if not masks and not things:
        return None
    rows = bench.material.rows_of("test")
    classes = [row.dx for row in rows]
    test = Kind(
        bench.embeddings(bench.material.part("test", bench.config.side).pictures),
        tuple(row.lesion_id for row in rows),
    )
    report: Report = {"no_lesion": None}
    if things:
        photos = phone.unseen if phone else None
        report |= gate_report(statistics, test, classes, photos, things.unseen, cuts)
    if masks and cuts.no_lesion is not None:
        pieces, photos = bench.pieces("test", masks), phone.unseen if phone else None
        report["no_lesion"] = no_lesion_report(
            statistics, pieces, test, classes, photos, cuts.no_lesion
        )
    return report


def _some(part: Part, seed: int) -> Part:
    """At most :data:`MOST` pictures of each class: enough for a mean, and minutes saved."""
    order = np.random.default_rng(seed).permutation(len(part.targets))
    few = [order[part.targets[order] == number][:MOST] for number in np.unique(part.targets)]
    chosen = np.sort(np.concatenate(few))
    return Part(part.pictures[chosen], part.targets[chosen])

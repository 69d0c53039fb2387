"""What is no skin, no mark, no dermatoscope's picture: fitted, cut and judged on made-up clouds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlservice.engine.statistics import Statistics
from mlservice.engine.types import Floats
from training.errors import TrainingError
from training.gate import (
    MOST_MARKS,
    MOST_PIECES,
    Pieces,
    closed_gate,
    far_cut,
    fit_gate,
    fit_statistics,
    halves,
    no_lesion_cut,
    not_skin_cut,
    with_no_lesion,
)
from training.outside_card import outside_section
from training.outside_report import Cuts, Kind, gate_report, no_lesion_report

SIZE = 12
LABELS = ("mel", "nv")


def cloud(seed: int, count: int, *, at: int, far: float = 2.0) -> Floats:
    """Embeddings around a point on one axis; ``far`` from the origin, so the overlap is chosen."""
    drawn = np.random.default_rng(seed).normal(size=(count, SIZE))
    drawn[:, at] += far
    embeddings: Floats = drawn.astype(np.float32)
    return embeddings


def units(count: int, name: str = "L") -> tuple[str, ...]:
    return tuple(f"{name}{number}" for number in range(count))


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    """Marks lie along axis 0, phone photos along 1, things along 2, plain skin along 3."""
    marks, phone, things = (cloud(n, 80, at=n, far=6) for n in range(3))
    targets = np.arange(80) % 2
    known = fit_statistics(marks, targets, LABELS, fit_gate(marks, phone, things))
    return with_no_lesion(known, [cloud(5, 60, at=3)], [marks, cloud(6, 60, at=0)])


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    near, wide = cloud(7, 200, at=3), cloud(8, 200, at=3)
    return Pieces(near, wide, cloud(9, 200, at=0), cloud(10, 200, at=0), units(200))


def test_the_gate_knows_the_three_kinds_it_was_taught(statistics: Statistics) -> None:
    for kind in range(3):
        shares = statistics.gate(cloud(20 + kind, 50, at=kind, far=6))
        assert (shares.argmax(1) == kind).mean() > 0.95


def test_a_closed_gate_never_knows_a_dermatoscopes_picture() -> None:
    known = fit_statistics(cloud(0, 20, at=0), np.arange(20) % 2, LABELS, closed_gate(SIZE))
    assert (known.gate(cloud(1, 20, at=0))[:, 1] > 0.99).all()
    assert (known.no_lesion(cloud(1, 20, at=0)) == 0).all(), "and never says no lesion"


def test_plain_skin_is_told_from_marks(statistics: Statistics, pieces: Pieces) -> None:
    skin, marks = statistics.no_lesion(pieces.skin_near), statistics.no_lesion(pieces.mark_near)
    truth = np.repeat([1, 0], [len(skin), len(marks)])
    assert roc_auc_score(truth, np.concatenate([skin, marks])) > 0.9


def test_thousands_of_marks_do_not_drown_plain_skin() -> None:
    """Each side weighs the same, and each kind within it, however many pictures there are."""
    known = fit_statistics(cloud(0, 20, at=0), np.arange(20) % 2, LABELS, closed_gate(SIZE))
    many, few = cloud(2, 3000, at=0), cloud(3, 30, at=3, far=-2)
    taught = with_no_lesion(known, [cloud(1, 300, at=3)], [many, few])
    assert (taught.no_lesion(cloud(4, 200, at=3)) >= 0.5).mean() > 0.85


def test_the_cut_misses_no_harmful_mark_and_hardly_any_other(
    statistics: Statistics, pieces: Pieces
) -> None:
    pictures = cloud(11, 1000, at=0)
    shares = statistics.no_lesion(pictures)
    harmful = np.zeros(1000, bool)
    calm = no_lesion_cut(statistics, pictures, harmful, pieces)
    assert (shares >= calm).mean() <= MOST_MARKS
    for marks in (pieces.mark_near, pieces.mark_wide):
        assert (statistics.no_lesion(marks) >= calm).mean() <= MOST_PIECES
    harmful[shares.argmax()] = True
    strict = no_lesion_cut(statistics, pictures, harmful, pieces)
    assert strict > shares.max() >= calm
    assert strict <= 1


def test_a_picture_is_never_called_empty_against_the_odds(pieces: Pieces) -> None:
    """However well the kinds are told apart, the share must be at least a half."""
    known = fit_statistics(cloud(0, 20, at=0), np.arange(20) % 2, LABELS, closed_gate(SIZE))
    sure = replace(
        known, no_lesion_weights=np.zeros(SIZE, np.float32), no_lesion_bias=np.full(1, -9.0)
    )
    cut = no_lesion_cut(sure, cloud(1, 50, at=0), np.zeros(50, bool), pieces)
    assert cut == pytest.approx(0.5)


def test_the_gates_report_counts_by_class_and_gives_intervals(statistics: Statistics) -> None:
    marks, phone, things = (cloud(30 + n, 60, at=n, far=3) for n in range(3))
    cuts = Cuts(far_cut(statistics, marks), not_skin_cut(statistics, marks), None)
    classes = ["mel"] * 20 + ["nv"] * 40
    kinds = Kind(marks, units(60)), Kind(phone, units(60, "P")), Kind(things, units(60, "T"))
    report = gate_report(statistics, kinds[0], classes, kinds[1], kinds[2], cuts)
    shares = [statistics.gate(kind.embeddings)[:, 2] for kind in kinds]
    truth = np.repeat([0, 0, 1], 60)
    assert report["auroc_not_skin"] == pytest.approx(roc_auc_score(truth, np.concatenate(shares)))
    called = shares[0] >= cuts.not_skin
    assert report["called_not_skin"] == {
        "mel": {"n": 20, "called": called[:20].sum()},
        "nv": {"n": 40, "called": called[20:].sum()},
    }
    for name in ("auroc_not_skin", "auroc_phone", "not_skin_found", "far_phone"):
        low, high = report[f"{name}_interval"]
        assert 0 <= low <= report[name] <= high <= 1
        assert low < high or report[name] in (0, 1)


def test_the_report_on_plain_skin_sets_it_against_its_twins(
    statistics: Statistics, pieces: Pieces
) -> None:
    whole, classes = cloud(12, 300, at=0), ["mel"] * 100 + ["nv"] * 200
    report = no_lesion_report(statistics, pieces, Kind(whole, units(300, "W")), classes, None, 0.7)
    skin, marks = statistics.no_lesion(pieces.skin_near), statistics.no_lesion(pieces.mark_near)
    truth = np.repeat([1, 0], 200)
    assert report["auroc_near"] == pytest.approx(
        roc_auc_score(truth, np.concatenate([skin, marks]))
    )
    assert report["skin_near_called"] == (skin >= 0.7).mean()
    called = statistics.no_lesion(whole) >= 0.7
    assert report["called_no_lesion"]["mel"] == {"n": 100, "called": called[:100].sum()}
    assert report["pictures_called"] == called.mean()
    assert (report["n_pairs"], report["n_pictures"]) == (200, 300)
    assert "n_phone" not in report


def test_fewer_lesions_make_a_wider_interval(statistics: Statistics, pieces: Pieces) -> None:
    """The same pictures, but ten of each lesion: they know less than two hundred lesions do."""
    whole, classes = Kind(cloud(12, 300, at=0), units(300, "W")), ["nv"] * 300
    few = replace(pieces, lesions=tuple(f"L{n // 10}" for n in range(200)))
    one, other = (no_lesion_report(statistics, p, whole, classes, None, 0.7) for p in (pieces, few))
    assert one["skin_near_called"] == other["skin_near_called"]
    narrow, wide = (np.ptp(report["skin_near_called_interval"]) for report in (one, other))
    assert wide > 2 * narrow


def test_the_card_says_what_was_not_taught() -> None:
    for nothing in (None, {"no_lesion": None}):
        text = " ".join(outside_section(nothing).split())
        assert "the gate is closed" in text
        assert 'never says "no lesion"' in text


def test_the_card_gives_every_number_its_count(statistics: Statistics, pieces: Pieces) -> None:
    whole, phone = Kind(cloud(12, 300, at=0), units(300, "W")), Kind(cloud(13, 9, at=1), units(9))
    classes = ["mel"] * 100 + ["nv"] * 200
    report = no_lesion_report(statistics, pieces, whole, classes, phone, 0.7)
    text = " ".join(outside_section({"no_lesion": report}).split())
    for words in ("200 squares of plain skin", "all 300 test pictures", "of 9.", "of 100, nv "):
        assert words in text
    assert f"{report['auroc_near']:.3f}" in text
    assert "the gate is closed" in text, "outlines alone do not open it"


def test_a_folder_is_halved_by_person(tmp_path: Path) -> None:
    names = [f"PAT_{person}_{photo}.png" for person in range(6) for photo in range(2)]
    for name in names:
        (tmp_path / name).touch()
    one, other = ({path.name for path in half} for half in halves(tmp_path, seed=7))
    assert one | other == set(names)
    assert len(one) == len(other) == 6
    assert not {n[:5] for n in one} & {n[:5] for n in other}
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="no pictures"):
        halves(tmp_path / "empty", seed=7)

"""How a pack's glance is fitted; on drawings, so nothing it finds here means anything."""

from __future__ import annotations

from pathlib import Path
from tomllib import loads

import numpy as np
import pytest
from PIL import Image

from mlservice.engine.glance import palettes, placement, score
from mlservice.packs import Sign
from mlservice.packs.skin.drawing import draw
from mlservice.packs.table import Table
from tests.cases import beside, ordinary
from training.cli import main
from training.data import Row
from training.glance import (
    Examples,
    fit_misplaced,
    fit_strange,
    off_centre,
    part_of,
    piece_beside,
    seen,
    strangeness,
)
from training.glance_report import as_toml

KINDS = ("nv", "mel", "bkl", "df")


@pytest.fixture(scope="module")
def examples() -> Examples:
    found = Examples()
    for seed in range(24):
        picture = draw(seed, kind=KINDS[seed % 4], size=(320, 240))
        found.add(Row(f"i{seed}", "nv", f"lesion{seed}", Path("-")), picture, None)
        found.beside.setdefault("fit", []).append(placement(seen(beside(seed + 1, wide=480))))
    return found


def test_a_lesion_is_in_one_part_for_good_and_half_of_all_fit() -> None:
    parts = [part_of(f"HAM_{number:07}") for number in range(2000)]
    assert parts == [part_of(f"HAM_{number:07}") for number in range(2000)]
    assert set(parts) == {"fit", "cut", "held out"}
    assert 0.45 < parts.count("fit") / len(parts) < 0.55


def test_what_it_learned_is_strange_and_what_it_cut_at_is_not(
    examples: Examples, tmp_path: Path
) -> None:
    turns = [ordinary().rotate(turn).resize((320, 240)) for turn in (0, 180)]
    paths = [tmp_path / f"{number}.png" for number in range(len(turns))]
    for path, turned in zip(paths, turns, strict=True):
        turned.save(path)
    sign = fit_strange([examples], paths, "not_skin")
    assert all(strangeness(sign, palettes(seen(turned))) > 0 for turned in turns)
    assert all(strangeness(sign, both) <= 1e-9 for both in examples.subject["cut"])


def test_a_mark_on_the_edge_is_told_from_one_in_the_middle(examples: Examples) -> None:
    sign = fit_misplaced([examples], "framing")
    found = [score(each, sign.weights, sign.bias) > 0 for each in examples.beside["fit"]]
    assert sum(found) > len(found) / 2


def test_the_piece_has_the_marks_middle_on_its_edge() -> None:
    mask = np.zeros((90, 120), np.bool_)
    mask[40:50, 55:65] = True
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    piece = off_centre(image, mask, "a")
    assert piece is not None
    lit = np.asarray(piece) > 0
    assert lit[[0, -1]].any() or lit[:, [0, -1]].any()
    assert 0 < lit.sum() < mask.sum(), "cut through"
    assert off_centre(image, np.ones((90, 120), np.bool_), "a") is None
    assert piece_beside(image, 0, 0, "a") is not None


def test_what_is_written_is_read_back() -> None:
    signs = Sign("not_skin", -1.25, {"warm": 2.0}), Sign("framing", 0.5, {"within": -1.0})
    table = Table(loads(as_toml(*signs)), "glance.toml").table("glance")
    assert table.table("strange").numbers("weights") == {"warm": 2.0}
    assert table.table("misplaced").number("bias") == 0.5


def test_the_command_says_what_is_missing(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--masks", str(tmp_path), "--not-skin", str(tmp_path), "--phone", str(tmp_path)]
    assert main(["glance", str(few), *folders, "--out", str(tmp_path / "x.toml")]) == 2
    assert "outline" in capsys.readouterr().err or "no pictures" in capsys.readouterr().err

"""``evaluate`` with the shipped bundle on folders as people have them, and on spoiled ones."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlservice.engine import shipped
from mlservice.engine.judging.subgroups import ENOUGH
from mlservice.packs.skin.drawing import draw
from training.cli import main

DOCUMENTED = """bundle n lesions accuracy bmca bmca_interval recall precision f1 macro_auc
    melanoma_auc ece_raw ece ece_expected melanoma_red melanoma_flagged
    green_malignant green_benign red_benign rule_no_disease_malignant n_malignant
    malignancy_auc brier confusion reliability classes subgroups rule auc
    malignant_red malignant_flagged sensitivity specificity sensitivity_r99 specificity_r99
    specificity_at_95_sensitivity cut_at_95_sensitivity
    specificity_at_99_sensitivity cut_at_99_sensitivity ece_excess
    green_malignant_interval recall_interval auc_interval
    rule_no_disease_malignant_green release_gate threshold r95 r99 resamples"""
# Name, class, suffix and size: as data sets and phones write them.
PICTURES = (
    ("plain", "nv", ".jpg", (600, 450)),
    ("loud", "mel", ".JPG", (600, 450)),
    ("tall", "mel", ".jpeg", (450, 600)),
    ("twelve_megapixels", "bcc", ".jpg", (4000, 3000)),
    ("lossless", "nv", ".png", (300, 225)),
    ("web.v2", "nv", ".webp", (384, 288)),
)
Numbers = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    below = tmp_path / "pictures" / "batch 1"
    below.mkdir(parents=True)
    for seed, (name, kind, suffix, size) in enumerate(PICTURES):
        draw(seed, kind=kind, size=size, hair=0).save(below / f"{name}{suffix}", quality=90)
    return tmp_path


def write_labels(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as opened:
        table = csv.DictWriter(opened, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def evaluated(folder: Path, *options: str) -> int:
    data = ["--images", str(folder / "pictures"), "--labels", str(folder / "labels.csv")]
    return main(["evaluate", *data, "--resamples", "20", *options])


def strict(text: str) -> Numbers:
    """JSON as the standard has it: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: Numbers = json.loads(text, parse_constant=refuse)
    return found


def test_any_folder_works_and_standard_output_is_json_alone(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Names with and without suffix, further columns, no lesions; nothing a library prints."""
    rows = [{"note": "x", "image_id": name, "dx": kind} for name, kind, _, _ in PICTURES]
    rows[0]["image_id"] += ".jpg"
    rows[1]["image_id"] += ".JPG"
    write_labels(folder, rows)
    assert evaluated(folder, "--json") == 0
    first = capfd.readouterr()
    found = strict(first.out)
    assert set(DOCUMENTED.split()) <= set(found)
    assert found["bundle"] == shipped().name
    assert (found["n"], found["lesions"], found["n_malignant"]) == (6, 6, 3)
    assert found["classes"] == {
        "mel": 2, "bcc": 1, "akiec": 0, "nv": 3, "bkl": 0, "df": 0, "vasc": 0,
    }  # fmt: skip
    assert found["recall"]["akiec"] is None
    assert found["subgroups"]["sex"] == {"unknown": {"n": 6, "note": "not enough cases"}}
    assert found["heard"] == {"age": 0, "site": 0}
    assert "assess" in first.err
    assert evaluated(folder, "--json") == 0
    assert capfd.readouterr().out == first.out, "the same pictures, another number"


def test_one_row_and_one_class_have_numbers_and_nulls(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_labels(folder, [{"image_id": "plain", "dx": "nv", "age": "44", "sex": "female"}])
    assert evaluated(folder, "--json", "--declared", "phone") == 0
    found = strict(capfd.readouterr().out)
    assert found["n"] == 1
    for name in ("macro_auc", "melanoma_auc", "melanoma_red", "sensitivity", "melanoma_flagged"):
        assert found[name] is None
    assert found["green_benign"] == 0, "a phone photo ended GREEN"
    assert found["heard"] == {"age": 1, "site": 0}
    assert evaluated(folder) == 0
    text = capfd.readouterr().out
    assert f"{shipped().name} on 1 pictures of 1 lesions, 0 harmful (mel, bcc, akiec)" in text
    assert f"Subgroups (under {ENOUGH} cases no number)" in text
    assert "names read with the pictures and age of 1, site of 0" in text
    assert not re.search(r"\bnan\b|None", text)


def spoil_bundle(folder: Path, file: str) -> str:
    goal = folder / "skin-0"
    shutil.copytree(shipped(), goal)
    (goal / file).write_bytes((goal / file).read_bytes()[:-1])
    return str(goal)


# What the csv holds (None: there is none) and what the error names.
SPOILED: dict[str, tuple[bytes | None, str]] = {
    "no csv": (None, "There is no file"),
    "empty csv": (b"\n", "no column 'image_id'"),
    "no rows": (b"image_id,dx\n", "'labels.csv' has no rows"),
    "wrong column": (b"image_id,diagnosis\nplain,nv\n", "no column 'dx'; it has image_id, d"),
    "unknown class": (b"image_id,dx\nplain,wart\n", "class 'wart' (line 2"),
    "class left out": (b"image_id,dx\nplain\n", "line 2"),
    "no picture": (b"image_id,dx\nplain,nv\nabsent,nv\n", "picture 'absent' (line 3"),
    "no name": (b"image_id,dx\n,nv\n", "line 2"),
    "not an age": (b"image_id,dx,age\nplain,nv,old\n", "age 'old' (line 2"),
    "twice": (b"image_id,dx\nplain,nv\nplain.jpg,mel\n", "'plain' is listed twice"),
    "unreadable": (b"image_id,dx\nplain,nv\nbroken,nv\n", "picture 'broken.jpg' cannot be"),
    "not text": (b"image_id,dx\n\xff\xfe\x00,nv\n", "labels.csv"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_bad_input_is_one_line_that_names_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    (tmp_path / "pictures").mkdir()
    draw(0, size=(80, 60)).save(tmp_path / "pictures" / "plain.jpg")
    (tmp_path / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    table, named = SPOILED[case]
    if table is not None:
        (tmp_path / "labels.csv").write_bytes(table)
    refused(tmp_path, capfd, named)


def refused(folder: Path, capfd: pytest.CaptureFixture[str], named: str, *options: str) -> None:
    assert evaluated(folder, "--json", *options) == 2
    out, err = capfd.readouterr()
    assert out == ""
    said = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert named in said[0]
    assert "Traceback" not in err


def test_bad_bundles_and_folders_are_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_labels(folder, [{"image_id": "plain", "dx": "nv"}])
    refused(folder, capfd, "no bundle folder 'nowhere'", str(folder / "nowhere"))
    refused(folder, capfd, "has no manifest.json", str(folder / "pictures"))
    refused(folder, capfd, "'model.tflite'", spoil_bundle(folder, "model.tflite"))
    refused(folder, capfd, "'hair'", "--pack", "hair")
    refused(folder, capfd, "nothing", "--images", str(folder / "nothing"))


def test_resamples_are_counted_from_one(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluated(folder, "--resamples", "0")
    assert stopped.value.code == 2
    assert "not at least 1" in capfd.readouterr().err

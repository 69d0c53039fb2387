"""A folder for each class becomes a labelled folder, and a published test part stays whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlservice.packs import load_pack
from training.cli import main
from training.data import read_folder
from training.gather import TABLE, TEST
from training.split import Split

LABELS = [label.name for label in load_pack("chest").labels]
CLASSES = ("--classes", "SICK=pneumonia", "WELL=normal")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve children of each class to train on, two pictures each, and three to judge on."""
    folder, rng = tmp_path_factory.mktemp("published"), np.random.default_rng(3)
    for part, children in (("train", 12), ("test", 3)):
        for kind in ("SICK", "WELL"):
            (folder / part / kind).mkdir(parents=True)
            for child in range(children):
                for view in range(2):
                    noise = rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)
                    name = f"child{child}_{kind.lower()}_{view}.png"
                    Image.fromarray(noise).save(folder / part / kind / name)
    return folder


def gathered(published: Path, out: Path, *more: str) -> list[str]:
    arguments = ["gather", str(published), str(out), *CLASSES]
    return [*arguments, "--lesion", "child[0-9]+_[a-z]+", *more]


def test_each_picture_has_its_class_and_its_child(published: Path, tmp_path: Path) -> None:
    assert main(gathered(published, tmp_path / "out")) == 0
    rows = read_folder(tmp_path / "out", LABELS)
    assert len(rows) == 60
    by_name = {row.image_id: row for row in rows}
    row = by_name["train-child3_sick_1"]
    assert (row.dx, row.lesion_id) == ("pneumonia", "train-child3_sick")
    assert row.path.read_bytes() == (published / "train/SICK/child3_sick_1.png").read_bytes()
    assert by_name["test-child1_well_0"].lesion_id == "test-child1_well"
    assert len((tmp_path / "out" / TEST).read_text().split()) == 12


def test_one_picture_each_may_be_enough_but_the_test_part_stays_whole(
    published: Path, tmp_path: Path
) -> None:
    assert main(gathered(published, tmp_path / "out", "--one-each")) == 0
    rows = read_folder(tmp_path / "out", LABELS)
    training = [row for row in rows if row.image_id.startswith("train")]
    assert len(training) == len({row.lesion_id for row in training}) == 24
    assert len(rows) - len(training) == 12


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--classes", "SICK=pneumonia", "FINE=normal"], "no picture in a folder 'FINE'"),
        (["--lesion", "child("], "is not a regular expression"),
    ],
)
def test_what_is_not_there_is_said(
    published: Path,
    tmp_path: Path,
    change: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["gather", str(published), str(tmp_path / "out"), *CLASSES, *change]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out" / TABLE).exists()


def test_nothing_is_written_over(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert main(gathered(published, tmp_path)) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.fixture(scope="module")
def labelled(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("labelled") / "out"
    assert main(gathered(published, out)) == 0
    return out


@pytest.mark.parametrize("how", [(), ("--files-only",)])
def test_the_published_test_part_is_the_test_part(
    labelled: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    arguments = ["split", str(labelled), "--pack", "chest", "--work", str(tmp_path)]
    assert main([*arguments, "--test", str(labelled / TEST), *how]) == 0
    split = Split.load(tmp_path / "split.json")
    assert set(split.parts["test"]) == set((labelled / TEST).read_text().split())
    assert split.photographs is not bool(how)
    rows = read_folder(labelled, LABELS)
    for part in ("fit", "validation", "calibration"):
        kinds = {row.dx for row in split.rows(rows, part)}
        assert kinds == set(LABELS), part
    homes = [{row.lesion_id for row in split.rows(rows, part)} for part in split.parts]
    assert sum(map(len, homes)) == len(set.union(*homes)), "a child is in two parts"


def test_whether_copies_were_searched_for_is_in_the_hash(labelled: Path, tmp_path: Path) -> None:
    arguments = ["split", str(labelled), "--pack", "chest", "--work", str(tmp_path)]
    assert main([*arguments, "--test", str(labelled / TEST), "--files-only"]) == 0
    path = tmp_path / "split.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"photographs": True}))
    assert main(["fit", str(labelled), "--pack", "chest", "--work", str(tmp_path)]) == 2


def test_a_copy_of_a_test_picture_is_named_and_stops_the_split(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in labelled.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    stolen = (copy / "test-child0_sick_0.png").read_bytes()
    (copy / "train-child0_sick_0.png").write_bytes(stolen)
    arguments = ["split", str(copy), "--pack", "chest", "--work", str(tmp_path / "work")]
    assert main([*arguments, "--test", str(copy / TEST)]) == 2
    assert "train-child0_sick_0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listed", "complaint"), [("nobody\n", "'nobody' of"), ("", "names no picture")]
)
def test_a_list_that_names_nothing_here_is_refused(
    labelled: Path,
    tmp_path: Path,
    listed: str,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "list.txt").write_text(listed)
    arguments = ["split", str(labelled), "--pack", "chest", "--work", str(tmp_path / "work")]
    assert main([*arguments, "--test", str(tmp_path / "list.txt")]) == 2
    assert complaint in capsys.readouterr().err

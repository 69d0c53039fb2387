"""The split comes first, by lesion, and nothing crosses it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlservice.packs import load_pack
from training.data import Row, file_hashes, read_folder
from training.errors import LeakError, TrainingError
from training.split import PARTS, Split, guard, make_split, open_split

LABELS = [label.name for label in load_pack("skin").labels]


@pytest.fixture(scope="module")
def rows(drawn: Path) -> list[Row]:
    return read_folder(drawn, LABELS)


@pytest.fixture(scope="module")
def split(rows: list[Row]) -> Split:
    return make_split(rows, seed=7)


def lesions(split: Split, rows: list[Row], part: str) -> set[str]:
    return {row.lesion_id for row in split.rows(rows, part)}


def test_every_picture_is_in_exactly_one_part(split: Split, rows: list[Row]) -> None:
    images = [image for part in PARTS for image in split.parts[part]]
    assert sorted(images) == sorted(row.image_id for row in rows)


def test_a_lesion_stays_together_and_every_class_is_everywhere(
    split: Split, rows: list[Row]
) -> None:
    parts = [lesions(split, rows, part) for part in PARTS]
    assert sum(len(part) for part in parts) == len(set().union(*parts)) == 70
    for part in PARTS:
        assert {row.dx for row in split.rows(rows, part)} == set(LABELS)


def test_the_same_seed_gives_the_same_split_in_any_order(split: Split, rows: list[Row]) -> None:
    assert make_split(rows[::-1], seed=7).hash == split.hash
    assert make_split(rows, seed=8).hash != split.hash


def moved(split: Split, image: str, origin: str, goal: str, *, keep: bool = False) -> Split:
    parts = dict(split.parts)
    if not keep:
        parts[origin] = tuple(name for name in parts[origin] if name != image)
    parts[goal] = (*parts[goal], image)
    return replace(split, parts=parts)


def test_a_planted_lesion_is_caught(split: Split, rows: list[Row]) -> None:
    twice = next(r for r in split.rows(rows, "fit") if r.image_id.endswith("_1"))
    leaky = moved(split, twice.image_id, "fit", "test")
    with pytest.raises(LeakError, match=rf"lesion '{twice.lesion_id}'.*(fit|test)"):
        guard(leaky, rows, file_hashes(rows))


def test_a_planted_picture_in_two_parts_is_caught(split: Split, rows: list[Row]) -> None:
    image = split.parts["fit"][0]
    with pytest.raises(LeakError, match=f"picture '{image}' is in fit and in test"):
        guard(moved(split, image, "fit", "test", keep=True), rows, file_hashes(rows))


def test_a_picture_left_out_is_caught(split: Split, rows: list[Row]) -> None:
    image = split.parts["test"][0]
    parts = dict(split.parts) | {"test": split.parts["test"][1:]}
    with pytest.raises(LeakError, match=f"picture '{image}' is in no part"):
        guard(replace(split, parts=parts), rows, file_hashes(rows))


def test_a_planted_copy_under_another_lesion_is_caught(
    split: Split, rows: list[Row], tmp_path: Path
) -> None:
    """The same bytes, another name, another lesion, on the other side."""
    original = split.rows(rows, "fit")[0]
    victim = split.rows(rows, "test")[0]
    path = Path(shutil.copy(original.path, tmp_path / "copy.png"))
    planted = [replace(r, path=path) if r.image_id == victim.image_id else r for r in rows]
    with pytest.raises(LeakError, match="the same file"):
        guard(split, planted, file_hashes(planted))


def test_copies_are_kept_on_one_side_when_the_split_is_made(few: Path) -> None:
    rows = read_folder(few, LABELS)
    path = rows[0].path
    copies = [replace(r, path=path) if r.dx == "mel" else r for r in rows]
    split = make_split(copies, seed=1)  # would be refused by its own guard otherwise
    parts = {p for p in PARTS for r in split.rows(copies, p) if r.dx == "mel"}
    assert len(parts) == 1


def test_a_split_file_survives_and_an_altered_one_does_not(
    split: Split, rows: list[Row], tmp_path: Path
) -> None:
    path = tmp_path / "split.json"
    split.save(path)
    assert open_split(path, rows).hash == split.hash
    raw = json.loads(path.read_text())
    raw["parts"]["fit"].append(raw["parts"]["test"].pop())
    path.write_text(json.dumps(raw))
    with pytest.raises(TrainingError, match="altered"):
        open_split(path, rows)


def test_a_split_of_other_data_is_refused(split: Split, rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    split.save(path)
    other = [replace(rows[0], dx="df"), *rows[1:]]
    with pytest.raises(TrainingError, match="other data"):
        open_split(path, other)
    with pytest.raises(TrainingError, match="no split file"):
        open_split(tmp_path / "none.json", rows)

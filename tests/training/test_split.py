"""The split comes first, by lesion, and nothing crosses it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from mlservice.packs import load_pack
from training.cli import main
from training.data import Row, file_hashes, read_folder
from training.errors import LeakError, TrainingError
from training.split import (
    PARTS,
    Split,
    _mended,
    check_classes,
    guard,
    guard_also,
    make_split,
    open_split,
)

LABELS = [label.name for label in load_pack("skin").labels]


@pytest.fixture(scope="module")
def rows(drawn: Path) -> list[Row]:
    return read_folder(drawn, LABELS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the search for copies found among the drawings, so that it happens once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def split(rows: list[Row], cache: Path) -> Split:
    return make_split(rows, seed=7, cache=cache)


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


def test_the_same_seed_gives_the_same_split_in_any_order(
    split: Split, rows: list[Row], cache: Path
) -> None:
    assert make_split(rows[::-1], seed=7, cache=cache).hash == split.hash
    assert make_split(rows, seed=8, cache=cache).hash != split.hash


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


def test_nobodys_pictures_are_in_two_parts(split: Split, rows: list[Row], cache: Path) -> None:
    """Two marks of each person: split by mark alone, somebody would be on both sides."""
    theirs = [replace(r, patient_id=f"S{r.dx}{int(r.lesion_id[-1]) // 2}") for r in rows]
    with pytest.raises(LeakError, match=r"patient 'S\w+' are in \w+ and"):
        guard(split, theirs, file_hashes(theirs))
    parted = make_split(theirs, seed=7, cache=cache)
    part_of = {image: part for part, images in parted.parts.items() for image in images}
    places = {(row.patient_id, part_of[row.image_id]) for row in theirs}
    assert len(places) == len({row.patient_id for row in theirs}) == 35


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


def changed(original: Row, path: Path) -> Path:
    """The same photograph: mirrored, smaller, saved again."""
    with Image.open(original.path) as image:
        ImageOps.mirror(image.convert("RGB")).resize((72, 54)).save(path, quality=80)
    return path


def replaced(rows: list[Row], victim: Row, path: Path) -> list[Row]:
    return [replace(row, path=path) if row == victim else row for row in rows]


def test_a_planted_photograph_under_another_lesion_is_caught(
    split: Split, rows: list[Row], tmp_path: Path
) -> None:
    original, victim = split.rows(rows, "fit")[0], split.rows(rows, "test")[0]
    planted = replaced(rows, victim, changed(original, tmp_path / "copy.jpg"))
    with pytest.raises(LeakError, match=r"are the same photograph \(likeness 0\.\d+\)") as caught:
        guard(split, planted, file_hashes(planted))
    assert repr(original.image_id) in str(caught.value)
    assert repr(victim.image_id) in str(caught.value)


@pytest.mark.parametrize("copy", ["same file", "same photograph"])
def test_lesions_that_share_a_picture_end_in_one_part(
    copy: str, split: Split, rows: list[Row], tmp_path: Path
) -> None:
    original = next(r for r in split.rows(rows, "fit") if r.dx == "mel")
    victim = next(r for r in split.rows(rows, "test") if r.dx == "nv")
    path = original.path if copy == "same file" else changed(original, tmp_path / "copy.jpg")
    planted = replaced(rows, victim, path)
    made = make_split(planted, seed=7)  # would be refused by its own guard otherwise
    [part] = [part for part in PARTS if original.image_id in made.parts[part]]
    assert victim.image_id in made.parts[part]


def test_a_stray_pair_moves_nothing_but_itself_and_goes_to_the_earlier_part(
    split: Split, rows: list[Row]
) -> None:
    one, two = split.rows(rows, "fit")[0], split.rows(rows, "test")[0]
    mended = _mended(dict(split.parts), [[two, one]])
    assert set(mended["fit"]) == {*split.parts["fit"], two.image_id}
    assert set(mended["test"]) == {*split.parts["test"]} - {two.image_id}
    assert mended["validation"] == split.parts["validation"]


def test_a_table_that_lists_a_picture_twice_was_oversampled(few: Path) -> None:
    rows = read_folder(few, LABELS)
    with pytest.raises(LeakError, match=r"'mel_0_0' is listed more than once: split first"):
        make_split([*rows, next(r for r in rows if r.image_id == "mel_0_0")], seed=7)


def test_a_folder_of_copies_was_oversampled(few: Path) -> None:
    rows = read_folder(few, LABELS)
    original = next(row for row in rows if row.dx == "df")
    copy = Path(shutil.copy(original.path, few / "images" / "df_copy.png"))
    rows.append(replace(original, image_id="df_copy", path=copy))
    with pytest.raises(LeakError, match=r"class 'df'.*'df_0_0' and 'df_copy'.*split first"):
        make_split(rows, seed=7)


def test_oversampling_before_the_split_is_refused(
    few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["split", str(few), "--work", str(few / "work"), "--oversample"]) == 2
    assert "split first; oversampling happens inside `fit`" in capsys.readouterr().err
    assert not (few / "work").exists()


def test_a_lesion_with_two_classes_is_named(few: Path) -> None:
    rows = read_folder(few, LABELS)
    wrong = [replace(r, dx="nv") if r.image_id == "mel_1_1" else r for r in rows]
    with pytest.raises(TrainingError, match=r"'L_mel_1' has two classes: 'mel' .*'nv'"):
        make_split(wrong, seed=7)


def test_an_empty_class_and_one_too_small_are_named(split: Split, rows: list[Row]) -> None:
    check_classes(split, rows, LABELS)
    without = [row for row in rows if row.dx != "df"]
    with pytest.raises(TrainingError, match=r"class 'df' has no picture.*--absent df"):
        check_classes(split, without, LABELS)
    check_classes(split, without, LABELS, absent=["df"])
    few = [row for row in rows if row.dx != "df" or row.image_id in split.parts["fit"]]
    with pytest.raises(TrainingError, match=r"'df' has \d lesion\(s\), too few.*'validation'"):
        check_classes(split, few, LABELS)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("image", "same image_id"),
        ("lesion", "same lesion_id"),
        ("file", "same file"),
        ("photograph", "same photograph"),
    ],
)
def test_a_second_folder_must_not_show_a_held_part(
    what: str, sentence: str, split: Split, rows: list[Row], tmp_path: Path
) -> None:
    """What is in the fitting part may come again; what judges may not, under any name."""
    fitted, held = split.rows(rows, "fit")[0], split.rows(rows, "calibration")[0]
    own = Row("other", "nv", "L_other", changed(fitted, tmp_path / "fitted.jpg"))
    guard_also(split, rows, [own])
    leaks = {
        "image": replace(own, image_id=held.image_id),
        "lesion": replace(own, lesion_id=held.lesion_id),
        "file": replace(own, path=held.path),
        "photograph": replace(own, path=changed(held, tmp_path / "held.jpg")),
    }
    with pytest.raises(LeakError, match=rf"second folder.*\(calibration\).*{sentence}"):
        guard_also(split, rows, [leaks[what]])


def test_a_split_file_survives_and_an_altered_one_does_not(
    split: Split, rows: list[Row], tmp_path: Path, cache: Path
) -> None:
    path = tmp_path / "split.json"
    split.save(path)
    assert open_split(path, rows, cache).hash == split.hash
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

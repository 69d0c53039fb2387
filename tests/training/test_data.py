"""Bad input stops the command with the name of what is wrong; nothing is dropped silently."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mlservice.packs import load_pack
from training.augment import WHOLE, augment
from training.cli import main
from training.data import read_folder, read_table
from training.errors import TrainingError
from training.fit import drawing_shares
from training.pictures import cached_pictures, prepare_rows

LABELS = [label.name for label in load_pack("skin").labels]


def spoil(folder: Path, old: str, new: str) -> Path:
    table = folder / "metadata.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new, 1))
    return folder


def test_a_folder_is_read_whole(few: Path) -> None:
    rows = read_folder(few, LABELS)
    assert len(rows) == 21
    assert rows[0].age == 50
    assert {row.path.suffix for row in rows} == {".png"}


def test_optional_columns_may_be_missing(few: Path) -> None:
    table = few / "short.csv"
    table.write_text("image_id,dx\nmel_0_0,mel\n")
    [row] = read_table(table, few, LABELS)
    assert row.lesion_id == "mel_0_0"
    assert row.age is None


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("mel_0_0", "mel_9_9", r"picture 'mel_9_9' \(line 2"),
        (",mel,", ",wart,", r"class 'wart' \(line 2"),
        (",50.0,", ",old,", r"age 'old' \(line 2"),
        (",mel,", ",,", r"blank dx of the picture 'mel_0_0' \(line 2"),
        (",50.0,", ",500,", r"age '500' \(line 2 .* is not between 0 and 120"),
        (",50.0,", ",inf,", r"age 'inf' \(line 2"),
        (",50.0,", ",50.0,,", r"8 cells for 7 columns \(line 2"),
        (",50.0,", ",", r"6 cells for 7 columns \(line 2"),
        ("mel_0_0", "mel_1_0", r"'mel_1_0' is listed twice .*lines 2 and 3.*split first"),
        ("image_id", "picture", "no column 'image_id'; it has lesion_id, picture"),
        (",sex", ",age", "column 'age' twice"),
    ],
)
def test_what_is_wrong_is_named(few: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        read_folder(spoil(few, old, new), LABELS)


@pytest.mark.parametrize(
    ("text", "age"), [("45.0", 45), ("", None), ("unknown", None), ("nan", None), (" 7 ", 7)]
)
def test_an_age_may_be_unknown(few: Path, text: str, age: float | None) -> None:
    rows = read_folder(spoil(few, ",50.0,", f",{text},"), LABELS)
    assert next(row for row in rows if row.image_id == "mel_0_0").age == age


def test_a_table_may_come_from_a_spreadsheet(few: Path) -> None:
    """A byte order mark, semicolons, blank lines, file names with their suffix."""
    table = few / "metadata.csv"
    plain = read_folder(few, LABELS)
    text = re.sub(r",(\w+_\d_\d),", r",\1.png,", table.read_text())
    text = text.replace(",", ";").replace("\n", "\n\n")
    table.write_text(text, encoding="utf-8-sig")
    assert read_folder(few, LABELS) == plain


def test_a_table_in_another_encoding_is_named(few: Path) -> None:
    table = few / "metadata.csv"
    table.write_bytes(table.read_bytes() + "é".encode("latin-1"))
    with pytest.raises(TrainingError, match=r"metadata\.csv' is not a csv in UTF-8"):
        read_folder(few, LABELS)


def test_pictures_without_a_row_are_counted(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read_folder(few, LABELS)
    assert capsys.readouterr().err == ""
    table = few / "metadata.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-2]))
    assert len(read_folder(few, LABELS)) == 19
    assert "note: 2 of 21 pictures have no row in 'metadata.csv'" in capsys.readouterr().err


def test_a_part_that_stays_closed_need_not_exist(few: Path) -> None:
    (few / "images" / "mel_0_0.png").unlink()
    rows = read_folder(few, LABELS, without={"mel_0_0"})
    assert "mel_0_0" not in {row.image_id for row in rows}
    assert len(rows) == 20


def test_two_pictures_of_one_name_are_named(few: Path) -> None:
    (few / "images" / "mel_0_0.jpg").write_bytes(b"x")
    with pytest.raises(TrainingError, match=r"'mel_0_0': .*mel_0_0\.jpg and .*mel_0_0\.png"):
        read_folder(few, LABELS)


def test_an_empty_picture_is_named(few: Path) -> None:
    (few / "images" / "mel_0_0.png").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"'mel_0_0\.png' \(line 2 .* is an empty file"):
        read_folder(few, LABELS)


def test_a_wrong_column_is_named(few: Path) -> None:
    table = spoil(few, ",dx,", ",diagnosis,") / "metadata.csv"
    with pytest.raises(
        TrainingError, match="no column 'dx'; it has lesion_id, image_id, diagnosis"
    ):
        read_table(table, few, LABELS)


def test_missing_files_and_folders_are_named(few: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere"):
        read_folder(few / "nowhere", LABELS)
    with pytest.raises(TrainingError, match=r"none\.csv"):
        read_table(few / "none.csv", few, LABELS)
    (few / "metadata.csv").write_text("image_id,dx\n")
    with pytest.raises(TrainingError, match="no rows"):
        read_folder(few, LABELS)


def test_an_unreadable_picture_is_named(few: Path) -> None:
    (few / "images" / "mel_0_0.png").write_bytes(b"not a picture")
    with pytest.raises(TrainingError, match="mel_0_0"):
        prepare_rows(read_folder(few, LABELS), 32)


def test_an_empty_class_is_named() -> None:
    with pytest.raises(TrainingError, match="class 'bcc' has no picture"):
        drawing_shares(np.array([0, 0, 2]), ["mel", "bcc", "nv"], 0.5)


def test_rare_classes_are_drawn_more_often_but_not_most() -> None:
    shares = drawing_shares(np.array([0] * 90 + [1] * 10), ["nv", "mel"], 0.5)
    assert shares.sum() == pytest.approx(1)
    assert shares[1] == pytest.approx(0.25)


def test_prepared_pictures_are_prepared_once(few: Path, tmp_path: Path) -> None:
    rows = read_folder(few, LABELS)
    first = cached_pictures(rows, 32, "a" * 64, tmp_path)
    [file] = tmp_path.glob("*.npy")
    made = file.stat().st_mtime_ns
    again = cached_pictures(rows[::-1], 32, "a" * 64, tmp_path)
    assert file.stat().st_mtime_ns == made
    assert np.array_equal(first, again)
    cached_pictures(rows, 32, "b" * 64, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_a_view_is_another_picture_of_the_same_kind() -> None:
    picture = np.full((64, 64, 3), (200, 150, 120), np.uint8)
    picture[24:40, 24:40] = (80, 40, 30)
    rng = np.random.default_rng(3)
    views = [augment(picture, rng, 56) for _ in range(20)]
    for view in views:
        assert view.shape == (56, 56, 3)
        assert 0.02 < (view[..., 0] < 140).mean() < 0.25  # the mark is still there, no black corner
    assert not np.array_equal(views[0], views[1])
    assert np.array_equal(
        augment(picture, np.random.default_rng(1), 56),
        augment(picture, np.random.default_rng(1), 56),
    )


def test_a_whole_view_shows_a_mark_as_large_as_it_is() -> None:
    picture = np.full((64, 64, 3), 200, np.uint8)
    picture[20:44, 20:44] = 60
    rng = np.random.default_rng(5)
    shares = [(augment(picture, rng, 128, WHOLE) < 140).mean() for _ in range(10)]
    np.testing.assert_allclose(shares, (24 / 64) ** 2, rtol=0.1)


def test_the_command_says_it_in_one_line(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["split", str(few / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("error: There is no folder")
    assert main(["fit", str(few), "--work", str(few / "work")]) == 2
    assert "make it with `python -m training split`" in capsys.readouterr().err
    assert main(["split", str(few), "--pack", "hair"]) == 2
    assert "'hair'" in capsys.readouterr().err
    bare = ["--images", str(few), "--labels", str(few / "metadata.csv")]
    assert main(["evaluate", str(few), *bare]) == 2
    assert "manifest.json" in capsys.readouterr().err

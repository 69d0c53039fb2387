"""What ``explore`` counts, says and draws; every expected number here was counted by hand."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mlservice.packs import load_pack
from training.cli import main
from training.data import Row, read_folder
from training.errors import TrainingError
from training.explore import Exploration, explore, measure_files, page, write
from training.explore.shapes import ClassCount, Group
from training.explore.words import share
from training.labels import pack_labels

HEADER = ("image_id", "dx", "lesion_id", "age", "sex", "localization")
# Seven pictures of five lesions; p7 is p6's file again, under another class.
TABLE = (
    ("p1", "nv", "L1", "40", "male", "back"),
    ("p2", "nv", "L1", "40", "male", "back"),
    ("p3", "nv", "L1", "40", "male", "back"),
    ("p4", "nv", "L2", "10", "female", "foot"),
    ("p5", "mel", "L3", "70", "female", "back"),
    ("p6", "mel", "", "", "unknown", "unknown"),
    ("p7", "df", "L4", "60", "", "back"),
)
MakeFolder = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> MakeFolder:
    """A folder of small plain pictures, each of its own colour, and a table of them."""

    def build(
        table: tuple[tuple[str, ...], ...] = TABLE,
        header: tuple[str, ...] = HEADER,
        sizes: tuple[tuple[int, int], ...] = ((30, 20), (40, 30)),
    ) -> Path:
        folder = tmp_path / "folder"
        folder.mkdir()
        with (folder / "table.csv").open("w", newline="", encoding="utf-8") as opened:
            csv.writer(opened).writerows([header, *table])
        for number, row in enumerate(table):
            picture = Image.new("RGB", sizes[number % len(sizes)], (20 * number, 90, 120))
            picture.save(folder / f"{row[0]}.png")
        return folder

    return build


def rows_of(folder: Path) -> list[Row]:
    return read_folder(folder, pack_labels("skin")[0])


def explored(folder: Path) -> Exploration:
    rows = rows_of(folder)
    return explore(rows, load_pack("skin"), folder.name, measure_files(rows))


@pytest.fixture
def counted(make: MakeFolder) -> Exploration:
    folder = make()
    shutil.copy(folder / "p6.png", folder / "p7.png")
    return explored(folder)


def by_name(things: tuple[Any, ...], name: str) -> Any:
    return next(thing for thing in things if thing.name == name)


class Reader(HTMLParser):
    """The words, the tables (caption -> rows of cells) and the tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.words: list[str] = []
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "caption":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"th", "td"}:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        self.words.append(data if inside != "style" else "")
        if inside == "caption":
            self.tables[data] = self._rows
        elif inside in {"th", "td"}:
            self._rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(self.words).replace("\u00a0", " ")


# --- Counting ------------------------------------------------------------------------------------


def test_classes_are_counted_by_picture_and_by_lesion(counted: Exploration) -> None:
    nv = by_name(counted.classes, "nv")
    assert nv == ClassCount("nv", nv.title, False, 4, 2, 4 / 7, 1.0)
    mel = by_name(counted.classes, "mel")
    assert mel == ClassCount("mel", "Melanoma", True, 2, 2, 2 / 7, 2.0)
    assert by_name(counted.classes, "vasc").times_rarer is None
    assert [of.name for of in counted.classes] == list(pack_labels("skin")[0])
    assert counted.imbalance.largest == "nv"
    assert counted.imbalance.smallest == "df"
    assert counted.imbalance.ratio == 4.0
    assert counted.imbalance.absent == ("bcc", "akiec", "bkl", "vasc")
    assert (counted.harmful.pictures, counted.harmful.lesions) == (2, 2)
    assert counted.harmful.share == 2 / 7


def test_lesions_are_counted_by_how_many_pictures_they_have(counted: Exploration) -> None:
    of = counted.lesions
    assert [(pile.pictures, pile.lesions) for pile in of.per_lesion] == [(1, 4), (3, 1)]
    assert (of.count, of.several, of.pictures_of_several, of.most) == (5, 1, 3, 3)
    assert of.several_classes == ()


def test_a_lesion_with_two_classes_is_named(make: MakeFolder) -> None:
    folder = make((("a", "nv", "L9"), ("b", "mel", "L9"), ("c", "nv", "L8")), HEADER[:3])
    found = explored(folder)
    assert found.lesions.several_classes == ("L9",)
    assert "With more than one class: 1 lesion, first L9." in Reader(page(found)).text


def test_sexes_and_sites_are_counted_with_what_is_not_recorded(counted: Exploration) -> None:
    assert (counted.sex.recorded, counted.sex.not_recorded) == (5, 2)
    assert counted.sex.groups == (
        Group("male", 3, 1, 0, 3 / 7, {}, 0),
        Group("female", 2, 2, 1, 2 / 7, {}, 0),
    )
    assert (counted.localization.recorded, counted.localization.not_recorded) == (6, 1)
    assert counted.localization.groups == (
        Group("back", 5, 3, 1, 5 / 7, {"female": 1, "male": 3}, 1),
        Group("foot", 1, 1, 0, 1 / 7, {"female": 1}, 0),
    )


def test_ages_are_binned_and_summarised(counted: Exploration) -> None:
    age = counted.age
    assert (age.recorded, age.not_recorded, age.step) == (6, 1, 10)
    assert age.quartiles is not None
    assert (age.quartiles.minimum, age.quartiles.median, age.quartiles.maximum) == (10, 40, 70)
    assert (age.quartiles.lower, age.quartiles.upper) == (40, 55)
    full = {(b.start, b.end): (b.pictures, b.harmful) for b in age.bins if b.pictures}
    assert full == {(10, 15): (1, 0), (40, 45): (3, 0), (60, 65): (1, 0), (70, 75): (1, 1)}
    assert len(age.bins) == 13
    assert (age.median_harmful, age.median_harmless) == (70, 40)
    assert by_name(age.by_class, "mel").recorded == 1
    assert by_name(age.by_class, "vasc").quartiles is None


def test_gaps_are_counted_by_column_and_class(counted: Exploration) -> None:
    gaps = {gap.column: (gap.pictures, gap.by_class["mel"]) for gap in counted.missing}
    assert gaps == {"age": (1, 1), "sex": (2, 1), "localization": (1, 1), "lesion_id": (1, 1)}
    assert counted.missing_in("sex").share == 2 / 7


@pytest.mark.parametrize("written", ["", " ", "unknown", "Unknown", "NaN", "N/A"])
def test_what_says_nothing_is_not_recorded(make: MakeFolder, written: str) -> None:
    found = explored(make((("a", "nv", "L1", "", written, written),)))
    assert (found.sex.not_recorded, found.localization.not_recorded) == (1, 1)


def test_an_age_of_nan_is_not_recorded(make: MakeFolder) -> None:
    found = explored(make((("a", "nv", "L1", "nan"),), HEADER[:4]))
    assert (found.age.not_recorded, found.age.bins) == (1, ())


def test_files_are_measured_and_copies_found(counted: Exploration) -> None:
    files = counted.files
    assert files is not None
    assert (files.files, files.formats) == (7, {"PNG": 7})
    assert (files.width.minimum, files.width.median, files.width.maximum) == (30, 40, 40)
    assert (files.height.minimum, files.height.maximum) == (20, 30)
    assert [(s.width, s.height, s.pictures) for s in files.sizes] == [(40, 30, 4), (30, 20, 3)]
    assert (files.copies.groups, files.copies.pictures, files.copies.surplus) == (1, 2, 1)
    assert (files.copies.across_lesions, files.copies.across_classes) == (1, 1)
    assert files.copies.examples == (("p6", "p7"),)


def test_how_a_diagnosis_was_confirmed_appears_nowhere(drawn: Path) -> None:
    found = explored(drawn)
    assert "histo" in (drawn / "metadata.csv").read_text()
    assert not re.search("histo|dx_type", page(found) + json.dumps(found.as_dict()))


# --- The page ------------------------------------------------------------------------------------


def test_the_page_fetches_and_runs_nothing(counted: Exploration) -> None:
    shown = page(counted)
    for tag, attributes in Reader(shown).tags:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "image", "use"}
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    assert not re.search(r"url\(|@import", shown)
    assert "default-src 'none'" in shown


def test_every_plot_has_a_name_a_description_and_a_table(counted: Exploration) -> None:
    reader = Reader(page(counted))
    identities = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    plots = [attributes for tag, attributes in reader.tags if tag == "svg"]
    assert len(plots) == 8
    for plot in plots:
        assert plot["role"] == "img"
        assert set((plot["aria-labelledby"] or "").split()) <= set(identities)
    assert len(reader.tables) == len(plots)


def test_the_page_and_the_json_say_the_same(counted: Exploration, tmp_path: Path) -> None:
    shown, numbers = write(counted, tmp_path / "out")
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert found == json.loads(json.dumps(counted.as_dict()))
    tables = Reader(shown.read_text(encoding="utf-8")).tables
    rows = {row[0]: row for row in tables["Pictures and lesions of each class"][1:]}
    assert {name: (row[3], row[5]) for name, row in rows.items()} == {
        of["name"]: (str(of["pictures"]), str(of["lesions"])) for of in found["classes"]
    }
    ages = [int(row[1]) for row in tables["Pictures by age in years"][1:]]
    assert ages == [of["pictures"] for of in found["age"]["bins"]] + [1]
    sites = {row[0]: row[1:] for row in tables["Pictures of each body site, by sex"][1:]}
    assert sites["back"] == ["5", share(5 / 7), "3", "1", "3", "1", "1"]
    assert sites["not recorded"][0] == str(found["localization"]["not_recorded"])


def test_the_sentences_are_said_from_the_numbers(counted: Exploration) -> None:
    text = Reader(page(counted)).text
    assert "57 % of the pictures are Melanocytic naevus (nv)" in text
    assert "the largest is 4 times as large" in text
    assert "right 57 % of the time and finds none of the harmful pictures (2)" in text
    assert "The middle half of the pictures shows people aged 40 to 55 (median 40)" in text
    assert "2 files are byte-for-byte copies, in 1 group, first p6 and p7" in text
    assert "In 1 group the copies carry different classes" in text


def test_the_same_folder_gives_the_same_bytes(counted: Exploration, tmp_path: Path) -> None:
    first, second = write(counted, tmp_path / "a"), write(counted, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_hostile_words_stay_words(make: MakeFolder) -> None:
    nasty = "<script>alert(1)</script>"
    sly = "\"><img src=x onerror=alert(1)> & '$style'"
    folder = make((("a", "mel", "L1", "5", nasty, sly), ("b", "nv", "L2", "5", "f", "x")))
    skin = load_pack("skin")
    renamed = replace(skin.label("mel"), name="<b>&", title="</title><script>")
    pack = replace(skin, title="<i>", labels=(renamed, skin.label("nv")))
    rows = [replace(row, dx={"mel": "<b>&"}.get(row.dx, row.dx)) for row in rows_of(folder)]
    shown = page(explore(rows, pack, "</title><script>", measure_files(rows)))
    assert not {"script", "img", "b", "i"} & {tag for tag, _ in Reader(shown).tags}
    assert not any("onerror" in attributes for _, attributes in Reader(shown).tags)
    assert nasty in Reader(shown).text
    assert sly in Reader(shown).text


def test_a_share_is_never_rounded_to_nothing_or_to_everything() -> None:
    assert [share(value).replace("\u00a0", " ") for value in (0, 0.0004, 0.0057, 0.195, 1)] == [
        "0 %",
        "under 0.1 %",
        "0.6 %",
        "20 %",
        "100 %",
    ]
    assert share(0.9996).replace("\u00a0", " ") == "over 99.9 %"


# --- Thin folders --------------------------------------------------------------------------------


def test_where_nothing_is_recorded_the_section_says_so_and_draws_nothing(make: MakeFolder) -> None:
    found = explored(make((("a", "nv"), ("b", "mel")), HEADER[:2]))
    reader = Reader(page(found))
    assert reader.text.count("Not recorded: no picture of this folder says.") == 4
    plots = {a.get("aria-labelledby", "") for tag, a in reader.tags if tag == "svg"}
    assert {(name or "").split("-title")[0] for name in plots} == {"classes", "missing", "pictures"}
    assert (found.age.quartiles, found.age.bins) == (None, ())
    assert found.missing_in("lesion_id").pictures == 2


@pytest.mark.parametrize("dx", ["nv", "mel"])
def test_one_picture_is_enough_for_a_page(make: MakeFolder, dx: str) -> None:
    found = explored(make((("a", dx, "L1", "50", "male", "back"),)))
    text = Reader(page(found)).text
    assert "With one class there is nothing to tell apart" in text
    assert found.imbalance.ratio == 1.0
    assert "Every picture is 30 × 20 pixels (PNG)." in text


def test_classes_of_one_size_are_said_to_be_so(make: MakeFolder) -> None:
    found = explored(make((("a", "nv"), ("b", "mel")), HEADER[:2]))
    text = Reader(page(found)).text
    assert {found.imbalance.largest, found.imbalance.smallest} == {"nv", "mel"}
    assert found.imbalance.ratio == 1.0
    assert "Every class that is there has 1 picture." in text
    assert text.count("no pictures") == 5, "the five classes that are absent, once each"


def test_counting_needs_no_pictures_on_the_disk() -> None:
    rows = [Row("a", "nv", "L1", Path("nowhere/a.png")), Row("b", "df", "L2", Path("nowhere/b"))]
    found = explore(rows, load_pack("skin"))
    assert (found.pictures, found.files) == (2, None)
    assert "The picture files were not looked at." in Reader(page(found)).text


def test_many_sites_and_sexes_are_all_in_the_table(make: MakeFolder) -> None:
    table = tuple((f"p{n}", "nv", f"L{n}", "", f"sex{n % 6}", f"site{n}") for n in range(30))
    found = explored(make(table))
    reader = Reader(page(found))
    assert len(reader.tables["Pictures of each body site, by sex"]) == 1 + 30 + 1
    assert "and 10 sites more, in the table" in reader.text
    assert "1 other" in reader.text


def test_a_long_word_is_cut_in_the_plot_and_whole_in_the_table(make: MakeFolder) -> None:
    site = "a-place-" * 12 + "end"
    reader = Reader(page(explored(make((("a", "nv", "L1", "5", "male", site),)))))
    label = next(word for word in reader.words if word.startswith("a-place-") and "…" in word)
    assert len(label) + len("1 (100 %)") == 44
    assert site in {row[0] for row in reader.tables["Pictures of each body site, by sex"]}


# --- The command ---------------------------------------------------------------------------------


def test_the_command_writes_both_files_and_prints_where(
    make: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", str(make()), "--out", str(tmp_path / "out")]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.split()]
    assert printed == [tmp_path / "out" / "explore.html", tmp_path / "out" / "explore.json"]
    assert json.loads(printed[1].read_text())["data"] == "folder"


@dataclass(frozen=True)
class Fault:
    spoil: Callable[[Path], object]
    said: str


FAULTS = {
    "no table": Fault(lambda folder: (folder / "table.csv").rename(folder / "t.txt"), "one csv"),
    "no pictures": Fault(
        lambda folder: [p.rename(f"{p}.bak") for p in folder.glob("*.png")], "'p1'"
    ),
    "no picture inside": Fault(lambda folder: (folder / "p3.png").write_text("no"), "p3.png"),
    "a stranger": Fault(
        lambda folder: (folder / "table.csv").write_text("image_id,dx\np1,wart\n"), "wart"
    ),
    "no rows": Fault(
        lambda folder: (folder / "table.csv").write_text("image_id,dx\n"), "table.csv"
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named_and_nothing_is_written(
    make: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: Fault
) -> None:
    folder = make()
    fault.spoil(folder)
    assert main(["explore", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert fault.said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_pack_and_a_file_in_the_way_are_named(
    make: MakeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make()
    assert main(["explore", str(folder), "--pack", "nails"]) == 2
    assert "'nails'" in capsys.readouterr().err
    (tmp_path / "out").write_text("in the way")
    assert main(["explore", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "Nothing can be written" in capsys.readouterr().err


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(TrainingError, match="no pictures"):
        explore([], load_pack("skin"))


# --- The real folder -----------------------------------------------------------------------------


def test_ham10000_has_the_published_numbers(real_data: Path) -> None:
    found = explored(real_data / "ham10000")
    assert {of.name: of.pictures for of in found.classes} == {
        "akiec": 327,
        "bcc": 514,
        "bkl": 1099,
        "df": 115,
        "mel": 1113,
        "nv": 6705,
        "vasc": 142,
    }
    assert (found.pictures, found.lesions.count, found.lesions.several) == (10015, 7470, 1956)
    assert (found.sex.not_recorded, found.age.not_recorded) == (57, 57)
    assert (found.imbalance.smallest, round(found.imbalance.ratio)) == ("df", 58)
    assert {of.name: of.pictures for of in found.sex.groups} == {"male": 5406, "female": 4552}
    assert found.files is not None
    assert (found.files.width.minimum, found.files.width.maximum) == (384, 384)
    assert "the largest is 58 times as large" in Reader(page(found)).text

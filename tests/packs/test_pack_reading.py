"""A pack with a fault does not load, and the message names the file and the key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlservice.packs import PackError, available_packs, load_pack, read_pack
from mlservice.packs.read import FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the skin pack to break."""
    copy = tmp_path / "skin"
    copy.mkdir()
    for file in (FOLDER / "skin").glob("*.toml"):
        shutil.copy(file, copy)
    shutil.copytree(FOLDER / "skin" / "drawings", copy / "drawings")
    return copy


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} no longer holds {old!r}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_packs_load_and_an_untouched_copy_reads_the_same(folder: Path) -> None:
    assert "skin" in available_packs()
    assert read_pack(folder) == load_pack("skin")


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("pack.toml", 'title = "Skin"\n', "", "pack.toml: title: is missing"),
        ("pack.toml", 'title = "Skin"', 'titel = "Skin"', "pack.toml: title: is missing"),
        ("pack.toml", 'title = "Skin"', 'title = ""', "title: is empty"),
        ("pack.toml", 'title = "Skin"', "title = 7", "title: must be a text"),
        ("pack.toml", 'title = "Skin"', 'title = "Skin"\nmood = "x"', "mood: is not a known key"),
        ("pack.toml", 'title = "Skin"', "title = ", "pack.toml: not readable as TOML"),
        ("pack.toml", 'kind = "harmful"', 'kind = "bad"', r"labels\[mel\].kind: 'bad' is unknown"),
        ("pack.toml", 'name = "bcc"', 'name = "mel"', "two entries have the name 'mel'"),
        ("pack.toml", 'key = "2"', 'key = "1"', "labels: two entries have the key '1'"),
        ("pack.toml", 'name = "hand"', 'name = "face"', "sites: two entries have the name 'face'"),
        ("pack.toml", 'name = "ear"', 'name = "The ear"', "'The ear' is not a name"),
        ("pack.toml", "scored = true", 'scored = "yes"', "scored: must be true or false"),
        ("pack.toml", "diameter = {", "width = {", "points.weights.width: is not a question"),
        ("pack.toml", "oozes = 1", "drips = 1", "weights.bleeding: cannot be answered 'drips'"),
        ("pack.toml", "{ yes = 2 }", "{ yes = 0 }", "change_size.yes: must be a whole number"),
        ("pack.toml", "{ yes = 2 }", "{ yes = true }", "change_size.yes: must be a whole number"),
        ("pack.toml", '["bleeds"]', '["gushes"]', r"urgency\[bleeding_and_growing\].*'gushes'"),
        ("pack.toml", "skin_type = [", "tan = [", r"urgency\[skin_type_v_vi\].when.tan: is not"),
        ("pack.toml", 'tier = "red"', 'tier = "green"', "tier: 'green' is unknown"),
        ("pack.toml", 'code = "skin_type_v_vi"', 'code = "unstable"', "unstable: is given twice"),
        ("questions.toml", 'kind = "choice"', 'kind = "guess"', "questions.toml: .*'guess'"),
        (
            "questions.toml",
            'kind = "text"',
            'kind = "choice"',
            r"questions\[note\].choices: belong",
        ),
        (
            "questions.toml",
            'kind = "text"',
            'kind = "text"\nsubgroup = true',
            r"questions\[note\].subgroup: belongs",
        ),
        ("questions.toml", '"under_year"', '"under_month"', "two entries have the value 'un"),
        ("questions.toml", 'why = "Melanoma can', 'wy = "Melanoma can', "why: is missing"),
        ("words.toml", "[outcomes.red]", "[outcomes.blue]", "words.toml: outcomes.red: is missing"),
        ("words.toml", "by {due}, what", "by {when}, what", "waiting.body: may not hold {when}"),
        ("words.toml", "by {due}, what", "by {label}, what", "waiting.body: may not hold {label}"),
        ("words.toml", "by {due}, what", "by {due, what", "waiting.body: "),
        ("words.toml", "unstable = ", "wobbly = ", "words.toml: reasons.unstable: is missing"),
        ("words.toml", "[reasons]", '[reasons]\nmood = "x"', "reasons.mood: is not a known key"),
        ("answers.toml", 'label = "nv"', 'label = "wart"', "answers.toml: .*label: 'wart' is not"),
        ("answers.toml", "recheck_days = 90", "recheck_days = -1", "recheck_days: must be a whole"),
        ("conditions.toml", 'name = "df"', 'name = "wart"', r"conditions\[wart\].name: 'wart' is"),
        ("conditions.toml", 'name = "df"', 'name = "nv"', "two entries have the name 'nv'"),
        ("conditions.toml", 'name = "looks"', 'name = "seen"', r"sections: has none named 'looks'"),
        ("conditions.toml", "https://", "http://", r"sources\[1\].url: 'http:.* is not an https"),
        ("conditions.toml", "opened = 2026-11-26", "", r"sources\[1\].opened: is missing"),
        ("conditions.toml", "= 2026-11-26", '= "today"', "opened: must be a date"),
        ("conditions.toml", "= 2026-11-26", "= 2026-11-26T10:00:00", "a date without a time"),
        ("conditions.toml", 'drawing = "mel"', 'drawing = "mal"', "no skin/drawings/mal.svg"),
        (
            "conditions.toml",
            'drawing = "mel"',
            'drawing = "mel"\nreviewed_by = "Dr A"',
            "reviewed_on",
        ),
        (
            "conditions.toml",
            'mentions = ["melanoma"]',
            "",
            r"conditions\[mel\].mentions: is missing",
        ),
        ("lesson.toml", "right = true", "right = false", "replies: must hold exactly one"),
        ("lesson.toml", 'sign = "bleeding"', 'sign = "age"', "sign: 'age' is not in the checklist"),
        ("lesson.toml", 'name = "border"', 'name = "colour"', "steps: two entries have the name"),
    ],
)
def test_a_fault_is_named(folder: Path, file: str, old: str, new: str, complaint: str) -> None:
    edit(folder / file, old, new)
    with pytest.raises(PackError, match=complaint):
        read_pack(folder)


def test_a_label_without_a_page_is_a_fault(folder: Path) -> None:
    text = (folder / "conditions.toml").read_text(encoding="utf-8")
    first, *pages = text.split("[[conditions]]\n")
    for gone in ("df", "no_disease"):
        left = [page for page in pages if not page.startswith(f'name = "{gone}"')]
        assert len(left) == len(pages) - 1
        pages_left = "[[conditions]]\n".join([first, *left])
        (folder / "conditions.toml").write_text(pages_left, encoding="utf-8")
        with pytest.raises(PackError, match=f"conditions: has no page for '{gone}'"):
            read_pack(folder)


def test_a_pack_may_come_without_a_lesson(folder: Path) -> None:
    (folder / "lesson.toml").unlink()
    assert read_pack(folder).lesson is None


def test_a_review_stands_with_its_name_and_day(folder: Path) -> None:
    drawing = 'drawing = "mel"'
    review = 'reviewed_by = "Dr A"\nreviewed_on = 2026-12-01'
    edit(folder / "conditions.toml", drawing, f"{drawing}\n{review}")
    reviewed = read_pack(folder).condition("mel").reviewed
    assert reviewed is not None
    assert (reviewed.by, reviewed.on.isoformat()) == ("Dr A", "2026-12-01")


@pytest.mark.parametrize(
    "bad",
    [
        "<script>alert(1)</script>",
        '<path onload="x()"/>',
        '<path style="fill:red"/>',
        '<image href="https://example.org/x.png"/>',
        "<!-- a comment -->",
        '<path d="M0 0"',
        "words",
    ],
)
def test_a_drawing_holds_nothing_but_shapes(folder: Path, bad: str) -> None:
    edit(folder / "drawings" / "mel.svg", "</svg>", f"{bad}</svg>")
    with pytest.raises(PackError, match=r"conditions\[mel\].drawing: mel.svg may not hold"):
        read_pack(folder)


def test_the_same_key_in_two_files_is_a_fault(folder: Path) -> None:
    (folder / "more.toml").write_text('title = "Skin, again"\n', encoding="utf-8")
    with pytest.raises(PackError, match=r"pack.toml: title: stands in skin/more.toml too"):
        read_pack(folder)


def test_a_pack_in_which_nothing_is_harmful_or_scored_is_a_fault(folder: Path) -> None:
    text = (folder / "pack.toml").read_text(encoding="utf-8")
    (folder / "pack.toml").write_text(text.replace('"harmful"', '"harmless"'), encoding="utf-8")
    with pytest.raises(PackError, match="no harmful label"):
        read_pack(folder)
    (folder / "pack.toml").write_text(text.replace("= true", "= false"), encoding="utf-8")
    with pytest.raises(PackError, match="photo_kinds: has none that is scored"):
        read_pack(folder)


@pytest.mark.parametrize("name", ["lungs", "../packs/skin", ""])
def test_a_pack_that_is_not_there_is_said_to_be_missing(name: str) -> None:
    with pytest.raises(PackError, match="There is no pack"):
        load_pack(name)


def test_a_folder_without_a_pack_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"pack.toml: the file is missing"):
        read_pack(tmp_path)


def test_asking_for_what_a_pack_does_not_know_is_a_pack_error() -> None:
    skin = load_pack("skin")
    for look_up in (skin.label, skin.site, skin.photo_kind, skin.question, skin.condition):
        with pytest.raises(PackError, match="'wart'"):
            look_up("wart")
    with pytest.raises(PackError, match="'perhaps'"):
        skin.question("bleeding").choice("perhaps")
    assert skin.label("mel").title == "Melanoma"
    assert skin.question("bleeding").choice("oozes").text.startswith("It oozes")

"""A pack's texts in another language: all of them, nothing else, and the same places left open."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlservice.packs import Pack, PackError, languages_of, load_pack, read_pack
from mlservice.packs.read import FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the skin pack to break."""
    return Path(shutil.copytree(FOLDER / "skin", tmp_path / "skin"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} no longer holds {old!r}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_translation_is_whole(folder: Path) -> None:
    assert languages_of("skin") == ["es"]
    assert read_pack(folder, "es") == load_pack("skin", "es")


@pytest.mark.parametrize(
    ("asked", "title"),
    [("es", "Piel"), ("es-mx", "Piel"), ("en-gb", "Skin"), ("fr", "Skin"), ("", "Skin")],
)
def test_a_language_the_pack_lacks_is_the_packs_own(asked: str, title: str) -> None:
    assert load_pack("skin", asked).title == title


def bones(pack: Pack) -> object:
    """What must be the same in every language: all that is stored, weighed or compared."""
    return (
        [(label.name, label.kind, label.key, label.codes) for label in pack.labels],
        [(site.name, site.codes) for site in pack.sites],
        [(kind.name, kind.scored, kind.modality) for kind in pack.photo_kinds],
        [
            (q.name, q.kind, q.safety, q.picture, [replace(c, text="") for c in q.choices])
            for q in pack.questions
        ],
        pack.points and (pack.points.urgent_from, pack.points.weights),
        [replace(rule, text="") for rule in pack.urgency],
        [(t.name, t.label, t.recheck_days) for t in pack.templates],
        [replace(view, text="") for view in pack.body],
        [(page.name, page.drawing.svg, page.sources) for page in pack.conditions],
        pack.lesson and [(step.name, len(step.pictures)) for step in pack.lesson.steps],
        set(pack.outcomes) | set(pack.reasons) | set(pack.quality),
    )


def test_only_the_words_differ() -> None:
    assert bones(load_pack("skin", "es")) == bones(load_pack("skin"))


def texts_of(thing: object) -> list[str]:
    """Every text in a pack, however deep."""
    if isinstance(thing, str):
        return [thing]
    if isinstance(thing, dict):
        return [text for each in thing.values() for text in texts_of(each)]
    if isinstance(thing, list | tuple):
        return [text for each in thing for text in texts_of(each)]
    fields = getattr(thing, "__dataclass_fields__", {})
    return [text for name in fields for text in texts_of(getattr(thing, name))]


def test_no_sentence_is_left_in_english() -> None:
    sources = {
        text
        for page in (*load_pack("skin").conditions, load_pack("skin").lesson)
        if page
        for text in texts_of(page.sources)
    }
    english, spanish = (set(texts_of(load_pack("skin", code))) for code in ("", "es"))
    left = {t for t in english & spanish if " " in t and "<svg" not in t} - sources
    assert left <= {
        "basal cell carcinoma",
        "rodent ulcer",
        "actinic keratosis",
        "solar keratosis",
        "damaged by the sun",
        "seborrhoeic keratosis",
        "seborrheic keratosis",
        "age spot",
        "solar lentigo",
        "lichenoid keratosis",
        "pyogenic granuloma",
        "blood vessels",
        "NICE guideline NG12, Suspected cancer: recognition and referral, skin cancers",
    }, "only words looked for in English answers, and names of sources"


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("pack.toml", 'title = "Piel"', "", "es/pack.toml: title: is missing"),
        ("pack.toml", 'title = "Piel"', 'title = "Piel"\nmood = "x"', "mood: is not a known key"),
        ("pack.toml", 'title = "Piel"', 'title = "Piel"\nversion = "1"', "version: is not a known"),
        ("pack.toml", "[labels.df]", "[labels.wart]", "es/pack.toml: labels.df: is missing"),
        ("pack.toml", 'face = { text = "Cara", ', "face = { ", "sites.face.text: is missing"),
        (
            "pack.toml",
            'plain = "melanoma',
            'key = "1"\nplain = "melanoma',
            "mel.key: is not",
        ),
        ("words.toml", "{due}, encuentre", "el lunes", "waiting.body: must leave the same places"),
        ("words.toml", 'unstable = "', 'wobbly = "', "reasons.unstable: is missing"),
        ("questions.toml", 'no = "No", ', "", "change_size.choices.no: is missing"),
        ("questions.toml", 'no = "No", ', 'no = "No", perhaps = "x", ', "perhaps: is not a known"),
        ("questions.toml", 'no = "No", ', 'no = "", ', "choices.no: is empty"),
        ("body.toml", 'back = "', 'behind = "', "es/body.toml: body.back: is missing"),
        ("conditions.toml", '    "crece deprisa",\n', "", r"akiec.worry: must hold 4 texts"),
        ("lesson.toml", "pictures.diameter]", "pictures.width]", "pictures.diameter: is missing"),
        ("answers.toml", 'advice = "', 'label = "nv"\nadvice = "', "label: is not a known key"),
    ],
)
def test_a_translation_with_a_fault_does_not_load(
    folder: Path, file: str, old: str, new: str, complaint: str
) -> None:
    edit(folder / "es" / file, old, new)
    with pytest.raises(PackError, match=complaint):
        read_pack(folder, "es")
    read_pack(folder)  # the pack itself does not mind


def test_a_new_text_of_the_pack_is_missed_in_the_translation(folder: Path) -> None:
    edit(folder / "words.toml", 'body = ["This is the', 'label_line = "New."\nbody = ["This is the')
    with pytest.raises(PackError, match=r"es/words.toml: outcomes.signed.label_line: is missing"):
        read_pack(folder, "es")

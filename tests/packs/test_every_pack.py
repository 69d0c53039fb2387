"""What holds for every pack and every language it is in, whatever it is about."""

from __future__ import annotations

import importlib
import re

import numpy as np
import pytest

from mlservice.engine import Modality
from mlservice.packs import NO_LABEL_PAGE, Pack, available_packs, languages_of, load_pack
from tests.packs.test_pack_languages import bones, texts_of

PACKS = available_packs()
EACH = [(name, language) for name in PACKS for language in ("", *languages_of(name))]
BY_COMPUTER = ("no_disease_green", "no_disease_amber", "harmless_green", "harmless_amber")
BEFORE_SIGNING = (*BY_COMPUTER, "waiting", "held", "unscored", "harmful_named_amber", "red")


@pytest.fixture(params=EACH, ids=lambda each: "-".join(filter(None, each)))
def pack(request: pytest.FixtureRequest) -> Pack:
    return load_pack(*request.param)


def test_there_is_more_than_one() -> None:
    assert {"skin", "chest"} <= set(PACKS)


@pytest.mark.parametrize("name", PACKS)
def test_every_pack_is_in_spanish_and_only_the_words_differ(name: str) -> None:
    assert "es" in languages_of(name)
    assert bones(load_pack(name, "es")) == bones(load_pack(name))


def test_a_result_of_the_computer_alone_is_never_an_all_clear(pack: Pack) -> None:
    for name in (*BY_COMPUTER, "harmful_named_amber", "no_lesion"):
        assert pack.not_an_all_clear in " ".join(pack.outcomes[name].body), name


def test_until_a_doctor_signs_every_result_says_when_one_looks(pack: Pack) -> None:
    for name in BEFORE_SIGNING:
        outcome = pack.outcomes[name]
        assert "{due}" in " ".join((outcome.headline, *outcome.body)), name
        assert outcome.next_steps, name


def test_patients_read_no_shouting_and_no_bare_percentage(pack: Pack) -> None:
    read = (pack.outcomes, pack.asking, pack.questions, pack.quality, pack.conditions)
    for text in (each for part in read for each in texts_of(part) if not each.startswith("<svg")):
        assert "!" not in text, text
        if not text.startswith("https"):
            assert set(re.findall(r"(\d*)\s?%", text)) <= {"80"}, text


def test_a_harmful_label_has_a_page_that_says_when_to_hurry(pack: Pack) -> None:
    for name in (*(label.name for label in pack.labels), NO_LABEL_PAGE):
        page = pack.condition(name)
        assert page.worry, name
        assert page.urgent, name
        assert page.sources, name


@pytest.mark.parametrize("name", PACKS)
def test_there_is_one_kind_of_picture_to_be_measured_on(name: str) -> None:
    scored = {Modality(kind.modality) for kind in load_pack(name).photo_kinds if kind.scored}
    assert len(scored - {Modality.PHONE}) == 1


@pytest.mark.parametrize("name", PACKS)
def test_every_label_can_be_drawn_the_same_each_time(name: str) -> None:
    drawing = importlib.import_module(f"mlservice.packs.{name}.drawing")
    labels = [label.name for label in load_pack(name).labels]
    drawn = [np.asarray(drawing.draw(1, kind=label, size=(80, 60))) for label in labels]
    for label, picture in zip(labels, drawn, strict=True):
        assert picture.shape == (60, 80, 3)
        assert (picture == np.asarray(drawing.draw(1, kind=label, size=(80, 60)))).all()
    assert len({picture.tobytes() for picture in drawn}) == len(labels)
    with pytest.raises(ValueError, match="Unknown kind"):
        drawing.draw(1, kind="dragon")


# --- Chest ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["", "es"])
def test_an_answer_about_a_film_names_what_it_found(language: str) -> None:
    chest = load_pack("chest", language)
    for answer in chest.templates:
        if answer.label:
            assert chest.condition(answer.label).is_named_in(answer.text), answer.name


@pytest.mark.parametrize(
    ("answers", "code", "tier"),
    [
        ({"lips": "yes"}, "blue_lips", "red"),
        ({"breathing": "hard"}, "hard_breathing", "red"),
        ({"drinking": "no"}, "not_drinking", "red"),
        ({"breathing": "fast", "fever": "high"}, "fast_breathing_and_fever", "red"),
        ({"breathing": "fast", "fever": "some"}, "fast_breathing", "amber"),
        ({"age": "adult"}, "another_age", "amber"),
        ({"at_risk": "yes"}, "at_risk", "amber"),
    ],
)
def test_the_signs_of_danger_in_a_child_come_before_any_picture(
    answers: dict[str, str], code: str, tier: str
) -> None:
    rules = [
        rule
        for rule in load_pack("chest").urgency
        if all(answers.get(name) in values for name, values in rule.when.items())
    ]
    assert (code, tier) in {(rule.code, rule.tier) for rule in rules}
    worst = "red" if any(rule.tier == "red" for rule in rules) else "amber"
    assert worst == tier


def test_nobody_with_blue_lips_is_left_waiting_for_an_answer() -> None:
    chest = load_pack("chest")
    assert "ambulance" in chest.asking.urgent
    for name in BEFORE_SIGNING:
        assert "ambulance" in " ".join(chest.outcomes[name].next_steps), name
    assert "ambulance" in chest.question("lips").why


@pytest.mark.parametrize("limit", ["one hospital", "babies", "adults", "does not diagnose"])
def test_the_intended_use_says_where_it_must_not_be_trusted(limit: str) -> None:
    assert limit in load_pack("chest").intended_use.replace("not \\\n", "not ")

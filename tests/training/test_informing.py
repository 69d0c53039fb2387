"""What age and site say of the labels, counted by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlservice.packs import load_pack
from mlservice.packs.records import AGES, metadata_of
from training.data import Row
from training.errors import TrainingError
from training.informing import AS_IF, counted, of_rows, weighed

LABELS = ("mel", "nv", "df")
SKIN = load_pack("skin")
ELSEWHERE = ("head/neck", "nan", "posterior torso")


def row(number: int, dx: str, lesion: str = "", **given: Any) -> Row:
    return Row(f"I{number}", dx, lesion or f"L{number}", Path("none"), **given)


def rows() -> list[Row]:
    """Forty people over 70, half with melanoma; a hundred young ones, one in ten."""
    old = [row(n, "mel" if n < 20 else "nv", age=75.0, localization="face") for n in range(40)]
    young = [
        row(100 + n, "mel" if n < 10 else "nv", age=25.0, localization="unknown")
        for n in range(100)
    ]
    return old + young


def test_a_label_is_as_much_more_common_as_it_was_counted() -> None:
    found = counted(rows(), LABELS, ["age", "site"], SKIN)
    common = 30 / 140
    old = (20 + AS_IF * common) / (40 + AS_IF) / common
    assert found["age"]["from_70"]["mel"] == pytest.approx(math.log(old), abs=1e-4)
    young = (10 + AS_IF * common) / (100 + AS_IF) / common
    assert found["age"]["under_30"]["mel"] == pytest.approx(math.log(young), abs=1e-4)
    assert found["age"]["under_30"]["df"] == 0, "of a class that nobody has nothing is known"
    assert list(found["site"]) == ["face"], "unknown is no place"


def test_a_lesion_counts_once_however_often_it_was_photographed() -> None:
    many = [row(n, "mel", "same", age=75.0) for n in range(50)]
    once = counted([*rows(), many[0]], LABELS, ["age"], SKIN)
    assert counted([*rows(), *many], LABELS, ["age"], SKIN) == once


def test_few_people_say_little() -> None:
    one = counted([*rows(), row(999, "mel", age=40.0)], LABELS, ["age"], SKIN)
    assert 0 < one["age"]["from_30"]["mel"] < 0.3


def test_what_is_known_of_a_picture_adds_up_and_the_rest_is_nought() -> None:
    found = counted(rows(), LABELS, ["age", "site"], SKIN)
    people = [
        row(1, "mel", age=75.0, localization="face"),
        row(2, "mel", localization="head/neck"),
        row(3, "mel", age=25.0),
    ]
    told = of_rows(found, people, LABELS)
    both = [found["age"]["from_70"][name] + found["site"]["face"][name] for name in LABELS]
    assert told[0].tolist() == pytest.approx(both)
    assert told[1].tolist() == [0, 0, 0], "a site that never trained"
    assert told[2].tolist() == [found["age"]["under_30"][name] for name in LABELS]
    half = weighed(found, 0.5)
    np.testing.assert_allclose(of_rows(half, people, LABELS), told / 2, atol=1e-3)


def test_what_no_patient_can_say_is_not_counted() -> None:
    """A bundle that heard of it would be refused, after its test part had been opened."""
    people = [
        *rows(),
        *(row(500 + n, "mel", localization=site) for n, site in enumerate(ELSEWHERE)),
    ]
    assert list(counted(people, LABELS, ["site"], SKIN)["site"]) == ["face"]
    with pytest.raises(TrainingError, match="has a known age"):
        counted(people, LABELS, ["age"], load_pack("chest"))


def test_a_kind_that_nobody_knows_is_named() -> None:
    with pytest.raises(TrainingError, match="has a known site"):
        counted([row(1, "mel", age=30.0)], LABELS, ["age", "site"], SKIN)


def test_data_sets_speak_the_words_that_patients_are_asked_in() -> None:
    """What trains and what is asked have the same names, or it would silently say nothing."""
    choices = {choice.value for choice in SKIN.question("age").choices if not choice.unknown}
    assert set(AGES.values()) == choices
    known = {site.name for site in SKIN.sites} - {"unknown"}
    for site in ("lower extremity", "Face", "upper extremity", "back"):
        assert metadata_of("under 30", site)["site"] in known
    assert metadata_of("unknown", "unknown") == {"age": "", "site": ""}

"""What the model learned from, beside the clinic's own cases; and that no small count is told."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from diagnoses import workflow
from diagnoses.exploring import FEWEST, guarded, own_cases
from diagnoses.models import Case
from diagnoses.workflow import Answer
from mlservice import registry
from mlservice.engine import Bundle, BundleError, shipped
from mlservice.engine.explored import DATA, Explored, read_explored, write_explored
from tests.cases import a_model_version, scored, submitted
from tests.cast import Cast

PAGE = "/models/data/"


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    body = answer.content.decode().partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(shipped("skin"))


@pytest.fixture(scope="module")
def explored(bundle: Bundle) -> Explored:
    return read_explored(bundle.folder, bundle.manifest, bundle.manifest_hash)


# --- What it learned from ------------------------------------------------------------------------


def test_the_shipped_numbers_are_aggregates_that_name_their_source(
    explored: Explored, bundle: Bundle
) -> None:
    assert (bundle.folder / DATA).stat().st_size < 10_000
    assert explored.folders[0].licence == "CC BY-NC 4.0"
    assert "Tschandl" in explored.folders[0].citation
    assert all(folder.licence and folder.citation for folder in explored.folders)
    own = explored.folders[0]
    parts = bundle.manifest.training["split"]["parts"].values()
    assert own.pictures == sum(part["pictures"] for part in parts)
    assert own.lesions == sum(part["lesions"] for part in parts)
    assert set(own.classes) == set(bundle.labels)


def test_what_is_written_is_read_again_and_taken_by_no_other_bundle(
    tmp_path: Path, explored: Explored, bundle: Bundle
) -> None:
    write_explored(explored, tmp_path / DATA)
    args = (tmp_path, bundle.manifest, bundle.manifest_hash)
    assert read_explored(*args) == explored
    with pytest.raises(BundleError, match="another bundle"):
        read_explored(tmp_path, bundle.manifest, "0" * 64)
    first, *others = explored.folders
    fewer = replace(explored, folders=(first,) if others else ())
    write_explored(fewer, tmp_path / DATA)
    with pytest.raises(BundleError, match="other folders"):
        read_explored(*args)
    for spoilt in (
        replace(first, pictures=first.pictures + 1),
        replace(first, sexes={**first.sexes, "male": -1}),
        replace(first, ages={"old": first.pictures}),
    ):
        write_explored(replace(explored, folders=(spoilt, *others)), tmp_path / DATA)
        with pytest.raises(BundleError, match="not readable"):
            read_explored(*args)
    (tmp_path / DATA).write_text(json.dumps([]))
    with pytest.raises(BundleError, match="not readable"):
        read_explored(*args)
    (tmp_path / DATA).unlink()
    with pytest.raises(BundleError, match="There is no"):
        read_explored(*args)


# --- Small counts --------------------------------------------------------------------------------


def possible(told: int | None, *, few: bool) -> range:
    """What somebody who reads a cell takes its count for."""
    if told is not None:
        return range(told, told + 1)
    return range(1, FEWEST) if few else range(FEWEST, 60)


def test_no_small_count_is_told_nor_follows_from_the_others() -> None:
    """Every value from 1 to 4 of a small count goes with what is told and with the total."""
    chance = random.Random(7)  # noqa: S311 - a seed, not a secret
    for _ in range(300):
        counts = {name: chance.choice((0, 1, 2, 3, 4, 5, 6, 9, 20)) for name in "abcde"}
        cells = guarded(counts, counts)
        small = {name for name, count in counts.items() if 0 < count < FEWEST}
        assert {name for name, cell in cells.items() if cell.few} == small
        told = {name: cell.count for name, cell in cells.items() if cell.count is not None}
        assert told.items() <= counts.items()
        assert not small & told.keys()
        if all(cell.count is None or not cell.count for cell in cells.values()):
            continue  # there was nothing more to withhold
        ways = [possible(cell.count, few=cell.few) for cell in cells.values()]
        for place, name in enumerate(counts):
            if name in small:
                rest = [way for other, way in enumerate(ways) if other != place]
                for value in range(1, FEWEST):
                    left = sum(counts.values()) - value
                    lowest, highest = (sum(map(end, rest)) for end in (min, max))
                    assert lowest <= left <= highest, (counts, name, value)


def test_a_single_small_count_takes_the_next_with_it() -> None:
    cells = guarded({"a": 30, "b": 3, "c": 9, "d": 0}, "abcd")
    assert {name: cell.count for name, cell in cells.items()} == {
        "a": 30, "b": None, "c": None, "d": 0,
    }  # fmt: skip
    assert [name for name, cell in cells.items() if cell.few] == ["b"]
    assert guarded({"a": 30, "b": 1, "c": 5}, "abc")["a"].count is None, "1 of 6 would be known"


# --- The page ------------------------------------------------------------------------------------


def signed(cast: Cast, diagnosis: str, site: str = "back") -> Case:
    case = scored(submitted(cast.ana, site=site))
    workflow.read_first(case, cast.ruth, diagnosis=diagnosis, confidence="sure", plan="see")
    workflow.sign(case, cast.ruth, Answer(diagnosis, "see", "Please come."))
    case.refresh_from_db()
    return case


@pytest.mark.django_db
@pytest.mark.usefixtures("media")
def test_the_page_counts_the_clinics_signed_cases_beside_the_pictures(
    cast: Cast, explored: Explored
) -> None:
    version = registry.register(shipped("skin"))
    registry.activate(version, None)
    ada = cast.client(cast.ada)
    signed(cast, "mel", "ear")
    said = text_of(ada.get(PAGE))
    assert "Not enough cases" in said
    assert f"{explored.pictures} pictures" in said
    assert "CC BY-NC 4.0" in said
    assert "female" in said

    for number in range(30):
        signed(cast, "nv" if number < 22 else "bkl", "back" if number < 20 else "face")
    submitted(cast.ana)  # nobody has signed it
    away = signed(cast, "bcc")
    Case.objects.filter(pk=away.pk).update(clinic=cast.south)
    own = own_cases(cast.ada, "skin")
    assert own.classes == Counter({"nv": 22, "bkl": 8, "mel": 1})
    assert own.sites == Counter({"back": 20, "face": 10, "ear": 1})
    assert own_cases(cast.root, "skin").n == 32
    answer = ada.get(PAGE)
    said = text_of(answer)
    assert "Fewer than 5" in said or "fewer than 5" in said
    cells = {row.title: row.own for row in answer.context["classes"]}
    assert cells["Melanoma"].count is None
    assert cells["Melanoma"].few
    assert [cell.count for title, cell in cells.items() if "naevus" in title.lower()] == [22]
    statements = _statements(ada)
    for _ in range(3):
        signed(cast, "df", "hand")
    assert _statements(ada) == statements <= 6


def _statements(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(PAGE)
    return len(captured)


@pytest.mark.django_db
def test_only_admins_open_it_and_a_version_without_numbers_says_so(cast: Cast) -> None:
    assert Client().get(PAGE).status_code == 302
    for person in (cast.ana, cast.ruth, cast.uma):
        assert cast.client(person).get(PAGE).status_code == 404
    root = cast.client(cast.root)
    assert "No version is in service" in text_of(root.get(PAGE))
    a_model_version()
    assert "Nothing is known of its pictures" in text_of(root.get(PAGE))
    assert root.get(PAGE, {"pack": "none"}).status_code == 404

"""Labelled pictures through the portal, and the pages' numbers beside those of ``evaluate``."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Clinic
from diagnoses import workflow
from diagnoses.models import Case, Outcome, Prediction
from diagnoses.monitoring.scope import Scope
from diagnoses.monitoring.truth import rights
from mlservice import measured, numbers, registry
from mlservice.engine import Bundle, shipped
from mlservice.models import ModelVersion
from mlservice.packs import load_pack
from mlservice.packs.records import AGES
from mlservice.packs.skin.drawing import draw
from notifications.models import Message
from portal import replaying
from tests.cast import Cast
from training.data import read_table
from training.evaluate import evaluate, judge_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
# More than thirty harmful and more than thirty benign ones; every third mark twice.
COUNTS = {"mel": 12, "bcc": 12, "akiec": 12, "nv": 14, "bkl": 8, "df": 6, "vasc": 6}
COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
# The portal knows the pictures by other kinds, and keeps no scores of temperature 1.
ONLY_THERE = {"bundle", "ece_raw", "ece_raw_interval", "subgroups"}
NAME = "Replay"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled folder as people have them, in no order."""
    home = tmp_path_factory.mktemp("labelled")
    (home / "images").mkdir()
    lines: list[tuple[Any, ...]] = []
    for dx, count in COUNTS.items():
        for number in range(count):
            image, lesion = f"I{7 * len(lines) % 100:03}", f"L{dx}{number - (number % 3 == 1)}"
            picture = draw(len(lines), kind=dx, size=(300, 225))
            picture.save(home / "images" / f"{image}.png")
            how, age = ("follow_up", "") if number % 5 == 4 else ("histo", 5 + 11 * number % 80)
            sex = ("male", "female", "unknown")[len(lines) % 5 % 3]
            site = "lower extremity" if number % 2 else "back"
            lines.append((lesion, image, dx, how, age, sex, site))
    with (home / "labels.csv").open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(COLUMNS)
        table.writerows(lines)
    return home


@pytest.fixture
def version(cast: Cast, settings: Settings) -> ModelVersion:
    """Every signature is for good at once."""
    settings.UNDO_SIGNATURE = timedelta(0)
    found = registry.register(shipped("skin"))
    registry.activate(found, None)
    return found


def replay(folder: Path, *options: str) -> str:
    out = StringIO()
    arguments = (str(folder / "images"), str(folder / "labels.csv"), "--clinic", NAME)
    call_command("replay", *arguments, "--yes", *options, stdout=out)
    return out.getvalue()


def page(cast: Cast, name: str, version: ModelVersion) -> str:
    address = reverse(name, args=[version.pk])
    clinic = Clinic.objects.get(name=NAME)
    asked: dict[str, str | int] = {"period": "all", "clinic": clinic.pk}
    answer = cast.client(cast.root).get(address, asked)
    assert answer.status_code == 200
    body = answer.content.decode().partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_numbers_on_the_pages_are_those_of_evaluate_on_the_same_pictures(
    cast: Cast, version: ModelVersion, folder: Path, tmp_path: Path
) -> None:
    count = sum(COUNTS.values())
    said = replay(folder, "--kept", str(tmp_path))
    assert f"{count} pictures as the portal keeps them" in said
    clinic, pack = Clinic.objects.get(name=NAME), load_pack("skin")
    bundle = Bundle.load(shipped("skin"))
    rows = read_table(tmp_path / "labels.csv", tmp_path / "images", bundle.labels)
    theirs = evaluate(judge_rows(bundle, rows), bundle)
    ours = rights(Scope(version, "all", clinic), pack)
    assert ours.signed.numbers is not None
    assert (ours.signed.n, ours.signed.nameless) == (count, 0)
    assert ours.signed.numbers.keys() == theirs.keys() - (ONLY_THERE - {"subgroups"})
    for name in theirs.keys() - ONLY_THERE:
        assert same(ours.signed.numbers[name], theirs[name]), name
    same_groups(ours.signed.numbers["subgroups"], theirs["subgroups"])

    shown = page(cast, "model_truth", version)
    written = [figure for figure in measured.figures(theirs, pack) if figure.enough]
    assert len(written) > 12
    for figure in written:
        number = figure.number
        interval = f" ({number.interval})" if number.interval else ""
        of = f" n = {number.of}" if number.of else ""
        assert f"{number.text} {number.value}{interval}{of}" in shown
    accuracy = numbers.number(theirs, "accuracy", "when they signed")
    assert f"when they signed {accuracy.value} ({accuracy.interval}) n = {count}" in shown
    assert f"Cases looked at {count}" in page(cast, "model_monitoring", version)
    in_histology = Outcome.objects.filter(case__clinic=clinic).count()
    assert 30 < in_histology == ours.histology.n < count


@pytest.mark.parametrize("where", ["read_first", "sign", "record_outcome"])
def test_stopped_anywhere_the_same_command_goes_on(
    cast: Cast, version: ModelVersion, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    done = getattr(workflow, where)
    calls = iter(range(99))

    def stops_once(*given: Any, **named: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return done(*given, **named)

    monkeypatch.setattr(workflow, where, stops_once)
    with pytest.raises(KeyboardInterrupt):
        replay(folder, "--limit", "4", "--seed", "1")
    replay(folder, "--limit", "4", "--seed", "1")
    cases = Case.objects.filter(clinic__name=NAME)
    assert {case.status for case in cases} == {"final"}
    rows = replaying.read(folder / "images", folder / "labels.csv", load_pack("skin"))
    by_tissue = sum(row.by_histology for row in replaying.some_of(rows, 4, seed=1))
    assert cases.count() == 4
    assert Outcome.objects.filter(case__in=cases).count() == by_tissue > 1


def same(one: Any, other: Any) -> bool:
    """Equal, numbers to within 1e-9, however deep they lie."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9
    return bool(one == other)


def same_groups(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """The groups that both have, by what each calls them."""
    some = 0
    for kind, groups in theirs.items():

        def name(value: str, kind: str = kind) -> str:
            return value.replace(" ", "_") if kind == "site" else AGES.get(value, value)

        assert {name(value) for value in groups} == set(ours[kind]), kind
        for value, numbers_of_it in groups.items():
            assert same(ours[kind][name(value)], numbers_of_it), f"{kind} {value}"
            some += "note" not in numbers_of_it
    assert some >= 2, "every group is too small, so nothing was compared"


def test_a_replay_goes_on_where_it_was_and_never_sends_twice(
    cast: Cast, version: ModelVersion, folder: Path
) -> None:
    replay(folder, "--limit", "3")
    first = set(Case.objects.values_list("submit_key", flat=True))
    assert len(first) == Prediction.objects.count() == 3
    replay(folder, "--limit", "3")
    assert set(Case.objects.values_list("submit_key", flat=True)) == first
    assert set(Case.objects.values_list("status", flat=True)) == {"final"}


def test_nobody_is_behind_a_replay_and_nobody_is_written_to(
    cast: Cast, version: ModelVersion, folder: Path
) -> None:
    replay(folder, "--limit", "3")
    patients = {case.patient for case in Case.objects.select_related("patient")}
    assert patients
    for patient in patients:
        assert patient.email.endswith("@replay.invalid")
        assert not patient.is_active
        assert not patient.has_usable_password()
    told = Message.objects.exclude(recipient__in=patients).values_list("recipient__email")
    assert all(email.endswith("@replay.invalid") for (email,) in told), "a real doctor was told"


def test_a_replay_asks_for_a_demo_a_version_and_a_clinic_of_its_own(
    cast: Cast, folder: Path
) -> None:
    arguments = (str(folder / "images"), str(folder / "labels.csv"), "--clinic")
    with pytest.raises(CommandError, match="This portal is no demo"):
        call_command("replay", *arguments, NAME)
    with pytest.raises(CommandError, match="No version scores new cases"):
        call_command("replay", *arguments, NAME, "--yes")
    registry.activate(registry.register(shipped("skin")), None)
    with pytest.raises(CommandError, match="is a clinic of real people"):
        call_command("replay", *arguments, cast.north.name, "--yes")
    assert not Case.objects.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image_id,what\nI000,mel\n", "no columns image_id and dx"),
        ("image_id,dx\nnowhere,mel\n", "'nowhere' of labels.csv is not in the folder"),
        ("image_id,dx\nI000,wart\n", "label 'wart' of 'I000' is not one of the pack's"),
        ("image_id,dx\nI000,mel\nI000,nv\n", "lists a picture twice"),
    ],
)
def test_what_is_wrong_with_the_csv_is_said(
    cast: Cast, version: ModelVersion, folder: Path, tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    arguments = (str(folder / "images"), str(tmp_path / "labels.csv"), "--clinic", NAME, "--yes")
    with pytest.raises(CommandError, match=problem):
        call_command("replay", *arguments)
    assert not Case.objects.exists()

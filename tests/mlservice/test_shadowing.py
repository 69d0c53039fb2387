"""A candidate looks along: begun and ended by those who may, once, and in the audit trail."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from mlservice import deciding, overview, registry, shadowing
from mlservice.deciding import Refusal
from mlservice.engine import BundleError
from mlservice.models import BundleCheck, ModelVersion, Shadow
from tests.cases import a_model_version
from tests.cast import Cast
from tests.mlservice.bundles import both_shipped, variant
from tests.mlservice.test_pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def two(db: None) -> tuple[ModelVersion, ModelVersion]:
    """The one in service, and the candidate."""
    candidate, active = both_shipped()
    registry.activate(active, None)
    active.refresh_from_db()
    return active, candidate


Two = tuple[ModelVersion, ModelVersion]


def trail() -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(action__startswith="model.shadow_").order_by("pk")
    return [(entry.action, entry.about) for entry in entries]


# --- Begun and ended -----------------------------------------------------------------------------


def test_it_begins_once_and_ends_once(cast: Cast, two: Two) -> None:
    candidate = two[1]
    run = shadowing.start(candidate, cast.root, 40, "  Our\nphones ")
    assert shadowing.start(candidate, cast.root, 90) == run, "a second click"
    assert (run.share, run.reason, run.pack) == (40, "Our phones", "skin")
    assert shadowing.running() == {"skin": run}
    for _ in range(2):
        shadowing.stop(candidate, cast.root)
    run.refresh_from_db()
    assert (run.ended, run.ended_by) == ("stopped", cast.root)
    assert shadowing.running() == {}
    about = registry.about(candidate)
    assert trail() == [("model.shadow_started", about), ("model.shadow_ended", about)]
    assert shadowing.start(candidate, cast.root, 100) != run, "and may begin again"


def test_one_looks_along_at_a_time(cast: Cast, two: Two, tmp_path: Path) -> None:
    third = registry.register(variant(tmp_path))
    shadowing.start(two[1], cast.root, 100)
    with pytest.raises(Refusal, match=r"skin 1\.1 runs in the shadow already"):
        shadowing.start(third, cast.root, 100)


def test_what_serves_or_has_nothing_beside_it_does_not_look_along(cast: Cast, two: Two) -> None:
    active, candidate = two
    with pytest.raises(Refusal, match="in service already"):
        shadowing.start(active, cast.root, 100)
    ModelVersion.objects.filter(pk=active.pk).update(state="retired")
    with pytest.raises(Refusal, match="none to be compared with"):
        shadowing.start(candidate, cast.root, 100)
    assert not Shadow.objects.exists()


def test_its_files_have_to_be_whole_and_its_share_a_share(
    cast: Cast, two: Two, tmp_path: Path
) -> None:
    folder = variant(tmp_path)
    damaged = registry.register(folder)
    (folder / "model.tflite").unlink()
    with pytest.raises(Refusal, match="not whole"):
        shadowing.start(damaged, cast.root, 100)
    for share in (0, 101, -1):
        with pytest.raises(Refusal, match="from 1 to 100"):
            shadowing.start(two[1], cast.root, share)


def test_only_an_admin_of_no_clinic_begins_and_ends_it(cast: Cast, two: Two) -> None:
    shadowing.start(two[1], cast.root, 100)
    for who in (cast.ada, cast.ruth, cast.ana):
        with pytest.raises(Refusal, match="Only an admin of all clinics"):
            shadowing.start(two[1], who, 100)
        with pytest.raises(Refusal, match="Only an admin of all clinics"):
            shadowing.stop(two[1], who)
    assert len(shadowing.running()) == 1


def test_it_ends_by_itself_when_it_is_put_into_service(cast: Cast, two: Two) -> None:
    active, candidate = two
    registry.activate(candidate, None)
    run = shadowing.start(active, cast.root, 100)  # the gate lets this one pass
    deciding.promote(active, cast.root, candidate.pk)
    run.refresh_from_db()
    assert (run.ended, run.ended_by) == ("serves", cast.root)
    assert trail()[-1] == ("model.shadow_ended", registry.about(active))


def test_it_goes_on_when_another_version_is_put_into_service(
    cast: Cast, two: Two, tmp_path: Path
) -> None:
    third = registry.register(variant(tmp_path))
    run = shadowing.start(third, cast.root, 100)
    registry.activate(two[1], None)
    assert shadowing.running() == {"skin": run}


def test_while_the_computer_is_paused_nothing_runs(cast: Cast, two: Two) -> None:
    run = shadowing.start(two[1], cast.root, 100)
    deciding.pause("skin", cast.root, "Stop.")
    assert shadowing.running() == {}
    deciding.resume("skin", cast.root)
    assert shadowing.running() == {"skin": run}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("shadow_share_in_percent", {"share": 0}),
        ("shadow_share_in_percent", {"share": 101}),
        ("shadow_has_one_end", {"ended": "stopped"}),
        ("shadow_has_one_end", {"ended": "stopped", "ended_at": Now()}),
        ("shadow_has_one_end", {"ended_at": Now()}),
    ],
)
def test_the_database_holds_to_what_a_run_is(cast: Cast, name: str, fields: dict[str, Any]) -> None:
    version = a_model_version()
    whole: dict[str, Any] = {"version": version, "pack": "skin", "share": 5}
    whole["started_by"] = cast.root
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Shadow.objects.create(**whole | fields)
    Shadow.objects.create(**whole)
    with pytest.raises(IntegrityError, match="shadow_once_per_pack"), transaction.atomic():
        Shadow.objects.create(**whole)


# --- Its buttons ---------------------------------------------------------------------------------


def test_an_admin_lets_it_look_along_and_stops_it(cast: Cast, two: Two) -> None:
    root, candidate = cast.client(cast.root), two[1]
    page = reverse("model_version", args=[candidate.pk])
    start, stop = (reverse(name, args=[candidate.pk]) for name in ("shadow_start", "shadow_stop"))
    assert start in root.get(page).content.decode()
    assert "When skin 2.1 has scored a case, skin 1.1 looks at the same photos" in text_of(
        root.get(start)
    )
    for wrong in ("", "0", "101", "many", "5.5", "²"):
        said = text_of(root.post(start, {"share": wrong, "reason": "Kept"}), 409)
        assert "a whole number from 1 to 100" in said
        assert "Kept" in said
    for _ in range(2):
        answer = root.post(start, {"share": "25", "reason": "Ours\0 are like it"})
        assert answer.status_code == 302
    run = Shadow.objects.get()
    assert (run.share, run.reason) == (25, "Ours are like it")
    for where in (page, reverse("models")):
        assert "at 25 % of the cases" in text_of(root.get(where))
    assert start not in root.get(page).content.decode()
    assert "Since" in text_of(root.get(start))
    for _ in range(2):
        assert "looks along no more" in text_of(root.post(stop, follow=True))
    assert "It looked along in the shadow from" in text_of(root.get(page))
    assert trail().count(("model.shadow_ended", registry.about(candidate))) == 1


def test_an_admin_of_one_clinic_sees_that_it_looks_along_and_has_no_button(
    cast: Cast, two: Two
) -> None:
    candidate = two[1]
    shadowing.start(candidate, cast.root, 100)
    ada = cast.client(cast.ada)
    said = ada.get(reverse("model_version", args=[candidate.pk])).content.decode()
    assert "looks along in the shadow" in said
    assert "Stop it" not in said
    for name in ("shadow_start", "shadow_stop"):
        assert ada.post(reverse(name, args=[candidate.pk]), {"share": "5"}).status_code == 404
    assert len(shadowing.running()) == 1


# --- Beside it -----------------------------------------------------------------------------------


def test_two_bundles_do_not_bear_one_name(cast: Cast, tmp_path: Path) -> None:
    first = registry.register(variant(tmp_path / "one"))
    with pytest.raises(BundleError, match="Another bundle is registered as 'skin 3'"):
        registry.register(variant(tmp_path / "two", bmca=0.5))
    assert registry.register(tmp_path / "one" / "bundle-3") == first, "the same is no other"


def test_a_refused_bundle_is_in_sight_for_a_week(cast: Cast) -> None:
    fields = {"uploaded": False, "asked_by": cast.root, "folder": "x"}
    waits = BundleCheck.objects.create(name="waits", manifest_hash="0" * 64, **fields)
    ended = {"state": "refused", "refusal": "It is not whole.", **fields}
    lately, long_ago = (
        BundleCheck.objects.create(
            name=str(days),
            manifest_hash=str(days) * 64,
            settled_at=Now() - timedelta(days),
            **ended,
        )
        for days in (6, 8)
    )
    assert overview.checks() == [lately, waits]
    assert long_ago.name not in [check.name for check in overview.checks()]


def test_the_page_that_compares_begins_with_two_versions(cast: Cast, two: Two) -> None:
    active, candidate = two
    root = cast.client(cast.root)
    chosen = f'<option value="{candidate.pk}" selected>'
    beside = f'<option value="{active.pk}" selected>'
    for query in ({}, {"one": str(candidate.pk)}):
        page = root.get(reverse("model_compare"), query).content.decode()
        assert page.index(chosen) < page.index(beside)
        assert page.count(" selected>") == 2


def test_without_versions_there_is_nothing_to_choose(cast: Cast) -> None:
    said = text_of(cast.client(cast.root).get(reverse("model_compare")))
    assert "There are not two versions yet." in said


def test_nobody_else_finds_these_pages(cast: Cast, two: Two) -> None:
    for name in ("shadow_start", "shadow_stop", "model_shadow"):
        address = reverse(name, args=[two[1].pk])
        assert Client().get(address).status_code in (302, 405)
        people: list[User] = [cast.ana, cast.ruth, cast.uma]
        for who in people:
            found = cast.client(who)
            assert found.get(address).status_code in (404, 405)
            assert found.post(address).status_code in (404, 405)

"""Which version serves: the gate, a second admin past it, one press back; two admins at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEntry, Role, User
from mlservice import deciding, registry
from mlservice.deciding import Refusal
from mlservice.models import Activation, ModelVersion, Override, Pause
from tests.cases import a_model_version
from tests.cast import Cast, build_cast
from tests.mlservice.bundles import both_shipped, variant
from tests.together import at_once

pytestmark = pytest.mark.django_db


def another_admin() -> User:
    return User.objects.create_user(
        "vera@example.org", name="Vera Ek", role=Role.ADMIN, is_staff=True
    )


@pytest.fixture
def vera(cast: Cast) -> User:
    return another_admin()


def serving(old: ModelVersion) -> ModelVersion:
    registry.activate(old, None)
    return old


def worse(home: Path, version: str = "3") -> ModelVersion:
    """One that misses more harmful pictures than the shipped ones, and loses accuracy."""
    return registry.register(variant(home, version, bmca=0.60, green_malignant=4))


def names() -> list[str]:
    return list(
        AuditEntry.objects.filter(action__startswith="model.")
        .order_by("pk")
        .values_list("action", flat=True)
    )


# --- The gate ------------------------------------------------------------------------------------


def test_a_version_that_passes_takes_the_place_of_the_one_in_service(cast: Cast) -> None:
    old, new = both_shipped()
    serving(old)
    deciding.promote(new, cast.root, old.pk)
    assert registry.active("skin") == new
    old.refresh_from_db()
    assert old.state == ModelVersion.State.RETIRED
    last = Activation.objects.latest("pk")
    assert (last.version, last.replaced, last.how, last.by) == (new, old, "gate", cast.root)
    entry = AuditEntry.objects.get(action="model.activated", actor=cast.root)
    assert entry.about == f"model:{new.pk}"
    assert entry.detail["instead_of"] == old.pk


def test_a_worse_version_is_refused_and_nothing_changes(cast: Cast, tmp_path: Path) -> None:
    _, good = both_shipped()
    serving(good)
    bad = worse(tmp_path)
    found = deciding.gate(bad, good)
    assert {line.name for line in found.lines if not line.met} == {
        "bmca",
        "green_malignant",
    }
    with pytest.raises(Refusal, match="does not let"):
        deciding.promote(bad, cast.root, good.pk)
    assert registry.active("skin") == good
    assert Activation.objects.filter(version=bad).count() == 0


def test_the_first_version_must_meet_the_conditions_of_a_release(
    cast: Cast, tmp_path: Path
) -> None:
    unsafe = registry.register(variant(tmp_path, green_malignant=9))
    with pytest.raises(Refusal):
        deciding.promote(unsafe, cast.root, None)
    _, good = both_shipped()
    deciding.promote(good, cast.root, None)
    assert registry.active("skin") == good


def test_versions_measured_on_different_pictures_are_not_held_against_each_other(
    cast: Cast, tmp_path: Path
) -> None:
    _, good = both_shipped()
    serving(good)
    elsewhere = registry.register(variant(tmp_path, part="another"))
    found = deciding.gate(elsewhere, good)
    assert "different pictures" in found.apart
    assert not found.passed
    with pytest.raises(Refusal):
        deciding.promote(elsewhere, cast.root, good.pk)
    silent = a_model_version(state=ModelVersion.State.REGISTERED)
    assert "does not say on which pictures" in deciding.not_comparable(silent, good)


def test_a_second_click_puts_nothing_into_service_twice(cast: Cast) -> None:
    old, new = both_shipped()
    serving(old)
    for _ in range(2):
        deciding.promote(new, cast.root, old.pk)
    assert Activation.objects.filter(version=new).count() == 1
    for _ in range(2):
        deciding.roll_back(new, cast.root)
    assert Activation.objects.filter(version=old, how="back").count() == 1
    assert registry.active("skin") == old


def test_who_comes_second_learns_who_was_first(cast: Cast, vera: User, tmp_path: Path) -> None:
    old, new = both_shipped()
    serving(old)
    third = registry.register(variant(tmp_path))
    deciding.promote(new, cast.root, old.pk)
    with pytest.raises(Refusal, match=f"Root put {new} into service"):
        deciding.promote(third, vera, old.pk)
    assert registry.active("skin") == new


def test_a_version_whose_files_are_damaged_is_not_put_into_service(
    cast: Cast, tmp_path: Path
) -> None:
    folder = variant(tmp_path)
    version = registry.register(folder)
    (folder / "card.md").unlink()
    with pytest.raises(Refusal, match=r"card\.md"):
        deciding.promote(version, cast.root, None)
    assert registry.active("skin") is None


# --- One press back ------------------------------------------------------------------------------


def test_back_in_one_press_and_never_to_where_one_came_from(cast: Cast, tmp_path: Path) -> None:
    old, new = both_shipped()
    third = registry.register(variant(tmp_path))
    serving(old)
    deciding.promote(new, cast.root, old.pk)
    deciding.promote(third, cast.root, new.pk)
    assert deciding.roll_back(third, cast.root) == new
    assert deciding.back_from(new) == old, "not to the third, which was just left"
    assert deciding.roll_back(new, cast.root) == old
    with pytest.raises(Refusal, match="No version was in service before"):
        deciding.roll_back(old, cast.root)
    assert registry.active("skin") == old
    assert names().count("model.activated") == 5


def test_going_back_needs_no_gate_but_whole_files(cast: Cast, tmp_path: Path) -> None:
    _, good = both_shipped()
    folder = variant(tmp_path, green_malignant=9)
    bad = registry.register(folder)
    registry.activate(bad, None)
    registry.activate(good, None)
    deciding.roll_back(good, cast.root)
    assert registry.active("skin") == bad, "it has served before"
    registry.activate(good, None)
    (folder / "model.tflite").unlink()
    with pytest.raises(Refusal, match="not whole"):
        deciding.roll_back(good, cast.root)
    assert registry.active("skin") == good


# --- Past the gate -------------------------------------------------------------------------------


def test_past_the_gate_it_takes_a_reason_and_a_second_admin(
    cast: Cast, vera: User, tmp_path: Path
) -> None:
    _, good = both_shipped()
    serving(good)
    bad = worse(tmp_path)
    with pytest.raises(Refusal, match="reason"):
        deciding.ask_override(bad, cast.root, good.pk, "  ")
    asked = deciding.ask_override(bad, cast.root, good.pk, "Our phone photos need it.")
    assert deciding.ask_override(bad, cast.root, good.pk, "Twice") == asked, "a second click"
    with pytest.raises(Refusal, match="a second admin"):
        deciding.agree(asked, cast.root)
    assert registry.active("skin") == good
    deciding.agree(asked, vera)
    assert registry.active("skin") == bad
    last = Activation.objects.latest("pk")
    assert (last.how, last.by, last.agreed_by) == ("override", cast.root, vera)
    assert last.reason == "Our phone photos need it."
    assert names()[-3:] == [
        "model.override_asked", "model.override_decided", "model.activated",
    ]  # fmt: skip
    with pytest.raises(Refusal, match="decided already"):
        deciding.agree(asked, vera)


def test_a_second_admin_may_say_no_and_the_first_take_it_back(
    cast: Cast, vera: User, tmp_path: Path
) -> None:
    _, good = both_shipped()
    serving(good)
    bad = worse(tmp_path)
    first = deciding.ask_override(bad, cast.root, good.pk, "Please")
    deciding.turn_down(first, vera)
    second = deciding.ask_override(bad, cast.root, good.pk, "Please, again")
    deciding.turn_down(second, cast.root)
    outcomes = Override.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == ["refused", "taken_back"]
    assert registry.active("skin") == good


def test_what_was_asked_ends_when_another_version_is_put_into_service(
    cast: Cast, vera: User, tmp_path: Path
) -> None:
    old, new = both_shipped()
    serving(old)
    asked = deciding.ask_override(worse(tmp_path), cast.root, old.pk, "Please")
    deciding.promote(new, vera, old.pk)
    with pytest.raises(Refusal, match="Another version"):
        deciding.agree(asked, vera)
    assert registry.active("skin") == new


def test_one_that_passes_asks_nobody_and_one_that_serves_neither(cast: Cast) -> None:
    old, new = both_shipped()
    serving(old)
    with pytest.raises(Refusal, match="no second admin"):
        deciding.ask_override(new, cast.root, old.pk, "Just in case")
    with pytest.raises(Refusal, match="in service already"):
        deciding.ask_override(old, cast.root, old.pk, "Just in case")


def test_who_asked_must_still_be_one_who_may(cast: Cast, vera: User, tmp_path: Path) -> None:
    _, good = both_shipped()
    serving(good)
    asked = deciding.ask_override(worse(tmp_path), vera, good.pk, "Please")
    User.objects.filter(pk=vera.pk).update(is_active=False)
    with pytest.raises(Refusal, match="no longer"):
        deciding.agree(asked, cast.root)
    assert registry.active("skin") == good


def test_the_database_knows_that_it_takes_two(cast: Cast) -> None:
    version = a_model_version()
    alone = {"how": "override", "reason": "Mine", "by": cast.root}
    for fields in (alone, alone | {"agreed_by": cast.root}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Activation.objects.create(version=version, **fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Override.objects.create(
            version=version, reason="Mine", asked_by=cast.root, decided_by=cast.root,
            outcome="agreed",
        )  # fmt: skip


# --- Who may -------------------------------------------------------------------------------------


def test_only_an_admin_of_no_clinic_decides(cast: Cast) -> None:
    old, new = both_shipped()
    serving(old)
    for who in (cast.ada, cast.ruth, cast.ana):
        for act in (
            lambda by: deciding.promote(new, by, old.pk),
            lambda by: deciding.roll_back(old, by),
            lambda by: deciding.pause("skin", by, "Because"),
            lambda by: deciding.resume("skin", by),
            lambda by: deciding.ask_override(new, by, old.pk, "Because"),
        ):
            with pytest.raises(Refusal, match="Only an admin of all clinics"):
                act(who)
    assert registry.active("skin") == old
    assert not Pause.objects.exists()


# --- A pause -------------------------------------------------------------------------------------


def test_a_pause_begins_once_and_ends_once(cast: Cast, vera: User) -> None:
    version = a_model_version()
    with pytest.raises(Refusal, match="reason"):
        deciding.pause("skin", cast.root, "")
    for who in (cast.root, vera):
        deciding.pause("skin", who, "It names everything naevus.")
    assert registry.scoring("skin") is None
    assert registry.active("skin") == version
    for who in (vera, cast.root):
        deciding.resume("skin", who)
    assert registry.scoring("skin") == version
    [pause] = Pause.objects.all()
    assert (pause.by, pause.ended_by) == (cast.root, vera)
    assert names() == ["model.paused", "model.resumed"]


# --- Two at once ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_admins_at_once_put_one_version_into_service(tmp_path: Path) -> None:
    cast, vera = build_cast(), another_admin()
    old, new = both_shipped()
    third = registry.register(variant(tmp_path))
    registry.activate(old, None)
    told = at_once(
        lambda: deciding.promote(new, cast.root, old.pk),
        lambda: deciding.promote(third, vera, old.pk),
        refusals=Refusal,
    )
    [refused] = [str(each) for each in told if isinstance(each, Refusal)]
    assert "into service in the meantime" in refused
    assert Activation.objects.filter(how="gate").count() == 1
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE)
    assert active.get() == Activation.objects.latest("pk").version

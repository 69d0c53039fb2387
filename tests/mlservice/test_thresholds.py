"""Another threshold of the 80 % rule: two people, a reason, and nobody overwrites anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEntry, Role, User
from mlservice import registry, thresholds
from mlservice.deciding import Refusal
from mlservice.engine import shipped
from mlservice.models import ModelVersion, ThresholdChange
from tests.cast import Cast, build_cast
from tests.mlservice.bundles import variant
from tests.together import at_once

pytestmark = pytest.mark.django_db


def another_admin() -> User:
    return User.objects.create_user(
        "vera@example.org", name="Vera Ek", role=Role.ADMIN, is_staff=True
    )


@pytest.fixture
def vera(cast: Cast) -> User:
    return another_admin()


@pytest.fixture
def version(cast: Cast) -> ModelVersion:
    return registry.register(shipped("skin"))


def asked_for(version: ModelVersion, by: User, after: float = 0.7) -> ThresholdChange:
    return thresholds.ask(version, by, seen=0.8, after=after, reason="Too few get a name.")


def in_force(version: ModelVersion) -> float:
    return ModelVersion.objects.get(pk=version.pk).threshold


def trail() -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(action__startswith="model.threshold").order_by("pk")
    return [(entry.action, entry.actor.email if entry.actor else "") for entry in entries]


def test_it_takes_a_reason_and_two_admins(cast: Cast, vera: User, version: ModelVersion) -> None:
    with pytest.raises(Refusal, match="reason"):
        thresholds.ask(version, cast.root, seen=0.8, after=0.7, reason=" ")
    asked = asked_for(version, cast.root)
    assert asked_for(version, cast.root) == asked, "a second click"
    with pytest.raises(Refusal, match="a second admin"):
        thresholds.agree(asked, cast.root)
    assert in_force(version) == 0.8
    thresholds.agree(asked, vera)
    assert in_force(version) == 0.7
    asked.refresh_from_db()
    assert (asked.outcome, asked.decided_by) == ("agreed", vera)
    assert trail() == [
        ("model.threshold_asked", cast.root.email),
        ("model.threshold_changed", vera.email),
    ]
    detail = AuditEntry.objects.get(action="model.threshold_changed").detail
    assert (detail["before"], detail["after"], detail["asked_by"]) == (0.8, 0.7, cast.root.pk)
    with pytest.raises(Refusal, match="decided already"):
        thresholds.agree(asked, vera)


def test_the_second_may_say_no_and_the_first_take_it_back(
    cast: Cast, vera: User, version: ModelVersion
) -> None:
    thresholds.turn_down(asked_for(version, cast.root), vera)
    thresholds.turn_down(asked_for(version, cast.root), cast.root)
    outcomes = ThresholdChange.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == ["refused", "taken_back"]
    assert in_force(version) == 0.8
    assert [action for action, _ in trail()].count("model.threshold_refused") == 2


def test_one_change_at_a_time_and_only_from_what_was_seen(
    cast: Cast, vera: User, version: ModelVersion
) -> None:
    with pytest.raises(Refusal, match="in the meantime"):
        thresholds.ask(version, cast.root, seen=0.85, after=0.7, reason="Please")
    with pytest.raises(Refusal, match="in force"):
        asked_for(version, cast.root, after=0.8)
    asked = asked_for(version, cast.root)
    with pytest.raises(Refusal, match="asked for already"):
        asked_for(version, vera, after=0.6)
    ModelVersion.objects.filter(pk=version.pk).update(threshold=0.9)
    with pytest.raises(Refusal, match="in the meantime"):
        thresholds.agree(asked, vera)
    assert in_force(version) == 0.9, "what somebody else set stays"


@pytest.mark.parametrize("after", [0.0, 0.29, 0.755, 1.0, float("nan")])
def test_only_what_was_measured_may_be_asked_for(
    cast: Cast, version: ModelVersion, after: float
) -> None:
    with pytest.raises(Refusal, match="30 % to 99 %"):
        asked_for(version, cast.root, after=after)


def test_nobody_sets_blind_what_was_never_measured(cast: Cast, tmp_path: Path) -> None:
    """A copy with the sidecar of one that has it beside its files: that is another bundle's."""
    other = registry.register(variant(tmp_path, "3", registry.BUNDLES / "skin-2"))
    with pytest.raises(Refusal, match="belongs to another bundle"):
        asked_for(other, cast.root)


def test_only_an_admin_of_no_clinic_asks_or_decides(
    cast: Cast, vera: User, version: ModelVersion
) -> None:
    for who in (cast.ada, cast.ruth, cast.ana):
        with pytest.raises(Refusal, match="Only an admin of all clinics"):
            asked_for(version, who)
    asked = asked_for(version, vera)
    for act in (thresholds.agree, thresholds.turn_down):
        with pytest.raises(Refusal, match="Only an admin of all clinics"):
            act(asked, cast.ada)
    User.objects.filter(pk=vera.pk).update(is_active=False)
    with pytest.raises(Refusal, match="no longer"):
        thresholds.agree(asked, cast.root)
    assert in_force(version) == 0.8


def test_who_is_alone_is_known(cast: Cast) -> None:
    assert thresholds.alone(cast.root)
    vera = another_admin()
    assert not thresholds.alone(cast.root)
    User.objects.filter(pk=vera.pk).update(clinic=cast.north)
    assert thresholds.alone(cast.root)


def test_the_database_knows_that_it_takes_two(cast: Cast, version: ModelVersion) -> None:
    whole = {"version": version, "before": 0.8, "after": 0.7, "reason": "Mine"}
    alone = whole | {"asked_by": cast.root, "decided_by": cast.root, "outcome": "agreed"}
    spoilt = (
        alone,
        alone | {"decided_by": None},
        whole | {"asked_by": cast.root, "reason": ""},
        whole | {"asked_by": cast.root, "after": 0.8},
        whole | {"asked_by": cast.root, "after": 1.0},
    )
    for fields in spoilt:
        with pytest.raises(IntegrityError), transaction.atomic():
            ThresholdChange.objects.create(**fields)
    ThresholdChange.objects.create(**whole, asked_by=cast.root)
    with pytest.raises(IntegrityError), transaction.atomic():
        ThresholdChange.objects.create(**whole, asked_by=cast.root)


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_are_one_question(media: Path) -> None:
    cast, vera = build_cast(), another_admin()
    version = registry.register(shipped("skin"))
    told = at_once(
        lambda: asked_for(version, cast.root, 0.7),
        lambda: asked_for(version, vera, 0.6),
        refusals=Refusal,
    )
    [refused] = [str(each) for each in told if isinstance(each, Refusal)]
    assert "asked for already" in refused
    assert ThresholdChange.objects.count() == 1

"""What is wrong with a version in service: raised once, told once, ended when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEntry
from diagnoses.models import Alarm, Case, Scoring
from diagnoses.models.scoring import NO_FAILURE
from diagnoses.monitoring import alarms
from diagnoses.monitoring.drift import FIRST, LAST
from mlservice import deciding
from mlservice.models import ModelVersion
from notifications.models import Event, Message
from tests.cases import NOT_SURE, RED, a_model_version, scored, submitted
from tests.cast import Cast
from tests.diagnoses.test_monitoring import many, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
LONG_AGO = timedelta(minutes=6)


@pytest.fixture
def version(db: None, settings: Settings) -> ModelVersion:
    """Every signature is for good at once."""
    settings.UNDO_SIGNATURE = timedelta(0)
    return a_model_version(metrics={"accuracy": 0.8})


def open_kinds() -> set[str]:
    return set(Alarm.objects.open().values_list("kind", flat=True))


def told() -> list[str]:
    messages = Message.objects.filter(event=Event.MODEL_ALARM).select_related("recipient")
    return sorted(message.recipient.email for message in messages if message.recipient)


def one_that_waits(cast: Cast) -> Case:
    case = submitted(cast.ana)
    Scoring.objects.filter(case=case).update(run_after=timezone.now() - LONG_AGO)
    return case


def test_silence_is_an_alarm_that_is_raised_once_told_once_and_over_with_the_next_view(
    cast: Cast, version: ModelVersion
) -> None:
    submitted(cast.ana)
    assert alarms.look() == 0, "it has only just come in"
    case = one_that_waits(cast)
    assert alarms.look() == 1
    assert alarms.look() == 0, "it is known"
    assert open_kinds() == {"silent"}
    assert told() == ["root@example.org"], "admins of all clinics, and nobody else"
    assert Message.objects.get(event=Event.MODEL_ALARM).urgent
    scored(case)
    assert alarms.look() == 0
    assert open_kinds() == set()
    one_that_waits(cast)
    scored(submitted(cast.ana))
    assert alarms.look() == 0, "others are being looked at"


def test_a_pause_is_no_silence(cast: Cast, version: ModelVersion) -> None:
    one_that_waits(cast)
    deciding.pause("skin", cast.root, "It is looked into.")
    assert alarms.look() == 0


def test_many_scorings_without_a_view_are_an_alarm(cast: Cast, version: ModelVersion) -> None:
    case = scored(submitted(cast.ana))
    many(case, 25)
    many_failed(cast, 4)
    assert alarms.look() == 0, "4 of 30"
    many_failed(cast, 4)
    assert alarms.look() == 1, "8 of 34"
    assert open_kinds() == {"failing"}


def many_failed(cast: Cast, count: int) -> None:
    cases = [submitted(cast.ana) for _ in range(count)]
    Scoring.objects.filter(case__in=cases).update(settled_at=timezone.now(), error="damaged")


def test_shares_that_leave_their_band_and_far_photos_are_alarms(
    cast: Cast, version: ModelVersion
) -> None:
    case = scored(submitted(cast.ana))
    many(case, FIRST - 1)
    many(case, LAST)
    assert alarms.look() == 0
    unsure = NOT_SURE | {"tier": "red", "out_of_distribution": True}
    many(case, LAST // 5, **unsure)
    assert alarms.look() == 3
    assert open_kinds() == {"no_disease", "red", "far"}
    many(case, LAST)
    alarms.look()
    assert open_kinds() == set(), "the last hundred are as the first were"


def test_a_band_is_three_standard_errors_and_at_least_a_tenth() -> None:
    assert alarms.band_around(0.0) == alarms.BAND
    assert alarms.band_around(0.5) == pytest.approx(3 * 0.5 * (1 / 200 + 1 / 100) ** 0.5)


def test_each_harmful_case_that_ended_green_is_an_alarm_until_somebody_has_looked(
    cast: Cast, version: ModelVersion
) -> None:
    for diagnosis, changes in (("mel", {}), ("bcc", {}), ("mel", RED), ("nv", {})):
        signed(scored(submitted(cast.ana), **changes), cast.ruth, diagnosis)
    assert alarms.look() == 2
    assert alarms.look() == 0
    assert told() == ["root@example.org"], "one message for both"
    first, second = Alarm.objects.order_by("raised_at", "pk")
    root, ada = cast.client(cast.root), cast.client(cast.ada)
    page = root.get(reverse("model_monitoring", args=[version.pk])).content.decode()
    assert f"I have looked at {first.case and first.case.reference}" in page
    seen = reverse("alarm_seen", args=[first.pk])
    assert ada.post(seen).status_code == 404
    assert root.get(seen).status_code == 405
    assert root.post(seen).status_code == root.post(seen).status_code == 302, "a double click"
    assert list(Alarm.objects.open()) == [second]
    assert AuditEntry.objects.filter(action="model.alarm_seen", actor=cast.root).count() == 1
    assert alarms.look() == 0, "a case is told of once"


def test_an_admin_of_a_clinic_sees_no_missed_case_of_another(
    cast: Cast, version: ModelVersion
) -> None:
    signed(scored(submitted(cast.ana)), cast.ruth, "mel")
    alarms.look()
    assert alarms.open_alarms(version, cast.north).count() == 1
    assert not alarms.open_alarms(version, cast.south).exists()


def test_doctors_who_mostly_sign_otherwise_are_an_alarm(
    cast: Cast, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "SIGNED", 10)
    for number in range(10):
        signed(scored(submitted(cast.ana)), cast.ruth, "nv" if number < 7 else "df")
    assert alarms.look() == 0, "0.7 is not below 0.8 - 0.15"
    signed(scored(submitted(cast.ana)), cast.ruth, "df")
    assert alarms.look() == 1
    alarm = Alarm.objects.get()
    assert alarm.kind == "disagree"
    assert alarm.measured == pytest.approx(0.6)
    assert alarm.limit == pytest.approx(0.65)


def test_none_of_these_and_a_photo_of_nothing_are_no_disagreement(
    cast: Cast, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "SIGNED", 10)
    for number in range(10):
        signed(scored(submitted(cast.ana)), cast.ruth, "nv" if number < 7 else "df")
    for _ in range(4):
        signed(scored(submitted(cast.ana)), cast.ruth, "")
        signed(scored(submitted(cast.ana), modality="not_skin", label=""), cast.ruth, "df")
    assert alarms.look() == 0


def test_a_version_that_left_service_has_no_alarms_but_what_it_missed(
    cast: Cast, version: ModelVersion
) -> None:
    """A case it let end GREEN is signed as harmful when another version serves."""
    one_that_waits(cast)
    alarms.look()
    assert open_kinds() == {"silent"}
    case = scored(submitted(cast.ana))
    ModelVersion.objects.filter(pk=version.pk).update(state=ModelVersion.State.RETIRED)
    assert alarms.look() == 0
    assert open_kinds() == set()
    signed(case, cast.ruth, "mel")
    assert alarms.look() == 1
    assert open_kinds() == {"missed"}
    assert alarms.look() == 0


@pytest.mark.parametrize("why", NO_FAILURE)
def test_what_somebody_took_back_is_no_failure_of_the_computers(
    cast: Cast, version: ModelVersion, why: str
) -> None:
    many(scored(submitted(cast.ana)), 25)
    cases = [submitted(cast.ana) for _ in range(20)]
    Scoring.objects.filter(case__in=cases).update(settled_at=timezone.now(), error=why)
    assert alarms.look() == 0


def test_alarms_stand_on_the_overview_of_those_who_decide(
    cast: Cast, version: ModelVersion
) -> None:
    one_that_waits(cast)
    alarms.look()
    assert "Alarms about the computer" in cast.client(cast.root).get("/manage/").content.decode()
    assert "Alarms about" not in cast.client(cast.ada).get("/manage/").content.decode()

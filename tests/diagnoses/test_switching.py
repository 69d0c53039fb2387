"""Versions change and the computer is paused while cases flow: none is lost, none is in doubt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from diagnoses import workflow
from diagnoses.inference import claim
from diagnoses.models import Case, CaseEvent, Prediction, Scoring
from diagnoses.states import WorkflowError
from diagnoses.tasks import sweep
from mlservice import deciding, registry
from mlservice.models import Activation, ModelVersion
from mlservice.serving import Shelf
from notifications.models import Event, Message
from tests.cases import a_model_version, claimed, prediction, score_next, submitted
from tests.cast import Cast, build_cast
from tests.mlservice.bundles import both_shipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
SECONDS = 60


@pytest.fixture
def version(db: None) -> ModelVersion:
    return a_model_version()


def reasons(case: Case) -> list[str]:
    return [
        event.detail["reason"]
        for event in CaseEvent.objects.filter(case=case, kind="unscored").order_by("pk")
    ]


# --- A pause -------------------------------------------------------------------------------------


def test_while_paused_a_new_case_goes_straight_to_the_doctors(
    cast: Cast, version: ModelVersion
) -> None:
    deciding.pause("skin", cast.root, "It is wrong too often.")
    case = submitted(cast.ana)
    assert (case.status, case.tier) == ("partial", None)
    assert reasons(case) == ["paused"]
    assert not Scoring.objects.filter(case=case).exists()
    told = Message.objects.filter(event=Event.CASE_TO_READ, about=f"case:{case.pk}")
    assert {message.recipient for message in told} == {cast.ruth, cast.sam}
    page = cast.client(cast.ruth).get("/worklist/").content.decode()
    assert case.reference in page


def test_what_waits_when_the_pause_begins_goes_to_the_doctors_and_is_not_claimed(
    cast: Cast, version: ModelVersion
) -> None:
    case = submitted(cast.ana)
    deciding.pause("skin", cast.root, "Stop.")
    assert claim([version.pk]) == [], "before anybody has swept"
    sweep()
    case.refresh_from_db()
    assert case.status == "partial"
    assert reasons(case) == ["paused"]
    assert Scoring.objects.get(case=case).error == "paused"
    assert workflow.pass_on_the_paused() == 0


def test_what_a_worker_has_in_hand_when_the_pause_begins_is_not_filed(
    cast: Cast, version: ModelVersion
) -> None:
    case = submitted(cast.ana)
    row = claimed(case)
    deciding.pause("skin", cast.root, "Stop.")
    workflow.pass_on_the_paused()
    assert not workflow.attach((row, prediction(row)))
    assert not Prediction.objects.exists()
    case.refresh_from_db()
    assert (case.status, case.tier) == ("partial", None)


def test_when_the_pause_ends_new_cases_are_scored_and_the_others_may_be_sent_again(
    cast: Cast, version: ModelVersion
) -> None:
    deciding.pause("skin", cast.root, "Stop.")
    waited = submitted(cast.ana)
    with pytest.raises(WorkflowError, match="paused"):
        workflow.requeue(waited, cast.ada)
    deciding.resume("skin", cast.root)
    assert Scoring.objects.waiting().filter(case=submitted(cast.ana)).exists()
    workflow.requeue(waited, cast.ada)
    assert {row.case_id for row in claim([version.pk])} >= {waited.pk}


def test_a_paused_computer_is_no_reason_to_take_no_cases(cast: Cast, client: Client) -> None:
    registry.activate(both_shipped()[1], None)
    deciding.pause("skin", cast.root, "Stop.")
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["paused"] == ["skin"]


# --- Versions change -----------------------------------------------------------------------------


def test_what_was_queued_for_a_version_is_scored_by_it_after_the_change(cast: Cast) -> None:
    old, new = both_shipped()
    registry.activate(old, None)
    before = submitted(cast.ana)
    deciding.promote(new, cast.root, old.pk)
    after = submitted(cast.ana)
    shelf = Shelf()
    while score_next(shelf):
        pass
    for case, version in ((before, old), (after, new)):
        view = Prediction.objects.get(case=case)
        assert view.model_version == version
        named = view.receipt["weights_sha256"], view.receipt["manifest_sha256"]
        assert named == (version.weights_hash, version.manifest_hash)


@pytest.mark.django_db(transaction=True)
def test_each_prediction_names_one_version_that_served_while_versions_change() -> None:
    """A patient sends, a worker scores, an admin promotes and rolls back, all at once."""
    cast = build_cast()
    old, new = both_shipped()
    registry.activate(old, None)
    over, trouble = threading.Event(), list[str]()
    sent: list[tuple[UUID, datetime, datetime]] = []

    def worker() -> None:
        shelf = Shelf()
        while not over.is_set() or Scoring.objects.due().exists():
            score_next(shelf)
            time.sleep(0.02)

    def patient() -> None:
        for _ in range(24):
            began = datetime.now().astimezone()
            case = submitted(cast.ana)
            sent.append((case.pk, began, datetime.now().astimezone()))

    sending, scoring = in_background(patient, trouble), in_background(worker, trouble)
    while sending.is_alive():
        deciding.promote(new, cast.root, old.pk)
        time.sleep(0.05)
        deciding.roll_back(new, cast.root)
        time.sleep(0.05)
    over.set()
    scoring.join(SECONDS)
    assert trouble == []

    moments = list(Activation.objects.order_by("pk").values_list("version", "at"))
    assert len(moments) > 4, "nothing changed while they flowed"
    views = {view.case_id: view for view in Prediction.objects.select_related("model_version")}
    assert len(views) == len(sent) == Case.objects.filter(status="partial").count(), "one is lost"
    for case, began, ended in sent:
        view = views[case]
        named = view.receipt["weights_sha256"], view.receipt["manifest_sha256"]
        assert named == (view.model_version.weights_hash, view.model_version.manifest_hash)
        assert view.model_version_id in served_between(moments, began, ended)
    used = {view.model_version_id for view in views.values()}
    assert used == {old.pk, new.pk}, "only one version was used"


def in_background(work: Callable[[], None], trouble: list[str]) -> threading.Thread:
    def guarded() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the test tells
            trouble.append(repr(error))
        finally:
            connection.close()

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread


def served_between(
    moments: list[tuple[int, datetime]], began: datetime, ended: datetime
) -> set[int]:
    """The versions in service at any moment from ``began`` to ``ended``."""
    ends = [at for _, at in moments[1:]] + [ended]
    return {
        version
        for (version, since), until in zip(moments, ends, strict=True)
        if since <= ended and until >= began
    }

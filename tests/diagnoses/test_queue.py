"""Rows are the queue: claims, leases, retries, and workers that die."""

from __future__ import annotations

import io
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import people
from accounts.models import Consent
from diagnoses import inference, worker, workflow
from diagnoses.inference import Batch, claim, release
from diagnoses.intake import clean
from diagnoses.models import Case, Photo, Prediction, Scoring
from diagnoses.prediction import prediction_of
from diagnoses.states import NewPhoto
from mlservice import registry
from mlservice.engine import shipped
from mlservice.models import ModelVersion
from mlservice.serving import Shelf
from notifications.models import Event, Message
from tests.cases import InThisProcess, a_model_version, photo, prediction, score_next, submitted
from tests.cast import Cast, build_cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


@pytest.fixture
def version() -> ModelVersion:
    return a_model_version()


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """One loaded network for the whole module: loading is what costs."""
    return Shelf()


def active_shipped(shelf: Shelf) -> ModelVersion:
    """The shipped model, registered and active in this test's database, loaded once."""
    version = registry.register(shipped("skin"))
    registry.activate(version, None)
    held = list(shelf.loaded.values())
    shelf.loaded = {version.pk: held[0]} if held else {}
    return version


def taken(cast: Cast, shelf: Shelf) -> Batch:
    """A case of Ana's in a worker's hands, to be scored by the shipped model."""
    active_shipped(shelf)
    submitted(cast.ana)
    inference.load_wanted(shelf)
    batch = inference.take(shelf, InThisProcess())
    assert batch is not None
    return batch


# --- Claiming ------------------------------------------------------------------------------------


def test_urgent_first_then_oldest(cast: Cast, version: ModelVersion) -> None:
    calm = submitted(cast.ana)
    later = submitted(cast.ana)
    urgent = submitted(cast.ana, answers={"bleeding": "bleeds", "change_size": "yes"})
    order = [row.case for _ in range(3) for row in claim([version.pk], at_most=1)]
    assert order == [urgent, calm, later]


def test_a_claimed_row_is_not_claimed_again(cast: Cast, version: ModelVersion) -> None:
    submitted(cast.ana)
    assert len(claim([version.pk])) == 1
    assert claim([version.pk]) == []


def test_a_lease_that_ran_out_is_claimed_again_alone(cast: Cast, version: ModelVersion) -> None:
    first = submitted(cast.ana)
    [row] = claim([version.pk])
    Scoring.objects.filter(pk=row.pk).update(lease_until=Now() - timedelta(seconds=1))
    submitted(cast.ana)
    [again] = claim([version.pk])
    assert again.case == first
    assert again.attempts == 2
    assert again.token != row.token


def test_a_failed_row_waits_until_nothing_else_is_in_hand(
    cast: Cast, version: ModelVersion
) -> None:
    """What ended one worker must not take a second batch with it."""
    submitted(cast.ana)
    [row] = claim([version.pk])
    release(row, "decoder crashed")
    Scoring.objects.update(run_after=Now())
    submitted(cast.ana)
    assert claim([version.pk], fresh_only=True) == [], "and none overtakes it for ever"
    [alone] = claim([version.pk])
    assert alone.pk == row.pk


def test_a_batch_never_mixes_versions(cast: Cast, version: ModelVersion) -> None:
    old = [submitted(cast.ana) for _ in range(2)]
    ModelVersion.objects.filter(pk=version.pk).update(state=ModelVersion.State.RETIRED)
    new = a_model_version(version="newer")
    young = [submitted(cast.ana) for _ in range(2)]
    both = [version.pk, new.pk]
    assert [row.case for row in claim(both)] == old
    assert [row.case for row in claim(both)] == young


def test_a_batch_handed_back_was_no_attempt(cast: Cast, shelf: Shelf) -> None:
    batch = taken(cast, shelf)
    inference.hand_back(batch)
    row = Scoring.objects.get()
    assert (row.token, row.lease_until, row.attempts) == (None, None, 0)
    assert score_next(shelf) == 1


def test_a_view_is_filed_once_however_often_it_is_settled(cast: Cast, shelf: Shelf) -> None:
    """The database went away with the answer to a commit: the clerk settles again."""
    batch = taken(cast, shelf)
    outcome = inference.predict(batch)
    inference.settle(batch, outcome)
    inference.settle(batch, outcome)
    assert Prediction.objects.count() == 1


def test_one_row_that_cannot_be_filed_does_not_hold_up_its_batch_mates(
    cast: Cast, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was taken over by another worker, one is refused by the database; two are filed."""
    active_shipped(shelf)
    cases = [submitted(cast.ana) for _ in range(4)]
    inference.load_wanted(shelf)
    batch = inference.take(shelf, InThisProcess())
    assert batch is not None
    outcome = inference.predict(batch)
    late, refused, *well = [job.scoring for job in batch.jobs]
    Scoring.objects.filter(pk=late.pk).update(token=uuid4())

    def crooked(served: Any, scoring: Scoring, *rest: Any) -> Prediction:
        view = prediction_of(served, scoring, *rest)
        view.no_disease ^= scoring == refused
        return view

    monkeypatch.setattr(inference, "prediction_of", crooked)
    inference.settle(batch, outcome)
    assert set(Prediction.objects.values_list("scoring", flat=True)) == {row.pk for row in well}
    refused.refresh_from_db()
    assert "prediction_the_80_percent_rule" in refused.error
    late.refresh_from_db()
    assert late.token is not None, "the other worker's"
    assert Message.objects.filter(event=Event.CASE_CHECKED).count() == len(cases) - 2


def test_filing_many_costs_few_statements_more_than_filing_one(cast: Cast) -> None:
    version = a_model_version()
    first, *more = [submitted(cast.ana) for _ in range(inference.CASES_AT_ONCE + 1)]
    claimed_now = {row.case_id: row for row in claim([version.pk], at_most=9)}
    with CaptureQueriesContext(connection) as for_one:
        assert workflow.attach((row := claimed_now[first.pk], prediction(row)))
    rows = [claimed_now[case.pk] for case in more]
    with CaptureQueriesContext(connection) as for_four:
        assert workflow.attach(*[(row, prediction(row)) for row in rows])
    each = 2  # a case's own move and its event
    assert len(for_four) - len(for_one) == each * (len(rows) - 1)


def test_only_versions_this_worker_can_serve(cast: Cast, version: ModelVersion) -> None:
    submitted(cast.ana)
    assert claim([]) == []
    assert score_next(Shelf()) == 0, "its bundle does not exist: refused, not claimed"
    assert Scoring.objects.get().attempts == 0


def test_a_released_row_comes_back_a_little_later(cast: Cast, version: ModelVersion) -> None:
    submitted(cast.ana)
    [row] = claim([version.pk])
    release(row, "the engine stumbled")
    assert claim([version.pk]) == [], "not at once"
    Scoring.objects.update(run_after=Now())
    [again] = claim([version.pk])
    assert (again.attempts, again.error) == (2, "the engine stumbled")


def test_after_three_tries_the_doctors_have_it(cast: Cast, version: ModelVersion) -> None:
    case = submitted(cast.ana)
    for attempt in (1, 2, 3):
        [row] = claim([version.pk])
        assert row.attempts == attempt
        release(row, "decoder crashed")
        Scoring.objects.update(run_after=Now())
    assert claim([version.pk]) == []
    assert inference.give_up_exhausted() == 1
    case.refresh_from_db()
    assert (case.status, case.tier) == ("partial", None)
    first = Case.objects.readable_by_doctor(cast.ruth).awaiting_review().urgent_first()[0]
    assert first == case


@pytest.mark.django_db(transaction=True)
def test_eight_workers_never_share_a_row(media: Any) -> None:
    cast, version = build_cast(), a_model_version()
    for _ in range(24):
        submitted(cast.ana)
    taken: list[int] = []
    gate = threading.Barrier(8)

    def work() -> None:
        gate.wait()
        while rows := claim([version.pk], at_most=2):
            taken.extend(row.pk for row in rows)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 24
    assert len(set(taken)) == 24


# --- Workers that die ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_rows_of_a_dead_worker_are_free_at_once(media: Any) -> None:
    cast, version = build_cast(), a_model_version()
    submitted(cast.ana)
    lock = worker.WorkerLock(4711)
    lock.hold()
    [row] = claim([version.pk], holder=4711)
    assert worker.free_rows_of_the_dead() == 0, "it lives"
    lock.drop()
    assert worker.free_rows_of_the_dead() == 1
    [again] = claim([version.pk])
    assert (again.pk, again.attempts) == (row.pk, 2)


@pytest.mark.django_db(transaction=True)
def test_the_lock_is_taken_again_after_the_database_came_back(media: Any) -> None:
    lock = worker.WorkerLock(4712)
    lock.hold()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND objid = 4712"
        )
        lock.hold()
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712")
        assert cursor.fetchone() == (1,)
    lock.drop()


# --- Scoring with the real network ---------------------------------------------------------------


def test_a_case_is_scored_by_the_shipped_model(cast: Cast, shelf: Shelf) -> None:
    version = active_shipped(shelf)
    case = submitted(cast.ana)
    assert score_next(shelf) == 1
    case.refresh_from_db()
    view = case.prediction
    assert view is not None
    assert case.status == Case.Status.PARTIAL
    assert set(view.probabilities) == {label.name for label in case.pack.labels}
    assert sum(view.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert view.no_disease == (view.confidence < 0.80)
    assert view.receipt["weights_sha256"] == version.weights_hash
    assert len(view.embedding) % 4 == 0
    assert score_next(shelf) == 0


def test_a_batch_gives_everyone_their_own_result(cast: Cast, shelf: Shelf) -> None:
    active_shipped(shelf)
    kinds = ("mel", "nv", "vasc")
    together = [
        submitted(cast.ana, photos=[NewPhoto("dermoscopic", photo(7, kind=kind))]) for kind in kinds
    ]
    assert score_next(shelf) == 3
    for case, kind in zip(together, kinds, strict=True):
        alone = submitted(cast.ana, photos=[NewPhoto("dermoscopic", photo(7, kind=kind))])
        assert score_next(shelf) == 1
        one, other = case.prediction, alone.prediction
        assert one is not None
        assert other is not None
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_the_riskiest_photo_decides_and_overviews_are_never_scored(
    cast: Cast, shelf: Shelf
) -> None:
    active_shipped(shelf)
    views = [
        NewPhoto("overview", photo(1)),
        NewPhoto("dermoscopic", photo(7, kind="mel")),
        NewPhoto("dermoscopic", photo(7, kind="nv")),
    ]
    case = submitted(cast.ana, photos=views)
    score_next(shelf)
    view = case.prediction
    assert view is not None
    assert len(view.photos) == 2
    assert view.photo.kind == "dermoscopic"
    assert view.risk == max(one["risk"] for one in view.photos)


def test_a_phone_photo_is_never_green(cast: Cast, shelf: Shelf) -> None:
    active_shipped(shelf)
    case = submitted(cast.ana, photos=[NewPhoto("close_up", photo(2))])
    score_next(shelf)
    case.refresh_from_db()
    assert case.tier in {"amber", "red"}


def test_ordinary_photos_get_no_class(cast: Cast, shelf: Shelf, real_data: Path) -> None:
    """Every 50th of 500 photos of anything but skin, declared as dermoscopic."""
    active_shipped(shelf)
    for path in sorted((real_data / "ood").glob("*.webp"))[::50]:
        picture = clean(io.BytesIO(path.read_bytes()))
        submitted(cast.ana, photos=[NewPhoto("dermoscopic", picture)])
    while score_next(shelf):
        pass
    seen = Prediction.objects.all()
    assert len(seen) == 10
    assert not any(view.tier == "green" for view in seen)
    assert sum(not view.names_a_class for view in seen) >= 9
    assert all(view.label == "" for view in seen if not view.names_a_class)


def test_consent_taken_back_while_waiting_is_heard(cast: Cast, shelf: Shelf) -> None:
    active_shipped(shelf)
    case = submitted(cast.ana)
    people.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    score_next(shelf)
    case.refresh_from_db()
    assert (case.status, case.prediction) == ("partial", None)
    assert case.events.get(kind="unscored").detail == {"reason": "no_consent"}


def test_other_cuts_under_the_same_weights_are_refused(cast: Cast, shelf: Shelf) -> None:
    """The manifest is what was registered, or nothing is claimed."""
    version = active_shipped(shelf)
    shelf.loaded.clear()
    ModelVersion.objects.filter(pk=version.pk).update(manifest_hash="0" * 64)
    submitted(cast.ana)
    assert score_next(shelf) == 0
    assert Scoring.objects.get().attempts == 0


def test_a_lost_picture_does_not_hold_up_its_batch_mates(cast: Cast, shelf: Shelf) -> None:
    active_shipped(shelf)
    broken, whole = submitted(cast.ana), submitted(cast.ana)
    Photo.objects.get(case=broken).file.delete(save=False)
    assert score_next(shelf) == 2
    assert Prediction.objects.get().case == whole
    row = Scoring.objects.get(case=broken)
    assert (row.token, row.attempts) == (None, 1)
    assert "unreadable" in row.error


def test_the_threshold_of_the_version_decides(cast: Cast, shelf: Shelf) -> None:
    version = active_shipped(shelf)
    ModelVersion.objects.filter(pk=version.pk).update(threshold=0.999999)
    case = submitted(cast.ana)
    score_next(shelf)
    view = case.prediction
    assert view is not None
    assert (view.threshold, view.no_disease, view.label) == (0.999999, True, "")


def test_ten_minutes_unscored_shows_by_itself(cast: Cast, version: ModelVersion) -> None:
    case = submitted(cast.ana)
    waiting = Case.objects.readable_by_doctor(cast.ruth).awaiting_review()
    assert case not in waiting
    Case.objects.filter(pk=case.pk).update(submitted_at=timezone.now() - timedelta(minutes=11))
    assert waiting.urgent_first().first() == case

"""A candidate looks along at live cases: drawn, last in the queue, compared, and nothing else."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from accounts import people
from accounts.models import Consent
from diagnoses import inference, workflow
from diagnoses.inference import claim, give_up_exhausted, release
from diagnoses.models import LAST, Case, CaseEvent, Comparison, Precedent, Prediction, Scoring
from diagnoses.models.shadow import seriousness
from diagnoses.states import Answer, NewPhoto
from diagnoses.tasks import sweep
from diagnoses.workflow.shadow import drawn
from mlservice import deciding, registry, shadowing
from mlservice.models import Activation, ModelVersion, Shadow
from mlservice.serving import Shelf
from notifications.models import Message
from tests.cases import (
    AMBER,
    NOT_SURE,
    RED,
    a_model_version,
    claimed,
    in_the_shadow,
    photo,
    prediction,
    scored,
    submitted,
)
from tests.cast import Cast
from tests.mlservice.bundles import both_shipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
NOTHING = {"modality": "not_skin", "label": "", "picture_tier": "amber"}


@pytest.fixture
def active(db: None) -> ModelVersion:
    return a_model_version()


@pytest.fixture
def candidate(active: ModelVersion) -> ModelVersion:
    return a_model_version(version="the next", state="registered")


@pytest.fixture
def run(cast: Cast, candidate: ModelVersion) -> Shadow:
    return in_the_shadow(candidate, cast.root)


def waits(case: Case) -> Scoring:
    return Scoring.objects.waiting().get(case=case)


def looked_along(case: Case, **changes: Any) -> Case:
    row = claimed(case)
    assert row.purpose == "shadow"
    assert workflow.attach((row, prediction(row, **changes)))
    case.refresh_from_db()
    return case


# --- Which cases ---------------------------------------------------------------------------------


def test_a_live_view_has_the_candidate_look_at_the_same_case(
    cast: Cast, run: Shadow, active: ModelVersion
) -> None:
    case = scored(submitted(cast.ana))
    row = waits(case)
    assert (row.purpose, row.model_version, row.round) == ("shadow", run.version, 1)
    assert row.priority == LAST
    looked_along(case, **RED)
    assert not Scoring.objects.waiting().exists(), "and what it says asks for no further look"
    view = Prediction.objects.shadow().get(case=case)
    assert (view.model_version, view.tier) == (run.version, "red")


def test_a_share_is_drawn_by_the_case_and_a_larger_one_holds_the_smaller() -> None:
    cases = [uuid.uuid4() for _ in range(2000)]
    assert all(drawn(case, 100) for case in cases)
    ten, half = ({case for case in cases if drawn(case, share)} for share in (10, 50))
    assert ten < half
    assert 0.06 < len(ten) / len(cases) < 0.14
    assert 0.44 < len(half) / len(cases) < 0.56


def test_only_the_share_is_queued(cast: Cast, candidate: ModelVersion) -> None:
    in_the_shadow(candidate, cast.root, share=50)
    cases = [scored(submitted(cast.ana)) for _ in range(12)]
    queued = set(Scoring.objects.shadow().values_list("case", flat=True))
    assert queued == {case.pk for case in cases if drawn(case.pk, 50)}


def test_where_nothing_runs_a_view_costs_one_statement_more_and_queues_nothing(
    cast: Cast, active: ModelVersion, candidate: ModelVersion
) -> None:
    def statements(count: int) -> list[str]:
        rows = [claimed(submitted(cast.ana)) for _ in range(count)]
        with CaptureQueriesContext(connection) as captured:
            assert workflow.attach(*[(row, prediction(row)) for row in rows])
        return [query["sql"] for query in captured]

    few, many = statements(1), statements(6)
    for found in (few, many):
        assert sum("mlservice_shadow" in sql for sql in found) == 1
    assert not Scoring.objects.shadow().exists()
    in_the_shadow(candidate, cast.root)
    some, more = statements(1), statements(6)
    assert Scoring.objects.shadow().count() == 7
    inserted = [sql for sql in more if sql.startswith('INSERT INTO "diagnoses_scoring"')]
    assert len(inserted) == 1, "one for all"
    assert (len(some), len(more)) == (len(few) + 1, len(many) + 1)


def test_what_the_candidate_itself_was_queued_for_is_not_compared_with_itself(
    cast: Cast, candidate: ModelVersion
) -> None:
    case = submitted(cast.ana)
    in_the_shadow(ModelVersion.objects.get(state="active"), cast.root)
    scored(case)
    assert not Scoring.objects.shadow().exists()


def test_a_retake_is_looked_at_again_and_takes_the_place_of_what_was_before(
    cast: Cast, run: Shadow
) -> None:
    case = looked_along(scored(submitted(cast.ana)), **RED)
    assert Comparison.objects.get().candidate_tier == "red"
    workflow.retake(case, cast.ana, [NewPhoto("dermoscopic", photo(2))], uuid.uuid4())
    scored(case)
    assert waits(case).round == 2
    looked_along(case, **AMBER)
    one = Comparison.objects.get()
    assert (one.active_tier, one.candidate_tier) == ("green", "amber")
    assert one.candidate_view == Prediction.objects.shadow().latest("pk")


def test_a_candidate_does_not_see_a_photo_that_the_live_view_had_not(
    cast: Cast, run: Shadow
) -> None:
    case = scored(submitted(cast.ana))
    row = claimed(case)
    workflow.retake(case, cast.ana, [NewPhoto("dermoscopic", photo(2))], uuid.uuid4())
    assert not workflow.attach((row, prediction(row))), "who is at it finds the row gone"
    assert not Scoring.objects.waiting().shadow().exists()
    assert not Comparison.objects.exists()


# --- Last in the queue ---------------------------------------------------------------------------


def test_every_live_row_comes_first_and_none_shares_a_batch(
    cast: Cast, run: Shadow, active: ModelVersion
) -> None:
    old = [scored(submitted(cast.ana)) for _ in range(3)]
    young = [submitted(cast.ana) for _ in range(2)]
    both = [active.pk, run.version_id]
    assert [row.case for row in claim(both, at_most=8)] == young
    for case in old:
        [row] = claim(both, at_most=8)
        assert (row.case, row.purpose) == (case, "shadow"), "one at a time"
    assert claim(both) == []


def test_a_candidate_waits_until_nothing_is_in_hand(
    cast: Cast, run: Shadow, active: ModelVersion
) -> None:
    scored(submitted(cast.ana))
    both = [active.pk, run.version_id]
    assert claim(both, fresh_only=True) == []
    live = submitted(cast.ana)
    assert [row.case for row in claim(both, fresh_only=True)] == [live]
    assert [row.purpose for row in claim(both)] == ["shadow"]


def test_bad_news_does_not_bring_a_candidates_row_forward(cast: Cast, run: Shadow) -> None:
    case = scored(submitted(cast.ana))
    workflow.raise_urgency(case, cast.ana, "It bled", {"bleeding": "bleeds", "change_size": "yes"})
    assert waits(case).priority == LAST


def test_the_database_keeps_a_candidate_behind_every_live_row(
    cast: Cast, active: ModelVersion
) -> None:
    row = submitted(cast.ana).scorings.get()
    for wrong in ({"purpose": "shadow"}, {"priority": LAST}, {"purpose": "shadow", "priority": 0}):
        with (
            pytest.raises(IntegrityError, match="scoring_shadow_comes_last"),
            transaction.atomic(),
        ):
            Scoring.objects.filter(pk=row.pk).update(**wrong)


def test_a_candidates_row_is_tried_once_and_its_failure_is_told_to_nobody(
    cast: Cast, run: Shadow
) -> None:
    case = scored(submitted(cast.ana))
    said = Message.objects.count(), CaseEvent.objects.count()
    [row] = claim([run.version_id])
    release(row, "the decoder crashed")
    Scoring.objects.waiting().update(run_after=Now())
    assert claim([run.version_id]) == []
    assert give_up_exhausted() == 1
    row.refresh_from_db()
    assert (row.settled_at is not None, row.error) == (True, "the decoder crashed")
    case.refresh_from_db()
    assert (case.status, case.tier) == ("partial", "green")
    assert (Message.objects.count(), CaseEvent.objects.count()) == said


def test_a_candidates_network_is_loaded_beside_the_work(cast: Cast) -> None:
    other, active = both_shipped()
    registry.activate(active, None)
    shadowing.start(other, cast.root, 100)
    case = scored(submitted(cast.ana))
    live = submitted(cast.ana)
    told: list[str] = []
    shelf = Shelf(before_loading=lambda: told.append("the clerk waits"))
    inference.load_wanted(shelf)
    assert (set(shelf.loaded), told) == ({active.pk}, ["the clerk waits"])
    deadline = time.monotonic() + 60
    while other.pk not in shelf.loaded:
        assert time.monotonic() < deadline, shelf.refused
        time.sleep(0.05)
        inference.load_wanted(shelf)
    assert told == ["the clerk waits"], "once, for the one in service"
    assert [row.case for row in claim(shelf.loaded)] == [live]
    assert [row.case for row in claim(shelf.loaded)] == [case]


def test_a_candidate_that_cannot_be_loaded_holds_up_nobody(cast: Cast, run: Shadow) -> None:
    scored(submitted(cast.ana))
    shelf = Shelf()
    deadline = time.monotonic() + 30
    while not shelf.refused:
        assert time.monotonic() < deadline
        inference.load_wanted(shelf)
        time.sleep(0.02)
    assert run.version_id in shelf.refused
    assert shelf.loaded == {}


# --- It ends -------------------------------------------------------------------------------------


def by_stopping(cast: Cast, run: Shadow) -> None:
    shadowing.stop(run.version, cast.root)


def by_serving(cast: Cast, run: Shadow) -> None:
    current = registry.lock("skin")
    assert current is not None
    activation = Activation(how="gate", by=cast.root)
    registry.put_into_service(run.version, current, activation)


@pytest.mark.parametrize("end", [by_stopping, by_serving])
def test_when_it_ends_what_waits_is_closed_and_what_is_in_hand_not_kept(
    cast: Cast, run: Shadow, end: Callable[[Cast, Shadow], None]
) -> None:
    case, other = (scored(submitted(cast.ana)) for _ in range(2))
    row = claimed(case)
    with transaction.atomic():
        end(cast, run)
    assert claim([run.version_id]) == [], "before anybody has swept"
    assert workflow.attach((row, prediction(row)))
    assert not Prediction.objects.shadow().exists()
    sweep()
    for one in Scoring.objects.shadow().filter(case__in=[case, other]):
        assert (one.settled_at is not None, one.error) == (
            True, "the candidate looks along no more",
        )  # fmt: skip
    assert not Comparison.objects.exists()


def test_while_the_computer_is_paused_a_candidate_is_neither_queued_nor_claimed(
    cast: Cast, run: Shadow, active: ModelVersion
) -> None:
    waiting, live = scored(submitted(cast.ana)), claimed(submitted(cast.ana))
    deciding.pause("skin", cast.root, "Stop.")
    assert claim([run.version_id]) == []
    assert workflow.attach((live, prediction(live))), "in the second before the workers know"
    assert not Scoring.objects.shadow().filter(case=live.case).exists()
    sweep()
    assert waits(waiting).purpose == "shadow"
    deciding.resume("skin", cast.root)
    assert [row.case for row in claim([run.version_id])] == [waiting]


def test_who_takes_the_consent_back_is_not_looked_at(cast: Cast, run: Shadow) -> None:
    case, other = (scored(submitted(cast.ana)) for _ in range(2))
    row = claimed(case)
    told = Message.objects.count()
    workflow.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    assert not Scoring.objects.waiting().exists()
    assert not workflow.attach((row, prediction(row)))
    assert Message.objects.count() == told
    other.refresh_from_db()
    assert other.status == "partial"


def test_a_worker_asks_for_the_consent_itself(cast: Cast, run: Shadow) -> None:
    scored(submitted(cast.ana))
    people.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)  # as an erasure does
    served: Any = type("Served", (), {"predictor": type("P", (), {"batch_size": 1})(),
        "bundle": type("B", (), {"fields": (1.0,)})()})()  # fmt: skip
    decoder: Any = None  # is never asked
    batch = inference.take(Shelf({run.version_id: served}), decoder)
    assert batch is not None
    assert batch.jobs == []
    assert Scoring.objects.shadow().get().error == "consent taken back"


def test_a_withdrawn_case_is_not_looked_at(cast: Cast, run: Shadow) -> None:
    case = scored(submitted(cast.ana))
    workflow.withdraw(case, cast.ana)
    assert not Scoring.objects.waiting().exists()


# --- Compared ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "seen", "tiers", "serious"),
    [
        (RED, {}, ("red", "green"), 6),
        (AMBER, {}, ("amber", "green"), 5),
        (RED, AMBER, ("red", "amber"), 4),
        ({}, RED, ("green", "red"), 3),
        ({}, AMBER, ("green", "amber"), 2),
        (AMBER, RED, ("amber", "red"), 2),
        ({}, NOT_SURE, ("green", "green"), 1),
        ({}, {}, ("green", "green"), 0),
        (NOTHING, {}, ("", "green"), 6),
        ({}, NOTHING, ("green", ""), 3),
        (RED, NOTHING, ("red", ""), 1),
        (NOTHING, NOTHING, ("", ""), 0),
    ],
)
def test_how_much_a_difference_matters(
    cast: Cast,
    run: Shadow,
    active: ModelVersion,
    live: dict[str, Any],
    seen: dict[str, Any],
    tiers: tuple[str, str],
    serious: int,
) -> None:
    looked_along(scored(submitted(cast.ana), **live), **seen)
    one = Comparison.objects.get()
    assert (one.active_tier, one.candidate_tier) == tiers
    assert one.seriousness == serious
    assert (one.run, one.active) == (run, active)
    assert one.active_view.scoring.purpose == "live"
    assert one.candidate_view.scoring.purpose == "shadow"


def test_every_pair_of_tiers_has_its_place() -> None:
    tiers = ("red", "amber", "green", "")
    found = {(a, b): seriousness(a, b, same_words=True) for a in tiers for b in tiers}
    assert all(found[tier, tier] == 0 for tier in tiers)
    calmer = [found["red", "green"], found["amber", "green"], found["red", "amber"]]
    assert min(calmer) > max(n for pair, n in found.items() if pair not in {
        ("red", "green"), ("amber", "green"), ("red", "amber"), ("", "green"), ("", "amber"),
    })  # fmt: skip


def test_both_tiers_are_raised_by_the_same_answers(cast: Cast, run: Shadow) -> None:
    """What a patient says between the two views is no difference between two networks."""
    case = scored(submitted(cast.ana))
    workflow.raise_urgency(case, cast.ana, "It bled", {"bleeding": "bleeds", "change_size": "yes"})
    looked_along(case)
    one = Comparison.objects.get()
    assert one.active_tier == one.candidate_tier != "green"
    assert one.seriousness == 0


def test_a_view_that_comes_after_the_signature_is_compared_and_remembered_by_nobody(
    cast: Cast, run: Shadow
) -> None:
    points = {"embedding": b"\x00\x00\x80\x3f" * 4}
    case = scored(submitted(cast.ana), **points)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, Answer(diagnosis="nv", plan="reassure", advice="Harmless."))
    looked_along(case, embedding=b"\x00\x00\x00\x40" * 4, **RED)
    assert Comparison.objects.get().seriousness == 3
    kept = Precedent.objects.get(case=case)
    assert kept.prediction == Prediction.objects.live().get(case=case)
    assert kept.network == kept.prediction.model_version.weights_hash

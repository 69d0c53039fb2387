"""The life of a case, told through the workflow alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import people
from accounts.models import Clinic, Consent
from diagnoses import presenting, workflow
from diagnoses.models import Case, FirstReading, Prediction, Review, Scoring
from diagnoses.states import MOVES, Answer, Moved, NotYet, WorkflowError
from diagnoses.workflow.moves import move
from notifications.models import Event, Message
from tests.cases import (
    AMBER,
    RED,
    a_model_version,
    claimed,
    prediction,
    scored,
    submitted,
    told,
)
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)


def read(case: Case, doctor: Any, diagnosis: str = "nv") -> FirstReading:
    return workflow.read_first(
        case, doctor, diagnosis=diagnosis, confidence="sure", plan="reassure"
    )


# --- The computer's view -------------------------------------------------------------------------


def test_the_view_comes_in(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    assert (case.status, case.tier, case.risk) == ("partial", "green", 0.02)
    assert case.prediction is not None
    assert told(case, Event.CASE_CHECKED) == {"ana"}
    assert told(case, Event.CASE_TO_READ) == {"ruth", "sam"}


def test_only_the_doctor_asked_for_is_told(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana, doctor=cast.sam))
    assert told(case, Event.CASE_TO_READ) == {"sam"}


def test_answers_raise_the_pictures_tier(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana, answers={"change_size": "yes", "bleeding": "bleeds"}))
    assert case.tier == "red"
    view = case.prediction
    assert view is not None
    assert (view.picture_tier, view.tier, view.points) == ("green", "red", 3)
    assert view.reasons[:2] == ["points_urgent", "bleeding_and_growing"]


def test_answers_never_lower_it(cast: Cast) -> None:
    a_model_version()
    assert scored(submitted(cast.ana), **RED).tier == "red"


def test_red_is_due_sooner_than_green(cast: Cast) -> None:
    a_model_version()
    green, red = submitted(cast.ana), submitted(cast.ana)
    before = red.answer_due_at
    sooner = before - scored(red, **RED).answer_due_at
    assert abs(sooner - timedelta(hours=48)) < timedelta(minutes=1)
    assert scored(green).answer_due_at > red.answer_due_at


def test_a_late_answer_with_an_old_token_is_refused(cast: Cast) -> None:
    """The zombie: stopped past its lease, then continued, while another worker has the row."""
    a_model_version()
    case = submitted(cast.ana)
    zombie, alive = claimed(case), claimed(case)
    assert workflow.attach((zombie, prediction(zombie, **RED))) is False
    assert Prediction.objects.count() == 0
    assert workflow.attach((alive, prediction(alive))) is True
    assert workflow.attach((alive, prediction(alive))) is False, "settled once"
    assert Prediction.objects.get().tier == "green"
    assert Message.objects.filter(event=Event.CASE_CHECKED).count() == 1


def test_giving_up_tells_everyone_all_the_same(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana)
    assert workflow.give_up(claimed(case), "decoder crashed")
    case.refresh_from_db()
    assert (case.status, case.tier) == ("partial", None)
    assert told(case, Event.CASE_CHECKED) == {"ana"}
    first = Case.objects.readable_by_doctor(cast.ruth).awaiting_review().urgent_first().first()
    assert first == case


def test_held_results_are_not_announced(cast: Cast) -> None:
    a_model_version()
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    case = scored(submitted(cast.ana))
    assert told(case, Event.CASE_CHECKED) == set()
    assert told(case, Event.CASE_TO_READ) == {"ruth", "sam"}


def test_a_view_after_the_signature_changes_nothing(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana)
    Case.objects.filter(pk=case.pk).update(submitted_at=timezone.now() - timedelta(minutes=11))
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    late = scored(case, **RED)
    assert (late.status, late.tier) == ("final", None)
    assert late.prediction is not None, "kept, for the record"
    assert told(case, Event.CASE_CHECKED) == set()


def test_a_photo_of_something_else_gets_no_class_and_goes_on_top(cast: Cast) -> None:
    a_model_version()
    case = scored(
        submitted(cast.ana),
        modality="not_skin", label="", picture_tier="amber", reasons=["not_skin"],
    )  # fmt: skip
    assert (case.status, case.tier, case.risk) == ("partial", None, None)
    assert case.prediction is not None, "kept, for the record"
    assert presenting.patient_card(case).key == "not_judged"
    assert told(case, Event.CASE_CHECKED) == {"ana"}
    with pytest.raises(IntegrityError, match="80_percent"), transaction.atomic():
        scored(submitted(cast.ana), modality="phone", label="")


def test_tell_us_now_only_raises(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    workflow.raise_urgency(case, cast.ana, "It bled", {"bleeding": "bleeds", "change_size": "yes"})
    case.refresh_from_db()
    assert case.tier == "red"
    workflow.raise_urgency(case, cast.ana, "All fine now", {"bleeding": "no", "change_size": "no"})
    case.refresh_from_db()
    assert case.tier == "red"


def test_tell_us_now_only_raises_before_the_score_too(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana, answers={"bleeding": "bleeds", "change_size": "yes"})
    workflow.raise_urgency(case, cast.ana, "No", {"bleeding": "no", "change_size": "no"})
    case.refresh_from_db()
    assert case.answers == {"bleeding": "bleeds", "change_size": "yes"}
    told_now = case.events.get(kind="told_more").detail["answers"]
    assert told_now == {"bleeding": "no", "change_size": "no"}, "kept, all the same"
    assert scored(case).tier == "red"


def test_telling_the_same_twice_tells_the_doctors_once(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana)
    for _ in range(3):
        workflow.raise_urgency(
            case, cast.ana, "It bled", {"bleeding": "bleeds", "change_size": "yes"}
        )
        case.refresh_from_db()
    rows = Message.objects.filter(event=Event.CASE_TO_READ, about__startswith=f"case:{case.pk}#")
    assert rows.count() == 2, "once to each doctor"


def test_a_late_case_goes_to_the_doctors_whatever_became_of_the_workers(cast: Cast) -> None:
    a_model_version()
    case, fresh = submitted(cast.ana), submitted(cast.ana)
    Case.objects.filter(pk=case.pk).update(submitted_at=timezone.now() - timedelta(minutes=11))
    assert workflow.pass_on_the_late() == 1
    case.refresh_from_db()
    fresh.refresh_from_db()
    assert (case.status, fresh.status) == ("partial", "registered")
    assert told(case, Event.CASE_CHECKED) == {"ana"}
    assert scored(case, **AMBER).tier == "amber", "a view that comes later is still filed"
    assert workflow.pass_on_the_late() == 0


def test_a_doctor_who_left_is_not_the_only_one_told(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana, doctor=cast.sam)
    people.suspend(cast.sam, cast.root, "left")
    assert told(scored(case), Event.CASE_TO_READ) == {"ruth"}
    assert presenting.doctor_name(Case.objects.get(pk=case.pk)) == "A doctor"


def test_held_results_do_not_move_the_due_time(cast: Cast) -> None:
    a_model_version()
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    case = submitted(cast.ana)
    assert scored(case, **RED).answer_due_at == Case.objects.get().answer_due_at
    assert case.tier == "red"
    fresh = submitted(cast.ana)
    assert abs(case.answer_due_at - fresh.answer_due_at) < timedelta(minutes=1)


def test_urgent_answers_keep_their_headline_on_a_photo_of_something_else(cast: Cast) -> None:
    a_model_version()
    urgent = {"bleeding": "bleeds", "change_size": "yes"}
    case = scored(
        submitted(cast.ana, answers=urgent),
        modality="not_skin", label="", picture_tier="amber", reasons=["not_skin"],
    )  # fmt: skip
    card = presenting.patient_card(case)
    assert card.key == "red"
    assert "may not show skin" in card.label_line


def test_consent_taken_back_while_waiting_stops_a_second_try(cast: Cast) -> None:
    case = submitted(cast.ana)
    a_model_version()
    people.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    with pytest.raises(WorkflowError, match="without a view"):
        workflow.requeue(case, cast.ada)


def test_an_undone_signature_opens_nothing_to_colleagues(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    case.refresh_from_db()
    assert presenting.computer_view(case, cast.ruth) is not None
    assert presenting.computer_view(case, cast.sam) is None, "it may still be undone"
    with monkeypatched_now(timezone.now() + timedelta(seconds=11)):
        assert presenting.computer_view(case, cast.sam) is not None


def test_amending_at_once_sends_one_message(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    read(case, cast.ruth)
    first = workflow.sign(case, cast.ruth, ANSWER)
    case.refresh_from_db()
    workflow.amend(case, cast.ruth, ANSWER, after=first)
    states = Message.objects.filter(recipient=cast.ana).values_list("event", "state")
    assert (Event.CASE_SIGNED, "cancelled") in states
    assert (Event.CASE_AMENDED, "pending") in states


@contextmanager
def monkeypatched_now(moment: datetime) -> Iterator[None]:
    with patch("django.utils.timezone.now", return_value=moment):
        yield


def test_an_unscored_case_can_be_queued_again(cast: Cast) -> None:
    case = submitted(cast.ana)
    with pytest.raises(WorkflowError, match="No model"):
        workflow.requeue(case, cast.ada)
    a_model_version()
    workflow.requeue(case, cast.ada)
    with pytest.raises(WorkflowError, match="waiting"):
        workflow.requeue(case, cast.ada)
    assert scored(case, **AMBER).tier == "amber"
    with pytest.raises(WorkflowError, match="without a view"):
        workflow.requeue(case, cast.ada)


# --- The doctor ----------------------------------------------------------------------------------


def test_read_first_then_sign(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    with pytest.raises(NotYet):
        workflow.sign(case, cast.ruth, ANSWER)
    read(case, cast.ruth)
    review = workflow.sign(case, cast.ruth, ANSWER)
    case.refresh_from_db()
    assert (case.status, case.signed_by) == ("final", cast.ruth)
    assert case.signed_at is not None
    assert review.effective_at - case.signed_at == settings.UNDO_SIGNATURE
    [message] = Message.objects.filter(event=Event.CASE_SIGNED)
    assert message.run_after == review.effective_at, "leaves when the seconds to undo are over"


def test_a_clinic_that_does_not_read_blind_signs_at_once(cast: Cast) -> None:
    a_model_version()
    Clinic.objects.filter(pk=cast.north.pk).update(blind_reading=False)
    case = scored(submitted(cast.ana))
    assert workflow.sign(case, cast.ruth, ANSWER).doctor == cast.ruth


def test_the_second_doctor_is_told_who_was_first(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    stale = Case.objects.get(pk=case.pk)
    read(case, cast.ruth)
    read(case, cast.sam)
    workflow.sign(case, cast.ruth, ANSWER)
    with pytest.raises(Moved, match="Ruth Okafor signed") as caught:
        workflow.sign(stale, cast.sam, ANSWER)
    assert caught.value.by == cast.ruth
    assert Review.objects.count() == 1


def test_undo_within_seconds(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    with pytest.raises(WorkflowError, match="no signature of yours"):
        workflow.undo_signature(case, cast.sam)
    workflow.undo_signature(case, cast.ruth)
    case.refresh_from_db()
    assert (case.status, case.signed_by, case.signed_at) == ("partial", None, None)
    assert Message.objects.get(event=Event.CASE_SIGNED).state == Message.State.CANCELLED
    second = workflow.sign(case, cast.ruth, ANSWER)
    assert list(case.reviews.standing()) == [second]
    assert case.reviews.count() == 2, "the undone one stays in the history"
    pending = Message.objects.filter(event=Event.CASE_SIGNED, state=Message.State.PENDING)
    assert pending.count() == 1


def test_no_undo_when_the_answer_has_left(cast: Cast, settings: Any) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)
    a_model_version()
    case = scored(submitted(cast.ana))
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    with pytest.raises(WorkflowError, match="has been sent"):
        workflow.undo_signature(case, cast.ruth)


def test_amending_keeps_both(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    read(case, cast.ruth)
    first = workflow.sign(case, cast.ruth, ANSWER)
    changed = Answer(diagnosis="mel", plan="refer_urgent", advice="Come in.", agrees=False,
                     differs_because="regression")  # fmt: skip
    second = workflow.amend(case, cast.sam, changed, after=first)
    case.refresh_from_db()
    assert (case.status, case.signed_by) == ("amended", cast.sam)
    assert list(case.reviews.all()) == [first, second]
    with pytest.raises(Moved, match="Sam Patel amended"):
        workflow.amend(case, cast.ruth, ANSWER, after=first)
    assert told(case, Event.CASE_AMENDED) == {"ana"}


def test_differing_needs_a_reason(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    read(case, cast.ruth)
    with pytest.raises(WorkflowError, match="why you differ"):
        workflow.sign(case, cast.ruth, Answer("mel", "see", "Come in.", agrees=False))
    case.refresh_from_db()
    assert case.status == Case.Status.PARTIAL, "nothing half signed"


def test_nobody_else_reads_or_signs(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    for stranger in (cast.xu, cast.uma, cast.ana, cast.ada, cast.root):
        with pytest.raises(WorkflowError, match="not yours"):
            read(case, stranger)
        with pytest.raises(WorkflowError, match="not yours"):
            workflow.sign(case, stranger, ANSWER)


def test_withdrawn_cases_are_never_scored(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana)
    row = claimed(case)
    workflow.withdraw(case, cast.ana)
    assert not Scoring.objects.waiting().exists()
    assert workflow.attach((row, prediction(row))) is False
    with pytest.raises(Moved):
        workflow.withdraw(case, cast.ana)


def test_illegal_moves_are_refused(cast: Cast) -> None:
    case = submitted(cast.ana)
    for old, targets in MOVES.items():
        for new in set(Case.Status.values) - targets:
            case.status = old
            with pytest.raises(Moved):
                move(case, new, "test", None)

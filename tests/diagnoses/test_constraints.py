"""What the database itself refuses, whatever the code forgot."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.db.utils import DatabaseError

from diagnoses import inference, workflow
from diagnoses.models import (
    LAST,
    Case,
    CaseEvent,
    FirstReading,
    Prediction,
    Remark,
    Retake,
    Review,
    Scoring,
)
from diagnoses.states import Answer
from tests.cases import NOT_SURE, a_model_version, claimed, photo, prediction, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)


@pytest.mark.parametrize("model", [Prediction, Review, FirstReading, CaseEvent, Remark, Retake])
def test_what_was_written_stays(cast: Cast, model: Any) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    workflow.ask(case, cast.ana, "May I swim?", uuid.uuid4())
    workflow.retake(case, cast.ana, [workflow.NewPhoto("dermoscopic", photo(2))], uuid.uuid4())
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, ANSWER)
    row = model.objects.first()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        model.objects.filter(pk=row.pk).update(case=case)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608 - a table of ours


def test_the_80_percent_rule_is_a_constraint(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana)
    row = claimed(case)
    for wrong in (
        {"confidence": 0.7999},
        {"confidence": 0.80, "no_disease": True, "label": ""},
        {"confidence": 0.5, "no_disease": True},
    ):
        with pytest.raises(IntegrityError, match="80_percent"), transaction.atomic():
            workflow.attach((row, prediction(row, **wrong)))
    assert workflow.attach((row, prediction(row, **NOT_SURE)))


def test_final_has_a_signer_and_a_time(cast: Cast) -> None:
    case = submitted(cast.ana)
    with pytest.raises(IntegrityError, match="signer"), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(status="final")


# --- The queue -----------------------------------------------------------------------------------


def refused(row: Scoring, name: str, **changes: Any) -> None:
    """The database refuses the change, and names the constraint."""
    with pytest.raises(IntegrityError, match=f'"{name}"'), transaction.atomic():
        Scoring.objects.filter(pk=row.pk).update(**changes)


def test_a_lease_and_its_token_come_and_go_together(cast: Cast) -> None:
    a_model_version()
    row = claimed(submitted(cast.ana))
    refused(row, "scoring_lease_has_a_token", token=None)
    refused(row, "scoring_lease_has_a_token", lease_until=None)


def test_what_is_settled_is_in_nobodys_hands(cast: Cast) -> None:
    a_model_version()
    row = claimed(submitted(cast.ana))
    refused(row, "scoring_settled_holds_nothing", settled_at=Now())


def test_what_is_leased_was_counted(cast: Cast) -> None:
    a_model_version()
    row = claimed(submitted(cast.ana))
    refused(row, "scoring_leased_was_tried", attempts=0)


def test_only_who_has_a_lease_is_its_holder(cast: Cast) -> None:
    a_model_version()
    row = submitted(cast.ana).scorings.get()
    refused(row, "scoring_holder_has_a_lease", holder=4711)


def test_a_case_waits_once_for_its_view(cast: Cast) -> None:
    """Whichever version was to look, and in whichever round: two would tell of two views."""
    first = a_model_version()
    case = submitted(cast.ana)
    newer = a_model_version(version="newer", state="registered")
    again: dict[str, Any] = {"case": case, "round": 2}
    for version in (first, newer):
        with (
            pytest.raises(IntegrityError, match='"scoring_one_live_waiting"'),
            transaction.atomic(),
        ):
            Scoring.objects.create(model_version=version, **again)
    Scoring.objects.create(model_version=newer, purpose="shadow", priority=LAST, case=case)
    assert workflow.give_up(claimed_live(case), "decoder crashed")
    Scoring.objects.create(model_version=first, **again)


def claimed_live(case: Case) -> Scoring:
    """The row that counts; a version in the shadow looks for itself."""
    [row] = inference.claim([case.scorings.get(purpose="live").model_version_id])
    return row


def test_one_round_of_one_version_is_one_row(cast: Cast) -> None:
    version = a_model_version()
    case = submitted(cast.ana)
    assert workflow.give_up(claimed(case), "decoder crashed")
    with pytest.raises(IntegrityError, match='"scoring_once"'), transaction.atomic():
        Scoring.objects.create(case=case, model_version=version)


# --- Predictions ---------------------------------------------------------------------------------


def filled_in(row: Scoring, **changes: Any) -> Prediction:
    """As the workflow would fill it in, but for ``changes``; unsaved."""
    view = prediction(row, **{"tier": "green", "case": row.case} | changes)
    view.scoring = row
    return view


def test_a_prediction_is_of_the_case_and_version_its_row_names(cast: Cast) -> None:
    a_model_version()
    newer = a_model_version(version="newer", state="registered")
    case, other = submitted(cast.ana), submitted(cast.ana)
    row = claimed(case)
    for swapped in ({"case": other, "photo": other.photos.get()}, {"model_version": newer}):
        view = filled_in(row, **swapped)
        with (
            pytest.raises(IntegrityError, match='"prediction_of_its_scoring"'),
            transaction.atomic(),
        ):
            view.save(force_insert=True)


def test_the_picture_of_a_prediction_is_one_of_its_case(cast: Cast) -> None:
    a_model_version()
    row, other = claimed(submitted(cast.ana)), submitted(cast.ana)
    with pytest.raises(IntegrityError, match='"prediction_of_its_photo"'), transaction.atomic():
        workflow.attach((row, prediction(row, photo=other.photos.get())))


def test_a_row_is_answered_once(cast: Cast) -> None:
    a_model_version()
    row = claimed(submitted(cast.ana))
    assert workflow.attach((row, prediction(row)))
    with pytest.raises(IntegrityError, match="scoring_id"), transaction.atomic():
        filled_in(row).save(force_insert=True)


def test_who_has_a_prediction_keeps_case_and_version(cast: Cast) -> None:
    a_model_version()
    case, other = submitted(cast.ana), submitted(cast.ana)
    row = claimed(case)
    assert workflow.attach((row, prediction(row)))
    refused(row, "prediction_of_its_scoring", case=other, round=2)

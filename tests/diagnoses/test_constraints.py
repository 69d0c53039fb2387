"""What the database itself refuses, whatever the code forgot."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError

from diagnoses import workflow
from diagnoses.models import Case, CaseEvent, FirstReading, Prediction, Review
from diagnoses.states import Answer
from tests.cases import NOT_SURE, a_model_version, claimed, prediction, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)


@pytest.mark.parametrize("model", [Prediction, Review, FirstReading, CaseEvent])
def test_what_was_written_stays(cast: Cast, model: Any) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
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
            workflow.attach(row, prediction(row, **wrong))
    assert workflow.attach(row, prediction(row, **NOT_SURE))


def test_final_has_a_signer_and_a_time(cast: Cast) -> None:
    case = submitted(cast.ana)
    with pytest.raises(IntegrityError, match="signer"), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(status="final")

"""The pages' benchmark: it fills a clinic as the portal would, and every page of it opens."""

from __future__ import annotations

import pytest

from benchmarks import pages
from benchmarks.pages_fill import RARE, filled
from diagnoses import worklist
from diagnoses.models import Case, Prediction, Review, Scoring
from diagnoses.worklist import Filters
from tests.cases import a_model_version
from tests.cast import Cast

CASES = 400


def test_a_filled_clinic_is_one_that_every_page_can_show(cast: Cast) -> None:
    a_model_version()
    filled(cast.ruth, CASES)

    assert Case.objects.filter(clinic=cast.north).count() == CASES
    assert Review.objects.count() == CASES / 2
    assert Prediction.objects.count() == Case.objects.filter(tier__isnull=False).count()
    assert Scoring.objects.due().count() == Case.objects.filter(status="registered").count() > 0
    found = worklist.page(cast.ruth, Filters(search=RARE[:-1].lower())).rows
    assert {row.case.patient.name.split()[-1] for row in found} == {RARE}
    for name, there in pages.tasks_of(cast.ruth, "this one").items():
        try:
            there.task()
        except RuntimeError as refusal:
            pytest.fail(f"{name}: {refusal}")

"""The page of a candidate's run: shares with their n, the signed answers, every difference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts.models import AuditEntry
from diagnoses import comparing, workflow
from diagnoses.models import Case, Comparison
from diagnoses.states import Answer
from mlservice import deciding, registry, shadowing
from mlservice.models import ModelVersion, Shadow
from tests.cases import (
    AMBER,
    NOT_SURE,
    RED,
    a_model_version,
    claimed,
    in_the_shadow,
    prediction,
    scored,
    submitted,
)
from tests.cast import Cast
from tests.mlservice.test_pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
MELANOMA = {**RED, "top_label": "mel", "label": "mel", "confidence": 0.9799}
NOTHING = {"modality": "not_skin", "label": "", "picture_tier": "amber"}


@pytest.fixture(autouse=True)
def no_undo(settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)


@pytest.fixture
def active(db: None) -> ModelVersion:
    return a_model_version(version="2")


@pytest.fixture
def run(cast: Cast, active: ModelVersion) -> Shadow:
    return in_the_shadow(a_model_version(version="3", state="registered"), cast.root)


@pytest.fixture
def root(cast: Cast) -> Client:
    return cast.client(cast.root)


def page(client: Client, run: Shadow, query: str = "") -> str:
    return text_of(client.get(reverse("model_shadow", args=[run.version_id]) + query))


def seen(cast: Cast, live: dict[str, Any], candidate: dict[str, Any]) -> Case:
    """A case that both have seen."""
    case = scored(submitted(cast.ana), **live)
    row = claimed(case)
    assert workflow.attach((row, prediction(row, **candidate)))
    return case


def many(cast: Cast, number: int, live: dict[str, Any], candidate: dict[str, Any]) -> list[Case]:
    return [seen(cast, live, candidate) for _ in range(number)]


def signed(cast: Cast, case: Case, diagnosis: str) -> None:
    workflow.read_first(case, cast.ruth, diagnosis=diagnosis, confidence="sure", plan="see")
    workflow.sign(case, cast.ruth, Answer(diagnosis=diagnosis, plan="see", advice="Come, please."))


def compare_more(cast: Cast, run: Shadow, case: Case, number: int, **changes: Any) -> None:
    """The comparison of ``case`` again, for ``number`` further cases; quicker than filing each."""
    one = Comparison.objects.get(run=run, case=case)
    cases = Case.objects.bulk_create(
        [
            Case(
                pack_name="skin", patient=cast.ana, clinic=cast.north, site="back",
                lesion=case.lesion, answer_due_at=case.answer_due_at, status="partial",
            )
            for _ in range(number)
        ]
    )  # fmt: skip
    copied = {
        field.attname: getattr(one, field.attname)
        for field in Comparison._meta.concrete_fields
        if field.name not in {"id", "case", "at"}
    }
    Comparison.objects.bulk_create(Comparison(**copied | changes, case=other) for other in cases)


# --- Numbers -------------------------------------------------------------------------------------


def test_before_any_case_the_page_says_so(root: Client, run: Shadow, active: ModelVersion) -> None:
    said = page(root, run)
    assert "Both have seen no case yet." in said
    assert "at 100 % of the cases" in said
    other = text_of(root.get(reverse("model_shadow", args=[active.pk])))
    assert "It has not looked along yet" in other


def test_fewer_than_thirty_cases_make_no_share(cast: Cast, root: Client, run: Shadow) -> None:
    case = seen(cast, {}, {})
    compare_more(cast, run, case, 28)
    said = page(root, run)
    assert "29 cases seen by both since" in said
    assert "The tier Not enough cases: 29 of the 30 it takes." in said
    assert " of 29" not in said


def test_shares_come_with_their_interval_and_their_n(cast: Cast, root: Client, run: Shadow) -> None:
    compare_more(cast, run, seen(cast, {}, {}), 26)
    many(cast, 2, RED, {})
    seen(cast, {}, MELANOMA)
    seen(cast, {}, NOT_SURE)
    seen(cast, NOTHING, {})
    said = page(root, run)
    assert "32 cases seen by both since" in said
    assert "In 1 of them one of the two found nothing to judge; it is in no share." in said
    assert "The label put first 97 % (83–100 %) 30 of 31" in said
    assert "Whether it is “no disease” 97 % (83–100 %) 30 of 31" in said
    assert "The tier 90 % (75–97 %) 28 of 31" in said
    assert "RED 0 0 2 AMBER 0 0 0 GREEN 1 0 28" in said.replace("Red", "RED").replace(
        "Amber", "AMBER"
    ).replace("Green", "GREEN")


def test_what_doctors_signed_stands_beside_both(cast: Cast, root: Client, run: Shadow) -> None:
    for live, candidate in ((MELANOMA, {}), ({}, MELANOMA), (MELANOMA, AMBER), (NOTHING, MELANOMA)):
        signed(cast, seen(cast, live, candidate), "mel")
    signed(cast, seen(cast, {}, {}), "nv")
    signed(cast, seen(cast, {}, {}), "")  # no lesion: nothing that either could have put first
    seen(cast, {}, {})
    rows = Comparison.objects.filter(run=run)
    active = ModelVersion.objects.get(state="active")
    pack = comparing.seen_by_both(run, active, cast.root)
    assert pack.count() == rows.count() == 7
    said = page(root, run)
    assert "skin 2 Not enough cases: 4 of the 30 it takes." in said
    assert "Something harmful was signed in 4 cases." in said
    assert "skin 2 2 0 1 1 skin 3 2 1 1 0" in said


def test_an_amended_answer_counts_as_it_stands_now(cast: Cast, run: Shadow) -> None:
    case = seen(cast, {}, MELANOMA)
    signed(cast, case, "nv")
    after = case.reviews.standing().get()
    workflow.amend(
        Case.objects.get(pk=case.pk), cast.ruth,
        Answer(diagnosis="mel", plan="refer_urgent", advice="Please come."), after=after,
    )  # fmt: skip
    [row] = comparing.differences(Comparison.objects.all(), case.pack).rows
    assert row.doctor == "Melanoma"


# --- Differences ---------------------------------------------------------------------------------


def test_what_the_candidate_would_have_calmed_comes_first(
    cast: Cast, root: Client, run: Shadow
) -> None:
    same = seen(cast, {}, {})
    words = seen(cast, {}, NOT_SURE)
    urgent = seen(cast, {}, MELANOMA)
    calmer = seen(cast, MELANOMA, {})
    signed(cast, calmer, "mel")
    said = page(root, run)
    listed = [said.rindex(case.reference) for case in (calmer, urgent, words)]
    assert listed == sorted(listed)
    assert same.reference not in said
    assert f"{calmer.reference} calmer Red Melanoma 97 % Green" in said, "the floor, not 98 %"
    assert "no disease (" in said
    assert said.count("calmer") >= 1
    page_of_case = reverse("reading", args=[calmer.pk])
    html = root.get(reverse("model_shadow", args=[run.version_id])).content.decode()
    assert page_of_case not in html
    assert str(calmer.pk) not in html, "no way to the case"
    assert "Ana" not in html.partition("<main")[2]
    assert "/photos/" not in html


def test_pages_of_differences_leave_none_out_and_show_none_twice(
    cast: Cast, root: Client, run: Shadow
) -> None:
    case = seen(cast, RED, {})
    compare_more(cast, run, case, comparing.PAGE + 3)
    compare_more(cast, run, case, comparing.PAGE, seriousness=2)
    rows = Comparison.objects.filter(run=run)
    found: list[str] = []
    after, pages = None, 0
    while True:
        one = comparing.differences(rows, case.pack, after=after)
        found += [row.reference for row in one.rows]
        pages += 1
        after = one.after
        if after is None:
            break
    assert pages == 3
    every = [one.case.reference for one in rows.differing().select_related("case")]
    assert found == every
    html = root.get(reverse("model_shadow", args=[run.version_id])).content.decode()
    assert 'rel="next"' in html
    for wrong in ("x", "-1", "9" * 30, "0"):
        said = page(root, run, f"?after={wrong}&run={wrong}&beside={wrong}")
        assert "Where they differ" in said


def test_the_page_costs_the_same_for_one_case_and_for_many(
    cast: Cast, root: Client, run: Shadow
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(root, run)
        return len(captured)

    case = seen(cast, RED, {})
    page(root, run)
    few = statements()
    compare_more(cast, run, case, 60)
    assert statements() == few <= 16


# --- Whose ---------------------------------------------------------------------------------------


def test_an_admin_of_one_clinic_sees_its_own_numbers(cast: Cast, root: Client, run: Shadow) -> None:
    case = seen(cast, RED, {})
    other = seen(cast, RED, {})
    Case.objects.filter(pk=other.pk).update(clinic=cast.south)
    theirs = page(cast.client(cast.ada), run)
    assert "1 case seen by both" in theirs
    assert case.reference in theirs
    assert other.reference not in theirs
    assert "Stop it" not in theirs
    assert "2 cases seen by both" in page(root, run)
    entry = AuditEntry.objects.filter(action="model.shadow_viewed", actor=cast.ada).get()
    assert entry.about == registry.about(run.version)


def test_each_version_it_stood_beside_is_counted_by_itself(
    cast: Cast, root: Client, run: Shadow, active: ModelVersion
) -> None:
    many(cast, 2, {}, {})
    ModelVersion.objects.filter(pk=active.pk).update(state="retired")
    newer = a_model_version(version="4")
    seen(cast, RED, {})
    said = page(root, run)
    assert "Beside: skin 4 (1) · skin 2 (2)" in said
    assert "1 case seen by both" in said
    assert "2 cases seen by both" in page(root, run, f"?beside={active.pk}&run={run.pk}")
    assert newer.version == "4"


def test_a_run_that_ended_stays_to_be_read(cast: Cast, root: Client, run: Shadow) -> None:
    seen(cast, RED, {})
    waiting = scored(submitted(cast.ana))
    assert "1 case waits for it." in page(root, run)
    shadowing.stop(run.version, cast.root)
    again = in_the_shadow(run.version, cast.root, share=7)
    assert "Both have seen no case yet." in page(root, run)
    said = page(root, run, f"?run={run.pk}")
    assert "It was stopped (Root)" in said
    assert "1 case seen by both" in said
    assert "Its runs:" in said
    assert again.share == 7
    assert waiting.scorings.waiting().exists()


def test_the_page_says_that_the_computer_is_paused_and_what_failed(
    cast: Cast, root: Client, run: Shadow
) -> None:
    case = scored(submitted(cast.ana))
    workflow.give_up(claimed(case), "the decoder crashed")
    deciding.pause("skin", cast.root, "Stop.")
    said = page(root, run)
    assert "Neither version looks at anything until it may look again." in said
    assert "1 could not be compared" in said

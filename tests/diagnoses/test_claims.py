"""Who has a case open: the others are told, nobody is kept out, and it ends by itself."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from diagnoses import claims, tasks, worklist
from diagnoses.models import OPEN_FOR, Case, CaseEvent, Claim
from diagnoses.worklist import Filters, Show
from tests.cases import RED, a_model_version, scored, submitted
from tests.cast import Cast, logged_in
from tests.diagnoses.pages import text_of

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


@pytest.fixture
def case(cast: Cast) -> Case:
    return scored(submitted(cast.ana), **RED)


def to(case: Case, name: str = "reading") -> str:
    return reverse(name, args=[case.pk])


def passes(length: timedelta) -> None:
    """Time, as far as the claims are concerned."""
    Claim.objects.update(since=F("since") - length, alive_at=F("alive_at") - length)


def alive(page: str) -> str:
    """What the page would say when it closes."""
    found: str = re.findall(r'name="alive" value="([^"]+)"', page)[0]
    return found.replace("&#x2B;", "+")


def test_the_second_doctor_is_told_who_has_the_case_and_since_when(cast: Cast, case: Case) -> None:
    cast.client(cast.ruth).get(to(case))
    passes(timedelta(minutes=3))

    listed = text_of(cast.client(cast.sam).get(reverse("worklist")))
    assert "Ruth Okafor is reading it, opened three minutes ago" in listed
    page = text_of(cast.client(cast.sam).get(to(case)))
    assert "Ruth Okafor is reading this case, opened three minutes ago" in page
    own = cast.client(cast.ruth)
    assert "Ruth Okafor is reading" not in text_of(own.get(reverse("worklist")))
    assert "Ruth Okafor is reading" not in text_of(own.get(to(case)))


def test_a_claim_is_no_lock(cast: Cast, case: Case) -> None:
    cast.client(cast.ruth).get(to(case))
    sam = cast.client(cast.sam)
    reading = {"diagnosis": "mel", "confidence": "sure", "plan": "refer_urgent"}
    answer = {"diagnosis": "mel", "plan": "refer_urgent", "advice": "Please come.", "agrees": "yes"}
    assert sam.post(to(case, "reading_first"), reading).status_code == 302
    assert sam.post(to(case, "reading_sign"), answer).status_code == 302
    case.refresh_from_db()
    assert case.signed_by == cast.sam


def test_without_scripts_it_runs_out_and_whoever_returns_has_it_since_then(
    cast: Cast, case: Case
) -> None:
    ruth = cast.client(cast.ruth)
    ruth.get(to(case))
    passes(OPEN_FOR)
    assert "is reading" not in text_of(cast.client(cast.sam).get(reverse("worklist")))

    ruth.get(to(case))
    assert "opened just now" in text_of(cast.client(cast.sam).get(reverse("worklist")))


def test_the_pages_heartbeat_and_every_action_renew_it(cast: Cast, case: Case) -> None:
    ruth = cast.client(cast.ruth)
    ruth.get(to(case))
    passes(timedelta(minutes=4))
    assert ruth.post(to(case, "reading_open")).status_code == 200
    passes(timedelta(minutes=4))
    ruth.post(to(case, "reading_talk"), {"text": ""})
    passes(timedelta(minutes=4))
    claim = Claim.objects.get()
    assert Claim.objects.live().get() == claim
    assert claim.alive_at - claim.since >= timedelta(minutes=8), "it was open all the while"


def test_the_heartbeat_tells_who_came_since(cast: Cast, case: Case) -> None:
    ruth = cast.client(cast.ruth)
    assert "is reading" not in text_of(ruth.get(to(case)))
    cast.client(cast.sam).get(to(case))
    told = text_of(ruth.post(to(case, "reading_open")))
    assert f"{cast.sam.name} is reading this case" in told


def test_leaving_the_page_ends_it_but_not_that_of_a_page_opened_since(
    cast: Cast, case: Case
) -> None:
    ruth = cast.client(cast.ruth)
    first = alive(ruth.get(to(case)).content.decode())
    second = alive(ruth.get(to(case)).content.decode())

    assert ruth.post(to(case, "reading_open"), {"left": 1, "alive": first}).status_code == 204
    assert Claim.objects.exists(), "the second page is still open"
    ruth.post(to(case, "reading_open"), {"left": 1, "alive": second})
    assert not Claim.objects.exists()


@pytest.mark.parametrize("said", ["", "now", "2026-13-01", "2026-11-01T10:00:00", "\0"])
def test_a_made_up_time_ends_nothing(cast: Cast, case: Case, said: str) -> None:
    ruth = cast.client(cast.ruth)
    ruth.get(to(case))
    answer = ruth.post(to(case, "reading_open"), {"left": 1, "alive": said})
    assert answer.status_code == 204
    assert Claim.objects.exists()


def test_only_who_may_read_a_case_can_have_it_open(cast: Cast, case: Case) -> None:
    address = to(case, "reading_open")
    for person in (cast.xu, cast.ana, cast.ada, cast.root):
        assert cast.client(person).post(address).status_code == 404, person
    assert cast.client().post(address).status_code == 302
    assert cast.client(cast.uma).post(address).status_code == 403, "not verified yet"
    assert cast.client(cast.ruth).get(address).status_code == 405
    careful = logged_in(cast.ruth, enforce_csrf_checks=True)
    assert careful.post(address).status_code == 403
    assert not Claim.objects.exists()


def test_it_is_not_part_of_the_cases_history(cast: Cast, case: Case) -> None:
    before = CaseEvent.objects.count()
    cast.client(cast.ruth).get(to(case))
    assert CaseEvent.objects.count() == before


def test_next_case_passes_over_what_a_colleague_has_open_unless_all_are(
    cast: Cast, case: Case
) -> None:
    second, third = (scored(submitted(cast.ana), risk=risk) for risk in (0.09, 0.01))

    def following() -> Case:
        found: Case = cast.client(cast.ruth).get(to(case)).context["next_case"]
        return found

    assert following() == second
    claims.keep(second, cast.sam)
    assert following() == third
    claims.keep(third, cast.sam)
    assert following() == second
    claims.keep(second, cast.ruth)
    assert following() == second


def test_unassigned_is_what_was_asked_of_nobody_and_nobody_else_has_open(
    cast: Cast, case: Case
) -> None:
    asked = scored(submitted(cast.ana, doctor=cast.sam))
    taken = scored(submitted(cast.ana))
    claims.keep(taken, cast.sam)
    claims.keep(case, cast.ruth)

    def listed() -> set[Case]:
        rows = worklist.page(cast.ruth, Filters(show=Show.UNASSIGNED)).rows
        return {row.case for row in rows}

    assert listed() == {case}, "one's own claim hides nothing"
    assert str(worklist.tallies(cast.ruth, Filters())[Show.UNASSIGNED]) == "1"
    passes(OPEN_FOR)
    assert listed() == {case, taken}
    assert asked not in listed()


def test_the_list_changes_when_a_colleague_opens_a_case(cast: Cast, case: Case) -> None:
    ruth = cast.client(cast.ruth)
    before = ruth.get(reverse("worklist_state"))["ETag"]
    cast.client(cast.ruth).get(to(case))
    assert ruth.get(reverse("worklist_state"))["ETag"] == before
    cast.client(cast.sam).get(to(case))
    assert ruth.get(reverse("worklist_state"))["ETag"] != before


def test_the_sweep_forgets_what_has_run_out(cast: Cast, case: Case) -> None:
    claims.keep(case, cast.ruth)
    passes(OPEN_FOR)
    claims.keep(case, cast.sam)
    tasks.sweep()
    assert Claim.objects.get().doctor == cast.sam


def test_opening_a_case_again_writes_no_second_row_and_costs_one_statement(
    cast: Cast, case: Case
) -> None:
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            claims.keep(case, cast.ruth)
        assert len(queries) == 1
    assert Claim.objects.count() == 1

"""Second opinions, shares, outcomes and letters over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import people
from accounts.models import AuditEntry, Scope
from diagnoses import workflow
from diagnoses.models import Case, CaseShare, FirstReading, Letter, Outcome, SecondReading
from diagnoses.workflow import Answer
from tests.cases import a_model_version, scored, submitted
from tests.cast import Cast
from tests.diagnoses import sharing

pytestmark = pytest.mark.usefixtures("media")
API = "/api/v1"
OWN = {"diagnosis": "mel", "confidence": "sure", "plan": "refer_urgent", "words": "I would."}
LETTER = {"addressee": "Dr Noe", "words": "Please look.", "with_photos": False}


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()
    cache.clear()


@pytest.fixture
def case(cast: Cast) -> Case:
    """Scored, and read by Ruth."""
    return sharing.a_case(cast)


def at(case: Case, what: str) -> str:
    return f"{API}/cases/{case.pk}/{what}"


def code(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json", response.content
    return response.status_code, response.json()["code"]


def today() -> str:
    return timezone.localdate().isoformat()


# --- A colleague of the clinic -------------------------------------------------------------------
def test_a_colleague_is_asked_reads_blind_and_is_heard(cast: Cast, case: Case) -> None:
    ruth, sam = cast.api(cast.ruth), cast.api(cast.sam)
    (colleague,) = ruth.get(f"{API}/colleagues").json()
    assert colleague == {"id": cast.sam.pk, "name": "Sam Patel"}
    asking = {"colleague": colleague["id"], "question": "Would you?"}
    asked = ruth.post(at(case, "opinions/"), asking).json()
    assert asked["share"] is None
    assert ruth.post(at(case, "opinions/"), asking).json() == asked, "the same is the same"
    other = ruth.post(at(case, "opinions/"), {"question": "Anybody?"})
    assert code(other) == (409, "moved")

    (waits,) = sam.get(f"{API}/opinions").json()["waiting"]
    assert (waits["id"], waits["question"]) == (asked["id"], "Would you?")
    blind = sam.get(waits["url"]).json()
    assert blind["case"]["photos"]
    assert (blind["reading"], blind["case_url"]) == (None, None)
    assert not {"computer_view", "reviews", "urgency", "patient_name"} & set(blind["case"])
    assert sam.get(at(case, "opinions/")).json() == [], "nothing before the own reading"
    assert code(ruth.get(waits["url"])) == (404, "not_found"), "it is asked of Sam"

    read = sam.put(waits["url"], OWN)
    assert (read.status_code, read.json()["words"]) == (200, "I would."), read.content
    assert sam.put(waits["url"], OWN | {"words": "No."}).json()["words"] == "I would."
    assert FirstReading.objects.filter(doctor=cast.sam).exists(), "it opens the computer's view"
    (opinion,) = ruth.get(at(case, "opinions/")).json()
    assert (opinion["read_by"], opinion["diagnosis"]) == ("Sam Patel", "mel")
    lists = sam.get(f"{API}/opinions").json()
    assert (lists["waiting"], [one["id"] for one in lists["read"]]) == ([], [asked["id"]])
    after = sam.get(waits["url"]).json()
    assert sam.get(after["case_url"]).json()["computer_view"] is not None


def test_whoever_is_second_is_told_who_was_first(cast: Cast, case: Case) -> None:
    people.verify_doctor(cast.uma, cast.root)
    cast.uma.refresh_from_db()
    asked = workflow.ask_colleague(case, cast.ruth, None, "Anybody?")
    sam, address = cast.api(cast.sam), f"{API}/opinions/{asked.pk}"
    assert code(sam.put(address, OWN | {"confidence": "very"})) == (400, "invalid")
    assert code(sam.put(address, OWN | {"diagnosis": "no-such"})) == (400, "invalid")
    assert cast.api(cast.uma).put(address, OWN).status_code == 200
    late = sam.put(address, OWN)
    assert code(late) == (409, "moved")
    assert "Uma Roy" in late.json()["detail"]
    assert SecondReading.objects.get().read_by == cast.uma
    assert code(sam.get(address)) == (404, "not_found")


def test_a_reading_that_comes_after_the_answer_is_not_needed(cast: Cast, case: Case) -> None:
    asked = workflow.ask_colleague(case, cast.ruth, cast.sam, "Would you?")
    sharing.signed(cast, case)
    sam, address = cast.api(cast.sam), f"{API}/opinions/{asked.pk}"
    assert code(sam.put(address, OWN)) == (409, "moved")
    assert code(sam.get(address)) == (404, "not_found")
    assert not SecondReading.objects.get().is_read


def test_nobody_answers_for_a_colleague(cast: Cast, case: Case) -> None:
    asked = workflow.ask_colleague(case, cast.ruth, cast.sam, "Would you?")
    answer = cast.api(cast.ruth).put(f"{API}/opinions/{asked.pk}", OWN)
    assert code(answer) == (422, "refused")
    assert not SecondReading.objects.get().is_read


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"colleague": 2_000_000_000}, "colleague"),
        ({"elsewhere": "no address"}, "elsewhere"),
        ({"elsewhere": "ana@example.org"}, "elsewhere"),
    ],
)
def test_who_is_no_doctor_is_not_asked(
    cast: Cast, case: Case, said: dict[str, Any], field: str
) -> None:
    answer = cast.api(cast.ruth).post(at(case, "opinions/"), said)
    assert code(answer) == (422, "refused")
    assert list(answer.json()["errors"]) == [field]
    assert not SecondReading.objects.exists()


def test_an_address_that_is_no_doctors_is_counted(cast: Cast, case: Case) -> None:
    ruth = cast.api(cast.ruth)
    for _ in range(10):
        ruth.post(at(case, "opinions/"), {"elsewhere": "bo@example.org"})
    assert AuditEntry.objects.filter(action="case.share_missed").count() == 10
    answer = ruth.post(at(case, "opinions/"), {"elsewhere": "xu@example.org"})
    assert code(answer) == (422, "refused")
    assert "tomorrow" in answer.json()["detail"]
    assert not CaseShare.objects.exists()


# --- A doctor of another clinic ------------------------------------------------------------------
def test_another_clinics_doctor_looks_once_the_patient_agrees(cast: Cast, case: Case) -> None:
    ruth, ana, xu = cast.api(cast.ruth), cast.api(cast.ana), cast.api(cast.xu)
    asking = {"elsewhere": "Xu@example.org", "question": "Would you?"}
    asked = ruth.post(at(case, "opinions/"), asking).json()
    (share,) = ana.get(at(case, "shares")).json()
    assert (share["id"], share["state"], share["clinic"]) == (asked["share"], "asking", "South")
    opinion, answer = f"{API}/opinions/{asked['id']}", at(case, f"shares/{share['id']}")
    assert code(xu.get(opinion)) == (404, "not_found")
    assert xu.get(f"{API}/opinions").json() == {"waiting": [], "read": []}
    assert code(ruth.put(answer, {"agreed": True})) == (403, "patients_only")
    assert code(ana.delete(answer)) == (403, "doctors_only")
    assert code(cast.api(cast.bo).put(answer, {"agreed": True})) == (404, "not_found")

    assert ana.put(answer, {"agreed": True}).json()[0]["state"] == "open"
    assert ana.put(answer, {"agreed": True}).json()[0]["state"] == "open"
    blind = xu.get(opinion)
    assert blind.status_code == 200
    assert "Silva" not in blind.content.decode()
    assert xu.get(blind.json()["case"]["photos"][0]["url"]).status_code == 200
    assert xu.put(opinion, OWN).status_code == 200
    assert xu.get(xu.get(opinion).json()["case_url"]).json()["computer_view"] is not None
    for closed in ("opinions/", "shares", "outcomes/", "letters/"):
        assert code(xu.get(at(case, closed))) == (404, "not_found")

    assert ruth.delete(answer).status_code == 204
    assert ruth.delete(answer).status_code == 204, "once more is the same"
    assert code(xu.get(opinion)) == (404, "not_found")
    assert ruth.get(at(case, "shares")).json()[0]["state"] == "closed"


def test_the_patient_says_no_or_no_more(cast: Cast, case: Case) -> None:
    share = sharing.agreed(cast, case)
    ana, answer = cast.api(cast.ana), at(case, f"shares/{share.pk}")
    assert ana.put(answer, {"agreed": False}).json()[0]["state"] == "closed"
    share.refresh_from_db()
    assert (share.why_ended, share.ended_by) == ("patient", cast.ana)
    assert code(ana.put(answer, {"agreed": True})) == (422, "refused")
    assert not SecondReading.objects.exists(), "the question goes with it"


# --- Afterwards ----------------------------------------------------------------------------------
def test_an_outcome_is_kept_beside_the_answer(cast: Cast, case: Case) -> None:
    ruth, said = cast.api(cast.ruth), {"diagnosis": "mel", "source": "histology"}
    outcome = said | {"found_on": today(), "words": "0.4 mm"}
    assert code(ruth.post(at(case, "outcomes/"), outcome)) == (422, "refused"), "unsigned"
    sharing.signed(cast, case)
    first = ruth.post(at(case, "outcomes/"), outcome)
    assert (first.status_code, first.json()["recorded_by"]) == (200, "Ruth Okafor"), first.content
    assert ruth.post(at(case, "outcomes/"), outcome).json() == first.json()
    other = ruth.post(at(case, "outcomes/"), outcome | {"diagnosis": "", "words": "A scar."})
    assert other.json()["diagnosis"] == ""
    told = cast.api(cast.sam).get(at(case, "outcomes/")).json()
    assert [one["words"] for one in told] == ["A scar.", "0.4 mm"], "the newest counts"
    assert Outcome.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"found_on": "2999-01-01"}, "found_on"),
        ({"diagnosis": "", "words": ""}, "words"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused(
    cast: Cast, case: Case, changes: dict[str, Any], field: str
) -> None:
    sharing.signed(cast, case)
    said = {"diagnosis": "mel", "source": "follow_up", "found_on": today()} | changes
    answer = cast.api(cast.ruth).post(at(case, "outcomes/"), said)
    assert code(answer) == (422, "refused")
    assert list(answer.json()["errors"]) == [field]
    assert not Outcome.objects.exists()


def test_what_became_of_it_shows_nothing_before_the_own_reading(cast: Cast, case: Case) -> None:
    sharing.signed(cast, case)
    cast.api(cast.ruth).post(
        at(case, "outcomes/"),
        {"diagnosis": "mel", "source": "histology", "found_on": today()},
    )
    case.refresh_from_db()
    workflow.undo_signature(case, cast.ruth)
    assert cast.api(cast.sam).get(at(case, "outcomes/")).json() == []
    assert len(cast.api(cast.ruth).get(at(case, "outcomes/")).json()) == 1, "hers is in"


def test_a_letter_is_written_and_printed(cast: Cast, case: Case) -> None:
    ruth = cast.api(cast.ruth)
    assert code(ruth.post(at(case, "letters/"), LETTER)) == (422, "refused"), "unsigned"
    sharing.signed(cast, case)
    letter = ruth.post(at(case, "letters/"), LETTER).json()
    assert ruth.post(at(case, "letters/"), LETTER).json()["id"] == letter["id"]
    assert [one["id"] for one in ruth.get(at(case, "letters/")).json()] == [letter["id"]]
    paper = cast.api(cast.sam).get(letter["url"])
    assert (paper["Content-Type"], paper.content[:4]) == ("application/pdf", b"%PDF")
    printed = AuditEntry.objects.get(action="case.letter_printed")
    assert (printed.actor, printed.detail["where"]) == (cast.sam, "api")
    for other in (cast.ana, cast.xu, cast.root):
        assert code(cast.api(other).get(letter["url"])) == (404, "not_found")
    assert code(ruth.post(at(case, "letters/"), LETTER | {"addressee": " "})) == (422, "refused")
    assert Letter.objects.count() == 1


def test_reading_alone_writes_nothing(cast: Cast, case: Case) -> None:
    asked = workflow.ask_colleague(case, cast.sam, cast.ruth, "Would you?")
    reader = cast.api(cast.ruth, Scope.CASES_READ, Scope.CASES_WRITE)
    assert reader.get(f"{API}/opinions/{asked.pk}").status_code == 200
    for answer in (
        reader.put(f"{API}/opinions/{asked.pk}", OWN),
        reader.post(at(case, "opinions/"), {}),
        reader.post(at(case, "outcomes/"), {}),
        reader.post(at(case, "letters/"), LETTER),
    ):
        assert code(answer) == (403, "scope_needed")
        assert answer.json()["scope"] == "reviews:write"


def test_a_reading_that_was_drawn_says_whether_it_differs(cast: Cast, settings: Any) -> None:
    cast.north.double_reading_percent = 100
    cast.north.save()
    sam = cast.api(cast.sam)

    def drawn() -> SecondReading:
        case = scored(submitted(cast.ana))
        workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
        workflow.sign(case, cast.ruth, Answer("nv", "reassure", "Harmless.", agrees=True))
        return SecondReading.objects.get(case=case)

    drawn()
    assert sam.get(f"{API}/opinions").json()["waiting"] == [], "it can still be undone"
    settings.UNDO_SIGNATURE = timedelta(0)
    asked = drawn()
    (waits,) = sam.get(f"{API}/opinions").json()["waiting"]
    assert (waits["id"], waits["asked_by"]) == (str(asked.pk), None)
    assert "Harmless" not in sam.get(waits["url"]).content.decode()
    assert sam.put(waits["url"], OWN).status_code == 200
    (opinion, *_rest) = cast.api(cast.ruth).get(at(asked.case, "opinions/")).json()
    assert (opinion["why"], opinion["asked_by"], opinion["differs"]) == ("drawn", None, True)


def test_the_list_of_readings_costs_the_same_for_one_and_for_many(cast: Cast, case: Case) -> None:
    sam = cast.api(cast.sam)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert sam.get(f"{API}/opinions").status_code == 200
        return len(captured)

    workflow.ask_colleague(case, cast.ruth, cast.sam, "One?")
    one = cost()
    for _ in range(3):
        workflow.ask_colleague(scored(submitted(cast.ana)), cast.ruth, cast.sam, "More?")
    assert len(sam.get(f"{API}/opinions").json()["waiting"]) == 4
    assert cost() == one

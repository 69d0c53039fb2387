"""What a clinic's system and a patient's app do over the API beyond sending a case."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework.throttling import ScopedRateThrottle

from accounts import people
from accounts.models import AuditEntry, Consent, Scope
from diagnoses import workflow
from diagnoses.api import vocabulary
from diagnoses.models import Case, Claim, FirstReading, Review
from tests.cases import RED, a_model_version, claimed, photo, prediction, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")
API = "/api/v1"
OWN = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}
ANSWER = {"diagnosis": "nv", "plan": "reassure", "advice": "A harmless mole.", "agrees": True}


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()
    cache.clear()


@pytest.fixture
def case(cast: Cast) -> Case:
    return scored(submitted(cast.ana))


def at(case: Case, what: str) -> str:
    return f"{API}/cases/{case.pk}/{what}"


def code(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json", response.content
    return response.status_code, response.json()["code"]


def read(client: APIClient, case: Case) -> None:
    assert client.post(at(case, "reading/"), OWN).status_code == 201


# --- A doctor ------------------------------------------------------------------------------------
def test_a_system_takes_a_case_from_the_list_to_the_signature(cast: Cast, case: Case) -> None:
    ruth = cast.api(cast.ruth)
    row = ruth.get(f"{API}/worklist").json()["results"][0]
    assert (row["id"], row["urgency"], row["open_with"]) == (str(case.pk), "green", None)
    assert ruth.put(at(case, "claim")).json()["open_with"] == []
    seen_by_sam = cast.api(cast.sam).get(f"{API}/worklist").json()["results"][0]
    assert seen_by_sam["open_with"]["doctor"] == "Ruth Okafor"

    assert code(ruth.post(at(case, "reviews/"), ANSWER | {"agrees": None}))[0] == 422, "blind first"
    assert ruth.get(f"{API}/cases/{case.pk}").json()["computer_view"] is None
    read(ruth, case)
    assert ruth.get(f"{API}/cases/{case.pk}").json()["computer_view"] is not None
    signed = ruth.post(at(case, "reviews/"), ANSWER)
    assert signed.status_code == 201, signed.content
    assert ruth.delete(at(case, "claim")).status_code == 204
    assert not Claim.objects.exists()
    case.refresh_from_db()
    assert (case.status, case.signed_by) == ("final", cast.ruth)
    again = ruth.post(at(case, "reviews/"), ANSWER)
    assert (again.status_code, again.json()["id"]) == (200, signed.json()["id"])
    other = ruth.post(at(case, "reviews/"), ANSWER | {"advice": "Something else."})
    assert code(other) == (409, "moved")
    assert Review.objects.count() == 1


def test_the_same_answer_again_is_there_whatever_the_computer_said_since(cast: Cast) -> None:
    case, ruth = submitted(cast.ana), cast.api(cast.ruth)
    row = claimed(case)
    read(ruth, case)
    blind = ANSWER | {"agrees": None}
    signed = ruth.post(at(case, "reviews/"), blind)
    assert signed.status_code == 201, signed.content
    assert workflow.attach((row, prediction(row)))
    assert ruth.get(f"{API}/cases/{case.pk}").json()["computer_view"] is not None
    again = ruth.post(at(case, "reviews/"), blind)
    assert (again.status_code, again.json()["id"]) == (200, signed.json()["id"])
    amended = ANSWER | {"advice": "Please come in.", "after": signed.json()["id"]}
    newest = ruth.post(at(case, "reviews/"), amended)
    assert newest.status_code == 201, newest.content
    assert ruth.post(at(case, "reviews/"), amended).json()["id"] == newest.json()["id"]
    assert Review.objects.count() == 2


def test_the_first_own_reading_stands(cast: Cast, case: Case) -> None:
    ruth = cast.api(cast.ruth)
    read(ruth, case)
    again = ruth.post(at(case, "reading/"), OWN | {"diagnosis": "mel"})
    assert (again.status_code, again.json()["diagnosis"]) == (200, "nv")
    assert FirstReading.objects.count() == 1


def test_a_signature_is_taken_back_within_ten_seconds_and_not_later(
    cast: Cast, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruth = cast.api(cast.ruth)
    read(ruth, case)
    first = ruth.post(at(case, "reviews/"), ANSWER).json()["id"]
    assert cast.api(cast.sam).delete(at(case, f"reviews/{first}")).status_code == 404, "not Sam's"
    assert ruth.delete(at(case, f"reviews/{first}")).status_code == 204
    assert ruth.delete(at(case, f"reviews/{first}")).status_code == 204, "once more is the same"
    case.refresh_from_db()
    assert case.status == "partial"
    second = ruth.post(at(case, "reviews/"), ANSWER).json()["id"]
    later = timezone.now() + timedelta(seconds=11)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert code(ruth.delete(at(case, f"reviews/{second}"))) == (409, "refused")


def test_an_amendment_names_the_answer_it_follows(cast: Cast, case: Case) -> None:
    ruth = cast.api(cast.ruth)
    read(ruth, case)
    first = ruth.post(at(case, "reviews/"), ANSWER).json()["id"]
    amended = ANSWER | {"advice": "Please come in.", "plan": "see", "after": first}
    newest = ruth.post(at(case, "reviews/"), amended)
    assert newest.status_code == 201, newest.content
    assert code(cast.api(cast.sam).post(at(case, "reviews/"), amended)) == (409, "moved")
    assert [one.advice for one in Review.objects.order_by("pk")] == [
        "A harmless mole.",
        "Please come in.",
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"plan": "recheck"}, "recheck_days"),
        ({"agrees": False}, "differs_because"),
        ({"agrees": None}, "agrees"),
        ({"diagnosis": "mel"}, "sure"),
        ({"diagnosis": "pneumonia"}, "diagnosis"),
    ],
)
def test_the_pages_rules_are_the_apis(
    cast: Cast, case: Case, changes: dict[str, Any], field: str
) -> None:
    ruth = cast.api(cast.ruth)
    read(ruth, case)
    refused = ruth.post(at(case, "reviews/"), ANSWER | changes)
    assert code(refused) == (422, "refused")
    assert list(refused.json()["errors"]) == [field]
    assert not Review.objects.exists()


def test_a_photo_that_came_since_is_looked_at_first(cast: Cast, case: Case) -> None:
    ruth = cast.api(cast.ruth)
    read(ruth, case)
    seen = ruth.get(f"{API}/cases/{case.pk}").json()["newest_retake"]
    assert seen == 0
    new = [workflow.NewPhoto("dermoscopic", photo(3))]
    retake = workflow.retake(case, cast.ana, new, case.pk)
    now = ruth.get(f"{API}/cases/{case.pk}").json()
    assert now["newest_retake"] == retake.pk
    agrees = None if now["computer_view"] is None else True
    answer = ANSWER | {"agrees": agrees, "saw": seen}
    assert code(ruth.post(at(case, "reviews/"), answer)) == (409, "moved")
    assert not Review.objects.exists()


def test_the_pages_of_the_worklist_join_and_its_filters_are_known(cast: Cast) -> None:
    cases = {str(scored(submitted(cast.ana)).pk) for _ in range(27)}
    ruth = cast.api(cast.ruth)
    first = ruth.get(f"{API}/worklist").json()
    second = ruth.get(first["next"]).json()
    found = [row["id"] for row in first["results"] + second["results"]]
    assert (len(found), set(found), second["next"]) == (27, cases, None)
    assert ruth.get(f"{API}/worklist", {"q": "nobody"}).json()["results"] == []
    assert code(ruth.get(f"{API}/worklist", {"show": "everything"})) == (400, "invalid")


def test_what_is_for_doctors_is_for_doctors(cast: Cast, case: Case) -> None:
    ana, bo, xu = (cast.api(who) for who in (cast.ana, cast.bo, cast.xu))
    for what, body in (("reading/", OWN), ("reviews/", ANSWER)):
        assert code(ana.post(at(case, what), body)) == (403, "doctors_only")
        assert code(bo.post(at(case, what), body)) == (404, "not_found")
        assert code(xu.post(at(case, what), body)) == (404, "not_found")
    assert code(ana.get(f"{API}/worklist")) == (403, "doctors_only")
    reader = cast.api(cast.ruth, Scope.CASES_READ)
    assert code(reader.post(at(case, "reviews/"), ANSWER)) == (403, "scope_needed")


# --- A patient -----------------------------------------------------------------------------------
def test_news_makes_a_case_more_urgent_once(cast: Cast, case: Case) -> None:
    ana, key = cast.api(cast.ana), {"Idempotency-Key": "n1"}
    news = {"what": "It bleeds", "answers": {"bleeding": "bleeds"}}
    told = ana.post(at(case, "news/"), news, headers=key)
    assert told.status_code == 201, told.content
    assert ana.post(at(case, "news/"), news, headers=key).status_code == 200
    assert case.events.filter(kind="told_more").count() == 1
    assert code(ana.post(at(case, "news/"), {"what": "No"}, headers=key)) == (
        422,
        "idempotency_key_reused",
    )
    case.refresh_from_db()
    assert case.answers["bleeding"] == "bleeds"
    assert code(ana.post(at(case, "news/"), {})) == (422, "refused")
    unknown = ana.post(at(case, "news/"), {"answers": {"colour": "red"}})
    assert code(unknown) == (422, "refused")


def test_other_news_with_the_same_key_at_the_same_moment_are_not_lost_in_silence(
    cast: Cast, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = workflow.raise_urgency

    def second(*args: Any, **more: Any) -> object:
        tell(args[0], args[1], "It bleeds", {}, **more)
        return tell(*args, **more)

    monkeypatch.setattr(workflow, "raise_urgency", second)
    ana, key = cast.api(cast.ana), {"Idempotency-Key": "n1"}
    lost = ana.post(at(case, "news/"), {"what": "It grows"}, headers=key)
    assert code(lost) == (422, "idempotency_key_reused")
    assert ana.post(at(case, "news/"), {"what": "It bleeds"}, headers=key).status_code == 200
    assert case.events.filter(kind="told_more").count() == 1


def test_what_is_posted_has_a_limit_for_each_person_and_reading_has_none(
    cast: Cast, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ScopedRateThrottle.THROTTLE_RATES | {"talk": "2/min"}
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", few)
    ana, another = cast.api(cast.ana), cast.api(cast.ana)
    assert ana.post(at(case, "messages/"), {"text": "Hello"}).status_code == 201
    assert another.post(at(case, "news/"), {"what": "It bleeds"}).status_code == 201
    refused = ana.post(f"{API}/account/numbers", {"number": "+447700900150"})
    assert code(refused) == (429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 60
    assert ana.get(at(case, "messages/")).status_code == 200
    assert cast.api(cast.ruth).post(at(case, "messages/"), {"text": "Hello"}).status_code == 201


def test_a_case_is_taken_back_and_then_told_as_it_is(cast: Cast, case: Case) -> None:
    ana = cast.api(cast.ana)
    assert ana.post(at(case, "withdraw/")).json()["status"] == "cancelled"
    assert ana.post(at(case, "withdraw/")).status_code == 200, "once more is the same"
    assert code(ana.post(at(case, "news/"), {"what": "It grows"}))[0] in {409, 422}
    assert code(cast.api(cast.ruth).post(at(case, "withdraw/"))) == (403, "patients_only")


def test_an_answered_case_cannot_be_taken_back(cast: Cast, case: Case) -> None:
    ruth = cast.api(cast.ruth)
    read(ruth, case)
    ruth.post(at(case, "reviews/"), ANSWER)
    assert code(cast.api(cast.ana).post(at(case, "withdraw/"))) == (409, "moved")


def test_the_report_comes_as_a_pdf_and_is_written_down(cast: Cast, case: Case) -> None:
    paper = cast.api(cast.ana).get(at(case, "report"))
    assert paper["Content-Type"] == "application/pdf"
    assert b"".join(paper).startswith(b"%PDF")
    line = AuditEntry.objects.get(action="case.report")
    assert (line.actor, line.detail) == (cast.ana, {"where": "api"})
    assert code(cast.api(cast.bo).get(at(case, "report"))) == (404, "not_found")


def test_an_app_learns_the_words_it_has_to_use(cast: Cast) -> None:
    packs = {pack["name"]: pack for pack in cast.api(cast.ana).get(f"{API}/packs").json()}
    skin = packs["skin"]
    assert "back" in {site["name"] for site in skin["sites"]}
    bleeding = next(one for one in skin["questions"] if one["name"] == "bleeding")
    assert "bleeds" in {choice["value"] for choice in bleeding["choices"]}
    assert {"nv", "mel"} <= {label["name"] for label in skin["labels"]}


# --- The account ---------------------------------------------------------------------------------
def test_the_account_says_who_i_am_and_what_i_agreed_to(cast: Cast) -> None:
    told = cast.api(cast.ana).get(f"{API}/account").json()
    assert (told["name"], told["role"], told["clinic"]) == ("Ana Silva", "patient", "North")
    assert told["numbers"][0]["confirmed"] is True
    agreed = {one["kind"]: one["agreed_at"] is not None for one in told["consents"]}
    assert (agreed["care"], agreed["research"]) == (True, False)


def test_a_consent_is_given_and_taken_back_and_acted_on(cast: Cast) -> None:
    case = submitted(cast.ana)
    ana = cast.api(cast.ana)
    given = ana.put(f"{API}/account/consents/research", {"agreed": True}).json()
    assert given["agreed_at"] is not None
    assert people.has_consent(cast.ana, Consent.Kind.RESEARCH)
    back = ana.put(f"{API}/account/consents/computer_check", {"agreed": False}).json()
    assert back["agreed_at"] is None
    case.refresh_from_db()
    assert case.status == Case.Status.PARTIAL, "what waited for the computer goes to the doctors"
    assert ana.put(f"{API}/account/consents/nonsense", {"agreed": True}).status_code == 404
    assert code(ana.put(f"{API}/account/consents/care", {})) == (400, "invalid")
    assert code(ana.put(f"{API}/account/consents/care", {"agreed": "no"})) == (400, "invalid")
    assert people.has_consent(cast.ana, Consent.Kind.CARE)
    only_reads = cast.api(cast.ana, Scope.ACCOUNT_READ)
    refused = only_reads.put(f"{API}/account/consents/care", {"agreed": False})
    assert code(refused) == (403, "scope_needed")


def test_messages_to_me_and_to_nobody_else(cast: Cast) -> None:
    scored(submitted(cast.ana), **RED)
    mine = cast.api(cast.ana).get(f"{API}/account/messages").json()["results"]
    assert mine
    assert {"about", "channel", "state"} <= set(mine[0])
    assert cast.api(cast.bo).get(f"{API}/account/messages").json()["results"] == []


def test_a_copy_of_everything_needs_a_scope_of_its_own(cast: Cast, case: Case) -> None:
    copy = cast.api(cast.ana, Scope.ACCOUNT_EXPORT).post(f"{API}/account/export/")
    content: Any = copy
    archive = zipfile.ZipFile(io.BytesIO(b"".join(content.streaming_content)))
    assert json.loads(archive.read("lentigo.json"))["account"]["name"] == "Ana Silva"
    line = AuditEntry.objects.get(action="person.exported", actor=cast.ana)
    assert line.detail["where"] == "api"
    without = cast.api(cast.ana, Scope.ACCOUNT_READ, Scope.CASES_READ)
    assert code(without.post(f"{API}/account/export/")) == (403, "scope_needed")
    assert code(cast.api(cast.ruth).post(f"{API}/account/export/")) == (403, "patients_only")


# --- Refusals ------------------------------------------------------------------------------------
def test_every_refusal_is_a_problem(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = cast.api(cast.ana)
    case = submitted(cast.ana)
    assert code(ana.get("/api/nowhere")) == (404, "not_found")
    assert code(ana.get(f"{API}/cases", headers={"Accept": "text/html"})) == (406, "not_acceptable")
    as_form = ana.post(at(case, "messages/"), {"text": "x"}, format="multipart")
    assert code(as_form) == (415, "unsupported_media_type")
    broken = ana.generic("POST", at(case, "messages/"), "{", content_type="application/json")
    assert code(broken) == (400, "unreadable")

    def breaks() -> list[str]:
        raise RuntimeError("as if something had broken")

    monkeypatch.setattr(vocabulary, "available_packs", breaks)
    ana.raise_request_exception = False
    assert code(ana.get(f"{API}/packs")) == (500, "broken")

"""What a patient's app does with the account: numbers, reminders, marks, whom one looks after."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Consent, ContactNumber, Scope, User
from accounts.reminder_stop import Reminder
from diagnoses import workflow
from diagnoses.models import Case, Nudge, Remark
from diagnoses.workflow import Answer
from notifications import tokens
from notifications.models import NumberCode
from tests.cases import a_model_version, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")
API = "/api/v1"
NUMBER = "+447700900150"


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()
    cache.clear()


def code(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json", response.content
    return response.status_code, response.json()["code"]


# --- Numbers -------------------------------------------------------------------------------------
def test_a_number_is_added_confirmed_and_removed(cast: Cast) -> None:
    bo = cast.api(cast.bo)
    added = bo.post(f"{API}/account/numbers", {"number": "07700 900150", "messages": False})
    number = added.json()
    assert (added.status_code, number["number"]) == (201, NUMBER)
    assert (number["confirmed"], number["messages"]) == (False, False)
    assert bo.post(f"{API}/account/numbers", {"number": NUMBER}).json() == number
    assert not cast.bo.consents.in_force().filter(kind=Consent.Kind.MESSAGES).exists()

    at = f"{API}/account/numbers/{number['id']}"
    asked = bo.put(f"{at}/messages")
    assert (asked.status_code, asked.json()["messages"]) == (200, True)
    assert cast.bo.consents.in_force().filter(kind=Consent.Kind.MESSAGES).exists()
    assert bo.post(f"{at}/code/").status_code == 200
    assert code(bo.post(f"{at}/code/")) == (422, "refused"), "one a minute"

    sent = tokens.digits(NumberCode.objects.get().pk)
    wrong = f"{(int(sent) + 1) % 1_000_000:06}"
    assert code(bo.put(f"{at}/confirmation", {"code": "12"})) == (422, "refused")
    assert code(bo.put(f"{at}/confirmation", {"code": wrong})) == (422, "wrong_code")
    assert not bo.get(f"{API}/account").json()["numbers"][0]["confirmed"]
    right = bo.put(f"{at}/confirmation", {"code": f"{sent[:3]} {sent[3:]}"})
    assert (right.status_code, right.json()["confirmed"]) == (200, True), right.content
    assert bo.put(f"{at}/confirmation", {"code": wrong}).status_code == 200, "it stays confirmed"

    assert bo.delete(at).status_code == 204
    assert not cast.bo.numbers.exists()
    assert code(bo.delete(at)) == (404, "not_found")
    told = {"number.added", "number.opted_in", "number.confirmed", "number.removed"}
    assert told <= set(AuditEntry.objects.values_list("action", flat=True))


def test_after_five_tries_a_code_has_ended(cast: Cast) -> None:
    ana, number = cast.api(cast.ana), cast.ana.numbers.get()
    ContactNumber.objects.update(verified_at=None, proof="")
    at = f"{API}/account/numbers/{number.pk}"
    assert ana.post(f"{at}/code/").status_code == 200
    sent = tokens.digits(NumberCode.objects.get().pk)
    wrong = {"code": f"{(int(sent) + 1) % 1_000_000:06}"}
    told = [code(ana.put(f"{at}/confirmation", wrong))[1] for _ in range(5)]
    assert told == ["wrong_code"] * 4 + ["code_ended"]
    assert code(ana.put(f"{at}/confirmation", {"code": sent})) == (422, "code_ended")


@pytest.mark.parametrize("typed", ["12", "+44 7700 900150 ext. 7", "+1 000 000 0000", " "])
def test_what_is_no_number_is_said_and_kept_nowhere(cast: Cast, typed: str) -> None:
    answer = cast.api(cast.bo).post(f"{API}/account/numbers", {"number": typed})
    assert code(answer) == (422, "refused")
    assert list(answer.json()["errors"]) == ["number"]
    assert not cast.bo.numbers.exists()


def test_nobody_elses_number_is_there(cast: Cast) -> None:
    at = f"{API}/account/numbers/{cast.ana.numbers.get().pk}"
    bo = cast.api(cast.bo)
    assert bo.get(f"{API}/account/numbers").json() == []
    for answer in (
        bo.delete(at),
        bo.put(f"{at}/messages"),
        bo.post(f"{at}/code/"),
        bo.put(f"{at}/confirmation", {"code": "123456"}),
    ):
        assert code(answer) == (404, "not_found")
    assert cast.ana.numbers.exists()


def test_changing_the_account_needs_its_scope(cast: Cast) -> None:
    number = cast.ana.numbers.get().pk
    reader = cast.api(cast.ana, Scope.ACCOUNT_READ, Scope.CASES_READ, Scope.CASES_WRITE)
    assert len(reader.get(f"{API}/account/numbers").json()) == 1
    for answer in (
        reader.post(f"{API}/account/numbers", {"number": NUMBER}),
        reader.delete(f"{API}/account/numbers/{number}"),
        reader.put(f"{API}/account/reminders/sun", {"stopped": True}),
        reader.post(f"{API}/people", {}),
    ):
        assert code(answer) == (403, "scope_needed")
        assert answer.json()["scope"] == "account:write"
    assert cast.ana.numbers.count() == 1


# --- Reminders -----------------------------------------------------------------------------------
def test_a_kind_of_reminder_is_stopped_and_wanted_again(cast: Cast) -> None:
    ana = cast.api(cast.ana)
    kinds = ana.get(f"{API}/account/reminders").json()
    assert [one["kind"] for one in kinds] == ["recheck", "see_doctor", "sun"]
    assert not any(one["stopped"] for one in kinds)
    assert ana.put(f"{API}/account/reminders/sun", {"stopped": True}).json()["stopped"]
    assert [one["stopped"] for one in ana.get(f"{API}/account/reminders").json()] == [
        False,
        False,
        True,
    ]
    assert not ana.put(f"{API}/account/reminders/sun", {"stopped": False}).json()["stopped"]
    assert code(ana.put(f"{API}/account/reminders/sun", {"stopped": "no"})) == (400, "invalid")
    assert code(ana.put(f"{API}/account/reminders/moon", {"stopped": True})) == (404, "not_found")
    assert cast.api(cast.ruth).get(f"{API}/account/reminders").json() == []


def a_reminder(cast: Cast, plan: str = "see") -> Nudge:
    case = scored(submitted(cast.ana))
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan=plan)
    workflow.sign(case, cast.ruth, Answer("nv", plan, "Please show it.", agrees=True))
    nudge = Nudge.objects.get()
    Nudge.objects.update(state=Nudge.State.TOLD, told_at=Now())
    return nudge


def test_a_reminder_is_read_and_answered(cast: Cast) -> None:
    nudge, ana = a_reminder(cast), cast.api(cast.ana)
    at = f"{API}/reminders/{nudge.pk}"
    (line,) = ana.get(f"{API}/reminders").json()["results"]
    assert (line["id"], line["kind"], line["reply"]) == (str(nudge.pk), "see_doctor", "")
    assert line["case_url"].endswith(f"/cases/{nudge.case_id}")
    nudge.refresh_from_db()
    assert nudge.state == Nudge.State.TOLD, "a list opens nothing"
    assert ana.get(at).status_code == 200
    nudge.refresh_from_db()
    assert nudge.state == Nudge.State.OPENED

    said = {"reply": "no_appointment", "words": "In June only."}
    answer = ana.put(f"{at}/answer", said)
    assert (answer.status_code, answer.json()["reply"]) == (200, "no_appointment"), answer.content
    assert ana.put(f"{at}/answer", said).status_code == 200
    assert "In June only." in Remark.objects.get().text, "the doctors have a question, and one"
    assert code(ana.put(f"{at}/answer", {"reply": "perhaps"})) == (400, "invalid")


def test_a_reminder_that_counts_no_more_says_why(cast: Cast) -> None:
    nudge, ana = a_reminder(cast), cast.api(cast.ana)
    case = Case.objects.get()
    workflow.amend(
        case,
        cast.ruth,
        Answer("nv", "reassure", "No need.", agrees=True),
        after=case.reviews.get(),
    )
    told = ana.get(f"{API}/reminders/{nudge.pk}").json()
    assert "changed the answer" in told["over_because"]
    assert code(ana.put(f"{API}/reminders/{nudge.pk}/answer", {"reply": "yes"})) == (409, "refused")


def test_only_the_question_about_the_visit_is_answered(cast: Cast) -> None:
    nudge, ana = a_reminder(cast), cast.api(cast.ana)
    Nudge.objects.update(kind=Reminder.RECHECK)
    at = f"{API}/reminders/{nudge.pk}"
    assert code(ana.put(f"{at}/answer", {"reply": "yes"})) == (404, "not_found")
    for other in (cast.bo, cast.ruth, cast.root):
        assert code(cast.api(other).get(at)) == (404, "not_found")


# --- Marks ---------------------------------------------------------------------------------------
def test_the_marks_and_one_with_its_cases(cast: Cast) -> None:
    case, ana = scored(submitted(cast.ana)), cast.api(cast.ana)
    (line,) = ana.get(f"{API}/lesions").json()["results"]
    assert (line["id"], line["newest_case"]) == (str(case.lesion_id), str(case.pk))
    assert (line["photographed"], line["name"]) == (1, "")
    assert ana.get(line["photo_url"]).status_code == 200
    mark = ana.get(line["url"]).json()
    (moment,) = mark["cases"]
    assert (moment["case"]["id"], mark["next"]) == (str(case.pk), None)
    assert (moment["answer"], moment["result"]["key"]) != (None, "signed")
    assert len(moment["photos"]) == 1
    seen = AuditEntry.objects.filter(action="lesion.viewed", actor=cast.ana)
    assert [one.detail["where"] for one in seen] == ["api"]


def test_an_answer_is_in_the_history_once_it_cannot_be_undone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, ana = scored(submitted(cast.ana)), cast.api(cast.ana)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, Answer("nv", "reassure", "Harmless.", agrees=True))
    at = f"{API}/lesions/{case.lesion_id}"
    (moment,) = ana.get(at).json()["cases"]
    assert (moment["answer"], moment["case"]["status"]) == (None, "partial")
    later = timezone.now() + timedelta(seconds=11)
    monkeypatch.setattr(timezone, "now", lambda: later)
    (moment,) = ana.get(at).json()["cases"]
    assert moment["answer"]["text"] == "Harmless."


def test_the_marks_come_in_pages_that_miss_none(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diagnoses.api.lesions.PAGE", 2)
    cases = {str(submitted(cast.ana).pk) for _ in range(5)}
    ana, address, found = cast.api(cast.ana), f"{API}/lesions", []
    while address:
        page = ana.get(address).json()
        assert len(page["results"]) <= 2
        found += [one["newest_case"] for one in page["results"]]
        address = page["next"]
    assert (len(found), set(found)) == (5, cases)
    assert code(ana.get(f"{API}/lesions?after=x")) == (400, "invalid")
    assert ana.get(f"{API}/lesions?after={uuid.uuid4()}").json()["results"] == []


def test_marks_and_their_histories_cost_the_same_for_one_case_and_for_many(cast: Cast) -> None:
    case, ana = scored(submitted(cast.ana)), cast.api(cast.ana)
    mark = f"{API}/lesions/{case.lesion_id}"

    def costs() -> list[int]:
        found = []
        for address in (f"{API}/lesions", mark):
            with CaptureQueriesContext(connection) as captured:
                assert ana.get(address).status_code == 200
            found.append(len(captured))
        return found

    one = costs()
    for _ in range(3):
        scored(submitted(cast.ana))
        Case.objects.filter(pk=scored(submitted(cast.ana)).pk).update(lesion=case.lesion_id)
    assert (len(ana.get(f"{API}/lesions").json()["results"]), costs()) == (4, one)
    assert ana.get(mark).json()["photographed"] == 4


def test_a_mark_gets_a_name_of_its_patients(cast: Cast) -> None:
    case = submitted(cast.ana)
    ana, at = cast.api(cast.ana), f"{API}/lesions/{case.lesion_id}/name"
    assert ana.put(at, {"name": "  the one on \n my arm "}).json()["name"] == "the one on my arm"
    assert ana.get(f"{API}/lesions").json()["results"][0]["name"] == "the one on my arm"
    assert code(ana.put(at, {"name": "x" * 61})) == (400, "invalid")
    assert ana.put(at, {"name": ""}).json()["name"] == ""
    for other in (cast.bo, cast.ruth, cast.xu):
        assert code(cast.api(other).put(at, {"name": "mine"})) == (404, "not_found")
    assert code(cast.api(cast.ruth).get(f"{API}/lesions")) == (403, "patients_only")


# --- Whom one looks after ------------------------------------------------------------------------
DEE = {"name": "Dee  Silva", "relation": "child", "may_decide": True}


def test_somebody_is_looked_after_with_consents_of_their_own(cast: Cast) -> None:
    ana = cast.api(cast.ana)
    added = ana.post(f"{API}/people", DEE)
    dee = added.json()
    assert (added.status_code, dee["name"], dee["relation"]) == (201, "Dee Silva", "child")
    again = ana.post(f"{API}/people", DEE)
    assert (again.status_code, again.json()["id"]) == (200, dee["id"])
    at = f"{API}/people/{dee['id']}"
    agreed = ana.put(f"{at}/consents/care", {"agreed": True})
    assert agreed.json()["agreed_at"] is not None, agreed.content
    care = next(one for one in ana.get(at).json()["consents"] if one["kind"] == "care")
    assert care["agreed_at"] is not None
    assert User.objects.get(pk=dee["id"]).consents.get().given_by == cast.ana
    mended = ana.put(at, {"name": "Dea Silva", "relation": "child"})
    assert mended.json()["name"] == "Dea Silva"
    people = ana.get(f"{API}/people").json()
    assert [(one["name"], one["relation"]) for one in people] == [
        ("Ana Silva", ""),
        ("Dea Silva", "child"),
    ]
    copy: Any = ana.post(f"{at}/export/")
    assert b"".join(copy.streaming_content).startswith(b"PK")
    assert code(ana.put(f"{at}/consents/dance", {"agreed": True})) == (404, "not_found")
    for other in (cast.bo, cast.ruth, cast.root):
        client = cast.api(other)
        for answer in (client.get(at), client.post(f"{at}/export/")):
            assert code(answer) == (404, "not_found")
        assert code(client.put(f"{at}/consents/care", {"agreed": False})) == (404, "not_found")


def test_who_may_not_decide_sends_for_nobody(cast: Cast) -> None:
    answer = cast.api(cast.ana).post(f"{API}/people", DEE | {"may_decide": False})
    assert code(answer) == (422, "refused")
    assert list(answer.json()["errors"]) == ["may_decide"]
    assert code(cast.api(cast.ruth).post(f"{API}/people", DEE)) == (403, "patients_only")
    assert not cast.ana.cared_for.exists()

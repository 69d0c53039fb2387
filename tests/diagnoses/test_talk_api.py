"""Programs talk about a case and send a new photo, as the pages do."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from diagnoses import workflow
from diagnoses.models import Case, Photo, Remark, Retake
from diagnoses.workflow import Answer
from tests.cases import a_model_version, jpeg, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()
    cache.clear()  # the limits


@pytest.fixture
def case(cast: Cast) -> Case:
    return scored(submitted(cast.ana))


def talk(case: Case) -> str:
    return f"/api/v1/cases/{case.pk}/messages/"


def say(client: APIClient, case: Case, key: str = "", **fields: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(talk(case), {"text": "Can I swim?"} | fields, headers=headers)


def send(client: APIClient, case: Case, key: str = "", seed: int = 2, **fields: Any) -> Any:
    photo = io.BytesIO(jpeg(seed))
    photo.name = "again.jpg"
    headers = {"Idempotency-Key": key} if key else {}
    form = {"photo": photo, "kind": "dermoscopic"} | fields
    return client.post(
        f"/api/v1/cases/{case.pk}/photos/", form, format="multipart", headers=headers
    )


def code(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def signed(case: Case, cast: Cast) -> None:
    workflow.read_first(case, cast.sam, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.sam, Answer("nv", "reassure", "A harmless mole."))


def test_a_question_is_asked_read_and_answered(cast: Cast, case: Case) -> None:
    ana, ruth = cast.api(cast.ana), cast.api(cast.ruth)
    asked = say(ana, case)
    assert asked.status_code == 201
    assert {k: asked.json()[k] for k in ("author", "by", "kind", "text", "sentences")} == {
        "author": "Ana Silva",
        "by": "patient",
        "kind": "message",
        "text": "Can I swim?",
        "sentences": [],
    }
    assert ruth.get(talk(case)).json()["unread"] == 1
    assert ruth.get(talk(case)).json()["unread"] == 0, "asking counts as reading"
    assert say(ruth, case, text="Yes.").status_code == 201
    shown = ana.get(talk(case)).json()
    assert shown["unread"] == 1
    assert [(one["by"], one["text"]) for one in shown["messages"]] == [
        ("patient", "Can I swim?"),
        ("doctor", "Yes."),
    ]


def test_the_same_key_says_it_once_and_never_swallows_other_words(cast: Cast, case: Case) -> None:
    ana = cast.api(cast.ana)
    assert [say(ana, case, "k1").status_code for _ in range(2)] == [201, 200]
    assert code(say(ana, case, "k1", text="Other words.")) == (422, "idempotency_key_reused")
    assert [say(ana, case).status_code for _ in range(2)] == [201, 201], "without a key, twice"
    assert say(cast.api(cast.ruth), case, "k1").status_code == 201, "another person's key"
    other = scored(submitted(cast.ana))
    assert say(ana, other, "k1").status_code == 201, "another case's"
    assert Remark.objects.count() == 5


@pytest.mark.parametrize("text", ["", "  ", "x" * 2001, "a\0b", ["x"]])
def test_what_is_no_message_is_refused(cast: Cast, case: Case, text: Any) -> None:
    response = say(cast.api(cast.ana), case, text=text)
    assert response.status_code in {400, 422}
    assert not Remark.objects.exists()


def test_a_doctor_asks_for_a_new_photo_and_the_patient_sends_it(cast: Cast, case: Case) -> None:
    ana, ruth = cast.api(cast.ana), cast.api(cast.ruth)
    wish: dict[str, Any] = {
        "kind": "retake_request",
        "reasons": ["blurred"],
        "text": "With a coin.",
    }
    assert code(say(ana, case, **wish)) == (403, "doctors_only")
    assert [say(ruth, case, "k", **wish).status_code for _ in range(2)] == [201, 200]
    assert code(say(cast.api(cast.sam), case, **wish)) == (409, "moved")
    assert code(say(ruth, case, **wish | {"reasons": ["zebra"]})) == (422, "refused")
    [asked] = ana.get(talk(case)).json()["messages"]
    assert "it is blurred" in asked["sentences"][0]

    assert [send(ana, case, "p").status_code for _ in range(2)] == [201, 200]
    assert code(send(ana, case, "p", seed=3)) == (422, "idempotency_key_reused")
    assert Retake.objects.get().request_id == asked["id"]
    assert Photo.objects.filter(case=case).count() == 2
    assert len(cast.api(cast.ruth).get(f"/api/v1/cases/{case.pk}").json()["photos"]) == 2


def test_a_retake_does_not_turn_a_repeated_submission_into_another_one(cast: Cast) -> None:
    ana = cast.api(cast.ana)

    def submit() -> Any:
        photo = io.BytesIO(jpeg(1))
        photo.name = "first.jpg"
        form = {"photo": photo, "kind": "dermoscopic", "site": "back"}
        headers = {"Idempotency-Key": "visit"}
        return ana.post("/api/v1/cases", form, format="multipart", headers=headers)

    first = submit()
    case = Case.objects.get(pk=first.json()["id"])
    assert send(ana, case).status_code == 201
    again = submit()
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


def test_a_photo_nobody_can_judge_is_refused_with_advice(cast: Cast, case: Case) -> None:
    blurred = io.BytesIO(jpeg(5, blur=8))
    blurred.name = "blurred.jpg"
    refused = send(cast.api(cast.ana), case, photo=blurred)
    assert code(refused) == (422, "photo_quality")
    assert refused.json()["advice"]
    blurred.seek(0)
    assert send(cast.api(cast.ana), case, photo=blurred, send_anyway=True).status_code == 201
    assert send(cast.api(cast.ana), case, kind="zebra").status_code == 400
    assert code(send(cast.api(cast.ruth), case)) == (403, "patients_only")


def test_what_comes_too_late_is_a_conflict(
    cast: Cast, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(case, cast)
    assert "just answering" in send(cast.api(cast.ana), case).json()["detail"], "it may be undone"
    over = timezone.now() + settings.UNDO_SIGNATURE
    monkeypatch.setattr(timezone, "now", lambda: over)
    late = send(cast.api(cast.ana), case)
    assert code(late) == (409, "moved")
    assert "Sam Patel signed this case on" in late.json()["detail"]
    wish: dict[str, Any] = {"kind": "retake_request", "reasons": ["blurred"], "text": ""}
    assert code(say(cast.api(cast.ruth), case, **wish)) == (409, "moved")
    assert say(cast.api(cast.ana), case).status_code == 201, "a question may follow the answer"


def test_what_is_not_yours_is_not_there(cast: Cast, case: Case) -> None:
    say(cast.api(cast.ana), case)
    for who in ("bo", "xu", "ada", "root", "uma"):
        client = cast.api(getattr(cast, who))
        assert client.get(talk(case)).status_code == 404, who
        assert say(client, case).status_code == 404, who
        assert send(client, case).status_code == 404, who
    assert APIClient().get(talk(case)).status_code == 401
    assert say(APIClient(), case).status_code == 401
    assert Remark.objects.count() == 1


def test_the_talk_costs_the_same_for_one_remark_and_for_twenty(cast: Cast, case: Case) -> None:
    client = cast.api(cast.ana)

    def cost() -> int:
        client.get(talk(case))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(talk(case)).status_code == 200
        return len(queries)

    workflow.ask(case, cast.ruth, "One.", uuid.uuid4())
    one = cost()
    for number in range(19):
        workflow.ask(case, (cast.ruth, cast.sam)[number % 2], f"{number}", uuid.uuid4())
    assert cost() == one

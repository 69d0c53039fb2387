"""A program's journey: token, submit, follow, read. And everything that is not its to see."""

from __future__ import annotations

import base64
import io
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import people
from accounts.models import AuditEntry, Consent, SuspensionReason
from diagnoses import workflow
from diagnoses.models import Case, Photo
from tests.cases import (
    ALL_ANSWERED,
    RED,
    a_model_version,
    beside,
    encoded,
    file_of,
    jpeg,
    ordinary,
    scored,
    submitted,
)
from tests.cast import ANAS_NUMBER, PASSWORD, Cast

pytestmark = pytest.mark.usefixtures("media")
CASES = "/api/v1/cases"
TOKEN = "/api/v1/auth/token/"
VIEW: dict[str, Any] = {
    "probabilities": {
        "mel": 0.6137, "nv": 0.2119, "bkl": 0.0873, "bcc": 0.0419,
        "akiec": 0.0231, "df": 0.0163, "vasc": 0.0058,
    },
    "top_label": "mel",
    "confidence": 0.6137,
    "no_disease": True,
    "label": "",
    **RED,
    "risk": 0.6787,
}  # fmt: skip


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()
    cache.clear()  # the limits on logging in and submitting


def form(seed: int = 1, **changes: Any) -> dict[str, Any]:
    """One photo and a site suffice; this also answers the questions."""
    photo = io.BytesIO(jpeg(seed))
    photo.name = "IMG_0042.jpg"
    fields: dict[str, Any] = {
        "photo": photo,
        "kind": "dermoscopic",
        "site": "upper_extremity",
        "answers": json.dumps(ALL_ANSWERED),
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def post(client: APIClient, key: str | None = None, **fields: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(CASES, form(**fields), format="multipart", headers=headers)


def problem(response: Any) -> dict[str, Any]:
    """The refusal's body, which looks the same wherever it comes from."""
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == "about:blank"
    assert body["status"] == response.status_code
    assert body["detail"].endswith((".", "”"))
    return body


# --- Tokens --------------------------------------------------------------------------------------


def test_a_program_logs_in_submits_follows_and_logs_out(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = APIClient()
    login = client.post(TOKEN, {"email": "Ana@Example.org", "password": PASSWORD})
    assert login.status_code == 200
    assert login.json()["expires_at"] > timezone.now().isoformat()
    client.credentials(HTTP_AUTHORIZATION=f"Token {login.json()['token']}")

    sent = post(client)
    assert sent.status_code == 201, sent.content
    assert sent.json()["result"]["key"] == "waiting"
    case = Case.objects.get(pk=sent.json()["id"])
    assert (case.patient, case.site, case.answers) == (cast.ana, "upper_extremity", ALL_ANSWERED)

    scored(case)
    address = sent["Location"]
    assert address == f"http://testserver{CASES}/{case.pk}"
    seen = client.get(address).json()
    assert seen["result"]["key"] == "harmless_green"
    assert [step["state"] for step in seen["steps"]] == ["done", "done", "now", "todo"]

    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, workflow.Answer("nv", "reassure", "A harmless mole."))
    before = client.get(address).json()
    assert (before["status"], before["answer"]) == ("partial", None), "it can still be undone"
    later = timezone.now() + timedelta(seconds=11)
    monkeypatch.setattr(timezone, "now", lambda: later)
    after = client.get(address).json()
    assert after["status"] == "final"
    assert after["answer"]["text"] == "A harmless mole."
    assert after["answer"]["doctor"] == "Ruth Okafor"

    assert client.delete(TOKEN).status_code == 204
    assert client.get(CASES).status_code == 401


def test_wrong_credentials_give_no_token_and_say_nothing_about_the_account(cast: Cast) -> None:
    client = APIClient()
    people.suspend(cast.sam, cast.root, SuspensionReason.LEFT)
    answers = [
        problem(client.post(TOKEN, {"email": email, "password": password}))
        for email, password in [
            ("ana@example.org", "not the password"),
            ("nobody@example.org", PASSWORD),
            ("sam@example.org", PASSWORD),
        ]
    ]
    assert answers[0]["code"] == "wrong_credentials"
    assert answers[0] == answers[1] == answers[2]


def test_asking_for_tokens_is_limited(cast: Cast) -> None:
    client = APIClient()
    statuses = [
        client.post(TOKEN, {"email": f"x{n}@example.org", "password": "x"}).status_code
        for n in range(11)
    ]
    assert set(statuses[:10]) <= {401, 429}
    assert statuses[0] == 401
    assert statuses[10] == 429


def test_a_suspended_persons_token_ends_at_once(cast: Cast) -> None:
    client = cast.api(cast.ana)
    assert client.get(CASES).status_code == 200
    people.suspend(cast.ana, cast.root, SuspensionReason.ASKED)
    assert client.get(CASES).status_code == 401


def test_a_forgotten_script_does_not_lock_its_owner_out(cast: Cast) -> None:
    clients = [cast.api(cast.ana) for _ in range(20)]
    login = APIClient().post(TOKEN, {"email": "ana@example.org", "password": PASSWORD})
    assert login.status_code == 200
    statuses = [client.get(CASES).status_code for client in clients]
    assert statuses == [401] + [200] * 19, "the oldest token made room"


# --- Submitting ----------------------------------------------------------------------------------


def test_one_photo_and_a_site_suffice(cast: Cast) -> None:
    sent = post(cast.api(cast.ana), kind=None, answers=None)
    assert sent.status_code == 201
    photo = Photo.objects.get()
    assert photo.kind == "close_up"
    assert photo.case.contact_e164 == ""


def test_everything_that_can_be_sent_arrives(cast: Cast) -> None:
    photos = [form(seed)["photo"] for seed in (1, 2)]
    sent = post(
        cast.api(cast.ana),
        photo=photos,
        kind=["dermoscopic", "overview"],
        contact_number="07700 900101",
        computer_check="false",
        answers=json.dumps({"bleeding": "bleeds", "note": "Since June"}),
    )
    assert sent.status_code == 201, sent.content
    case = Case.objects.get()
    assert case.contact_e164 == ANAS_NUMBER
    assert case.computer_check is False
    assert case.answers == {"bleeding": "bleeds", "note": "Since June"}
    assert sorted(case.photos.values_list("kind", flat=True)) == ["dermoscopic", "overview"]
    assert sent.json()["result"]["key"] == "unscored"


def test_a_doctor_may_be_named_and_is_invited(cast: Cast) -> None:
    named = form(doctor_name="Dr Novak", doctor_number="+447700900888")
    answer = cast.api(cast.ana).post(CASES, named, format="multipart")
    assert answer.status_code == 201, answer.json()
    invitation = Case.objects.get().invitation
    assert invitation is not None
    assert (invitation.name, invitation.e164) == ("Dr Novak", "+447700900888")
    half = cast.api(cast.ana).post(CASES, form(doctor_name="Dr Novak"), format="multipart")
    assert "doctor_number" in half.json()["errors"]


def test_what_was_told_since_does_not_turn_a_repeat_into_another_case(cast: Cast) -> None:
    ana = cast.api(cast.ana)
    key: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "a"}
    first = ana.post(CASES, form(), format="multipart", **key)
    workflow.raise_urgency(Case.objects.get(), cast.ana, "It bled", {"bleeding": "bleeds"})
    again = ana.post(CASES, form(), format="multipart", **key)
    assert again.json()["id"] == first.json()["id"]


def test_the_same_key_finds_the_same_case(cast: Cast) -> None:
    client = cast.api(cast.ana)
    first, second = post(client, "visit-7"), post(client, "visit-7")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert Case.objects.count() == 1
    assert post(client).status_code == 201, "without a key every request is a case"


@pytest.mark.parametrize(
    "other",
    [{"site": "back"}, {"seed": 2}, {"answers": "{}"}, {"kind": "close_up"}],
    ids=lambda other: next(iter(other)),
)
def test_the_same_key_with_another_content_is_refused(cast: Cast, other: dict[str, Any]) -> None:
    client = cast.api(cast.ana)
    post(client, "visit-7")
    refused = post(client, "visit-7", **other)
    assert refused.status_code == 422
    assert problem(refused)["code"] == "idempotency_key_reused"
    assert Case.objects.count() == 1


def test_the_same_key_of_two_people_is_two_keys(cast: Cast) -> None:
    mine, theirs = post(cast.api(cast.ana), "1"), post(cast.api(cast.bo), "1")
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"photo": None}, "photo"),
        ({"site": None}, "site"),
        ({"site": "the moon"}, "site"),
        ({"kind": "x-ray"}, "kind"),
        ({"answers": "not json"}, "answers"),
        ({"answers": "[1, 2]"}, "answers"),
        ({"answers": '{"bleeding": 3}'}, "answers"),
        ({"answers": '{"bleeding": "gushes"}'}, "answers"),
        ({"answers": '{"favourite_colour": "red"}'}, "answers"),
        ({"answers": '{"bleeding": ["no", "yes"]}'}, "answers"),
        ({"answers": '{"note": ["a", "list"]}'}, "answers"),
        ({"answers": '{"note": "zero \\u0000"}'}, "answers"),
        ({"answers": '{"note": "half a character \\ud800"}'}, "answers"),
        ({"answers": json.dumps({"note": "x" * 2001})}, "answers"),
        ({"answers": "[" * 100_000}, "answers"),
        ({"contact_number": "12"}, "contact_number"),
        ({"kind": ["close_up", "overview"]}, "kind"),
    ],
)
def test_a_field_at_fault_is_named(cast: Cast, fields: dict[str, Any], field: str) -> None:
    refused = post(cast.api(cast.ana), **fields)
    assert refused.status_code == 400
    body = problem(refused)
    assert body["code"] == "invalid"
    assert list(body["errors"]) == [field]
    assert not Case.objects.exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"GIF89a no picture", "not_a_picture"), (jpeg()[:2000], "damaged")],
)
def test_a_picture_we_cannot_take_is_refused_with_what_to_do(
    cast: Cast, content: bytes, code: str
) -> None:
    refused = post(cast.api(cast.ana), photo=io.BytesIO(content))
    assert refused.status_code == 422
    body = problem(refused)
    assert body["code"] == code
    assert "lease" in body["detail"]


def test_a_poor_photo_is_refused_with_advice_and_taken_when_sent_anyway(cast: Cast) -> None:
    client = cast.api(cast.ana)
    refused = post(client, photo=io.BytesIO(jpeg(blur=8)))
    assert refused.status_code == 422
    body = problem(refused)
    assert (body["code"], body["reasons"]) == ("photo_quality", ["blurred"])
    assert body["advice"]

    taken = post(client, photo=io.BytesIO(jpeg(blur=8)), send_anyway="true")
    assert taken.status_code == 201
    assert taken.json()["photos"][0]["sent_anyway"] is True
    assert taken.json()["result"]["key"] == "unscored"


def test_a_photo_of_something_else_is_refused_in_the_same_way(cast: Cast) -> None:
    client = cast.api(cast.ana)
    house = encoded(ordinary(), "JPEG").getvalue()
    body = problem(post(client, photo=io.BytesIO(house)))
    assert (body["code"], body["reasons"]) == ("photo_quality", ["not_skin"])
    assert post(client, photo=io.BytesIO(house), send_anyway="true").status_code == 201


def test_a_hint_refuses_nothing_and_is_told(cast: Cast) -> None:
    edge = encoded(beside(1), "JPEG").getvalue()
    taken = post(cast.api(cast.ana), photo=io.BytesIO(edge))
    assert taken.status_code == 201
    assert taken.json()["photos"][0]["hints"] == ["framing"]


def test_no_case_without_consent_to_care(cast: Cast) -> None:
    people.withdraw_consent(cast.ana, Consent.Kind.CARE)
    refused = post(cast.api(cast.ana))
    assert refused.status_code == 403
    assert problem(refused)["code"] == "consent_needed"


def test_only_patients_submit(cast: Cast) -> None:
    for person in (cast.ruth, cast.uma, cast.ada, cast.root):
        refused = post(cast.api(person))
        assert refused.status_code == 403
        assert problem(refused)["code"] == "patients_only"
    assert not Case.objects.exists()


# --- Reading -------------------------------------------------------------------------------------


def test_nobody_without_a_token_gets_anything(cast: Cast) -> None:
    case = scored(submitted(cast.ana))
    photo = case.photos.get()
    anyone = APIClient()
    for address in (CASES, f"{CASES}/{case.pk}", f"{CASES}/{case.pk}/photos/{photo.pk}"):
        refused = anyone.get(address)
        assert refused.status_code == 401, address
        assert refused["WWW-Authenticate"] == "Token"
        problem(refused)
    assert post(anyone).status_code == 401
    forged = APIClient()
    forged.credentials(HTTP_AUTHORIZATION="Token " + "0" * 64)
    assert forged.get(CASES).status_code == 401


def test_what_is_not_yours_is_not_there(cast: Cast) -> None:
    case = scored(submitted(cast.ana))
    photo = case.photos.get()
    for person in (cast.bo, cast.xu, cast.uma, cast.ada, cast.root):
        client = cast.api(person)
        assert client.get(CASES).json()["results"] == [], person
        for address in (f"{CASES}/{case.pk}", f"{CASES}/{case.pk}/photos/{photo.pk}"):
            refused = client.get(address)
            assert refused.status_code == 404, person
            assert problem(refused)["code"] == "not_found"
    assert cast.api(cast.ana).get(f"{CASES}/{case.pk}").status_code == 200


def test_a_photo_of_one_case_is_not_found_under_another(cast: Cast) -> None:
    one, other = scored(submitted(cast.ana)), scored(submitted(cast.ana))
    client = cast.api(cast.ana)
    photo = one.photos.get()
    assert client.get(f"{CASES}/{one.pk}/photos/{photo.pk}").status_code == 200
    assert client.get(f"{CASES}/{other.pk}/photos/{photo.pk}").status_code == 404


def test_the_picture_comes_with_the_token_and_is_written_down(cast: Cast) -> None:
    client = cast.api(cast.ana)
    address = post(client).json()["photos"][0]["url"]
    picture = client.get(address)
    assert picture["Content-Type"] == "image/jpeg"
    assert b"".join(picture) == Photo.objects.get().file.read()
    assert "no-store" in picture["Cache-Control"]
    thumb = b"".join(client.get(f"{address}?size=thumb"))
    assert thumb.startswith(b"\xff\xd8")
    seen = AuditEntry.objects.filter(action="photo.viewed", actor=cast.ana)
    assert seen.count() == 1, "of small copies a list shows many"
    file_of(Photo.objects.get()).unlink()
    assert problem(client.get(address))["code"] == "photo_unreadable"
    assert seen.count() == 1, "nobody has seen what could not be shown"


def test_a_patient_reads_words_and_never_a_number(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **VIEW)
    answer = cast.api(cast.ana).get(f"{CASES}/{case.pk}")
    text = answer.content.decode()
    assert answer.json()["result"]["key"] == "red"
    for number in [*VIEW["probabilities"].values(), VIEW["risk"]]:
        assert str(number) not in text
    assert "risk_r95" not in text
    assert not {"urgency", "computer_view", "tier"} & set(answer.json())


def test_a_doctor_reads_the_urgency_first_and_the_numbers_after_their_own_reading(
    cast: Cast,
) -> None:
    case = scored(submitted(cast.ana), **VIEW)
    ruth, sam = cast.api(cast.ruth), cast.api(cast.sam)
    address = f"{CASES}/{case.pk}"

    before = ruth.get(address)
    assert before.json()["urgency"] == "red"
    assert before.json()["computer_view"] is None
    for client in (ruth, sam):
        text = client.get(address).content.decode() + client.get(CASES).content.decode()
        for number in [*VIEW["probabilities"].values(), VIEW["risk"]]:
            assert str(number) not in text
        assert "risk_r95" not in text
        assert "mel" not in text

    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    view = ruth.get(address).json()["computer_view"]
    assert view["probabilities"] == VIEW["probabilities"]
    assert (view["no_disease"], view["label"], view["risk"]) == (True, "", 0.6787)
    assert ruth.get(address).json()["own_first_reading"]["diagnosis"] == "nv"
    assert sam.get(address).json()["computer_view"] is None


def test_an_undone_signature_tells_a_colleague_nothing_before_their_own_reading(
    cast: Cast,
) -> None:
    case = scored(submitted(cast.ana), **VIEW)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="see")
    said = workflow.Answer("nv", "see", "Come in.", agrees=False, differs_because="it says mel")
    workflow.sign(case, cast.ruth, said)
    case.refresh_from_db()
    workflow.undo_signature(case, cast.ruth)
    address = f"{CASES}/{case.pk}"
    assert cast.api(cast.sam).get(address).json()["reviews"] == []
    assert [r["undone"] for r in cast.api(cast.ruth).get(address).json()["reviews"]] == [True]


def test_opening_a_case_is_written_down(cast: Cast) -> None:
    case = submitted(cast.ana)
    cast.api(cast.ruth).get(f"{CASES}/{case.pk}")
    entry = AuditEntry.objects.get(action="case.viewed")
    assert (entry.actor, entry.about, entry.detail) == (
        cast.ruth,
        f"case:{case.pk}",
        {"where": "api"},
    )


def test_the_list_is_newest_first_and_its_pages_join(cast: Cast) -> None:
    cases = [submitted(cast.ana) for _ in range(27)]
    client = cast.api(cast.ana)
    first = client.get(CASES).json()
    second = client.get(first["next"]).json()
    seen = [line["id"] for line in first["results"] + second["results"]]
    assert seen == [str(case.pk) for case in reversed(cases)]
    assert second["next"] is None


@pytest.mark.parametrize("position", ["yesterday", "2026-13-45 00:00:00", "\0", "2026-11-22"])
def test_a_made_up_cursor_is_not_found(cast: Cast, position: str) -> None:
    cursor = base64.b64encode(urlencode({"p": position}).encode()).decode()
    answer = cast.api(cast.ana).get(CASES, {"cursor": cursor})
    assert problem(answer)["code"] == "not_found"


def test_the_list_costs_the_same_for_one_case_and_for_twenty(cast: Cast) -> None:
    client = cast.api(cast.ruth)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(CASES).status_code == 200
        return len(captured)

    scored(submitted(cast.ana))
    one = statements()
    for _ in range(19):
        scored(submitted(cast.ana, doctor=cast.ruth))
    assert statements() == one
    assert one <= 5


# --- The document --------------------------------------------------------------------------------


def test_the_openapi_document_is_valid_and_warns_of_nothing() -> None:
    out = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    for path in ("/api/v1/cases:", "/api/v1/cases/{id}:", "/api/v1/auth/token/:"):
        assert path in out.getvalue()


def test_the_document_and_its_page_are_served_without_inline_scripts(cast: Cast) -> None:
    client = cast.client()
    schema = client.get(reverse("api-schema"), {"format": "json"})
    assert schema.status_code == 200
    page = client.get(reverse("api-docs"))
    assert page.status_code == 200
    for tag in page.content.decode().split("<script")[1:]:
        assert tag.startswith(" src=") or "src=" in tag.split(">", maxsplit=1)[0], tag[:80]


def test_what_no_address_of_the_api_means_is_a_problem_too(cast: Cast) -> None:
    refused = cast.api(cast.ana).get("/api/v1/patients")
    assert refused.status_code == 404
    assert problem(refused)["code"] == "not_found"


def test_a_method_that_is_not_there_is_a_problem_too(cast: Cast) -> None:
    refused = cast.api(cast.ana).put(CASES, {})
    assert refused.status_code == 405
    assert problem(refused)["code"] == "method_not_allowed"

"""A new photo joins an open case: looked at again, never calmer, and not signed past."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import people
from accounts.models import AuditEntry, Consent, User
from diagnoses import inference, workflow
from diagnoses.models import Case, DraftPhoto, Retake, Scoring
from diagnoses.presenting import patient_card
from diagnoses.workflow import Answer, Moved, NewPhoto, WorkflowError
from diagnoses.workflow.retake import MOST_PHOTOS
from notifications.models import Event, Message
from tests.cases import (
    AMBER,
    RED,
    a_model_version,
    claimed,
    jpeg,
    photo,
    prediction,
    scored,
    submitted,
)
from tests.cast import Cast
from tests.diagnoses.pages import Response, errors_of, named, page, text_of

pytestmark = pytest.mark.usefixtures("media")

ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)
NOTHING: dict[str, Any] = {"modality": "not_skin", "label": "", "picture_tier": "amber"}


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


@pytest.fixture
def case(cast: Cast) -> Case:
    return scored(submitted(cast.ana))


def new(seed: int = 2, kind: str = "dermoscopic", **how: Any) -> NewPhoto:
    return NewPhoto(kind, photo(seed), **how)


def retaken(case: Case, *photos: NewPhoto, key: uuid.UUID | None = None) -> Case:
    workflow.retake(case, case.patient, photos or [new()], key or uuid.uuid4())
    case.refresh_from_db()
    return case


def ask(case: Case, doctor: User) -> None:
    workflow.request_retake(case, doctor, ["blurred"], "", uuid.uuid4())


def read(case: Case, doctor: User) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")


def post(client: Client, case: Case, **fields: Any) -> Response:
    form = {"submit_key": str(uuid.uuid4())} | fields
    return client.post(reverse("case_photo", args=[case.pk]), form)


# --- Scored again --------------------------------------------------------------------------------


def test_a_new_photo_joins_the_case_and_all_its_photos_are_scored_again(
    cast: Cast, case: Case
) -> None:
    ask(case, cast.ruth)
    retaken(case)
    assert case.status == Case.Status.PARTIAL
    assert [(p.retake_id is None, p.kind) for p in case.photos.all()] == [
        (True, "dermoscopic"),
        (False, "dermoscopic"),
    ]
    first, second = case.scorings.order_by("pk")
    assert (first.settled_at is None, second.settled_at is None) == (False, True)
    assert (first.round, second.round) == (1, 2)
    [row] = inference.claim([second.model_version_id])
    assert len(row.case.photos.all()) == 2

    before = case.prediction
    scored(case, **AMBER)
    assert case.prediction != before
    assert (case.tier, case.risk) == ("amber", 0.2)
    event = case.events.get(kind="retaken")
    assert (event.actor, event.detail) == (cast.ana, {"photos": 1, "computer": True})
    assert AuditEntry.objects.get(action="case.retaken").about == f"case:{case.pk}"
    assert Retake.objects.get().request == case.remarks.get()


@pytest.mark.parametrize(
    ("before", "after", "tier", "risk"),
    [
        ({}, RED, "red", 0.9),
        (RED, {}, "red", 0.9),
        (AMBER, {}, "amber", 0.2),
        (RED, NOTHING, "red", 0.9),
        (NOTHING, AMBER, "amber", 0.2),
        (NOTHING, NOTHING, None, None),
    ],
)
def test_a_second_photo_never_calms_the_first(
    cast: Cast, before: dict[str, Any], after: dict[str, Any], tier: str | None, risk: float | None
) -> None:
    case = scored(submitted(cast.ana), **before)
    due = case.answer_due_at
    scored(retaken(case), **after)
    assert (case.tier, case.risk) == (tier, risk)
    assert case.answer_due_at <= due
    if tier == "red":
        assert patient_card(case).key == "red", "and the patient's headline is not calmer either"


def test_what_was_told_keeps_a_case_urgent_whatever_the_new_photo_shows(
    cast: Cast, case: Case
) -> None:
    workflow.raise_urgency(case, cast.ana, "It bled", {"bleeding": "bleeds", "change_size": "yes"})
    assert scored(retaken(case)).tier == "red"


def test_a_photo_that_comes_while_the_computer_looks_is_looked_at_too(cast: Cast) -> None:
    case = submitted(cast.ana)
    row = claimed(case)
    retaken(case)
    assert case.status == Case.Status.REGISTERED
    assert not workflow.attach((row, prediction(row))), "it has seen the first photo only"
    assert case.prediction is None
    assert scored(case, **RED).tier == "red"
    assert case.scorings.count() == 2


@pytest.mark.parametrize("why", ["from further away", "poor", "no model", "no consent"])
def test_where_the_computer_cannot_look_its_view_from_before_stands(
    cast: Cast, case: Case, why: str
) -> None:
    photos = {"from further away": new(kind="overview"), "poor": new(sent_anyway=True)}
    if why == "no model":
        Scoring.objects.get().model_version.__class__.objects.update(state="registered")
    if why == "no consent":
        people.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    before = case.prediction
    retaken(case, photos.get(why, new()))
    assert case.prediction == before
    assert not Scoring.objects.waiting().exists()
    assert case.events.get(kind="retaken").detail["computer"] is False
    ruth = cast.client(cast.ruth)
    read(case, cast.ruth)
    bench = text_of(ruth.get(reverse("reading", args=[case.pk])))
    assert "This view is from before the new photo." in bench


def test_a_computer_that_fails_the_second_time_loses_nobody(cast: Cast, case: Case) -> None:
    retaken(case)
    assert workflow.give_up(claimed(case), "decoder crashed")
    case.refresh_from_db()
    assert (case.status, case.tier) == ("partial", "green")
    assert case in Case.objects.readable_by_doctor(cast.ruth).awaiting_review()


def test_a_view_that_came_while_the_case_was_signed_counts_after_the_undo(
    cast: Cast, case: Case
) -> None:
    retaken(case)
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    scored(case, **RED)
    assert case.tier == "green", "who signed saw the case without it"
    workflow.undo_signature(case, cast.ruth)
    case.refresh_from_db()
    assert case.tier == "red"


# --- Back to the doctors -------------------------------------------------------------------------


def test_the_doctors_are_told_and_see_the_new_photo_first(cast: Cast, case: Case) -> None:
    ask(case, cast.ruth)
    told = Message.objects.filter(event=Event.CASE_TO_READ).count()
    retaken(case)
    assert Message.objects.filter(event=Event.CASE_TO_READ).count() == told + 2
    ruth = cast.client(cast.ruth)
    row = text_of(ruth.get(reverse("worklist")))
    assert "New photo" in row
    assert "New photo asked for" not in row
    bench = ruth.get(reverse("reading", args=[case.pk])).content.decode()
    shown = re.findall(r'class="photo bench-photo"><a href="/photos/([\w-]+)/', bench)
    assert shown == [str(p.pk) for p in case.photos.order_by("-created_at")]
    assert "Sent a new photo." in bench


def test_a_doctor_who_has_not_seen_the_new_photo_does_not_sign(cast: Cast, case: Case) -> None:
    ruth = cast.client(cast.ruth)
    read(case, cast.ruth)
    address = reverse("reading", args=[case.pk])
    saw = re.search(r'name="saw" value="(\d+)"', ruth.get(address).content.decode())
    assert saw is not None
    retaken(case)
    answer = {"diagnosis": "nv", "plan": "reassure", "advice": "A mole.", "agrees": "yes"}
    sign = reverse("reading_sign", args=[case.pk])
    late = ruth.post(sign, answer | {"saw": saw[1]})
    assert late.status_code == 409
    assert "The patient sent a new photo on" in late.content.decode()
    assert "A mole." in late.content.decode(), "nothing typed is lost"
    case.refresh_from_db()
    assert case.status == "partial"
    assert not case.reviews.exists()

    now = re.search(r'name="saw" value="(\d+)"', ruth.get(address).content.decode())
    assert now is not None
    assert ruth.post(sign, answer | {"saw": now[1]}).status_code == 302
    case.refresh_from_db()
    assert case.status == "final"


# --- What is not possible ------------------------------------------------------------------------


def test_a_case_that_is_over_takes_no_photo(cast: Cast, case: Case, media: Path) -> None:
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    withdrawn = scored(submitted(cast.ana))
    workflow.withdraw(withdrawn, cast.ana)
    files = len(list(media.rglob("*.jpg")))
    for over, sentence in ((case, "Ruth Okafor signed this case"), (withdrawn, "withdrawn")):
        with pytest.raises(Moved, match=sentence):
            retaken(over)
    assert not Retake.objects.exists()
    assert len(list(media.rglob("*.jpg"))) == files, "no file is left behind"


def test_only_the_patient_with_a_photo_and_consent_and_not_without_end(
    cast: Cast, case: Case
) -> None:
    with pytest.raises(WorkflowError, match="not yours"):
        workflow.retake(case, cast.bo, [new()], uuid.uuid4())
    with pytest.raises(WorkflowError, match="add a photo"):
        workflow.retake(case, cast.ana, [], uuid.uuid4())
    with pytest.raises(WorkflowError, match="zebra"):
        retaken(case, new(kind="zebra"))
    with pytest.raises(WorkflowError, match="12 photos at most"):
        retaken(case, *[new()] * MOST_PHOTOS)
    people.withdraw_consent(cast.ana, Consent.Kind.CARE)
    with pytest.raises(WorkflowError, match="agree that a doctor"):
        retaken(case)


# --- The patient's page --------------------------------------------------------------------------


def test_the_patient_sends_the_photo_that_was_asked_for(cast: Cast, case: Case) -> None:
    ask(case, cast.ruth)
    client = cast.client(cast.ana)
    form = client.get(reverse("case_photo", args=[case.pk])).content.decode()
    assert "Your doctor asks for a new photo" in form
    assert re.search(r'value="dermoscopic"[^>]*checked', form), "as the case's first one"
    sent = post(client, case, main_photo=named(jpeg(3)), main_kind="close_up")
    assert sent.url == reverse("case", args=[case.pk])
    assert [p.kind for p in case.photos.all()] == ["dermoscopic", "close_up"]
    assert not DraftPhoto.objects.exists()
    words = text_of(page(client, case))
    assert "Your new photo is sent." in words
    assert "Your doctor asks for a new photo" not in words
    assert "Sent a new photo." in words


def test_a_poor_photo_is_judged_at_once_kept_and_sent_as_it_is_on_request(
    cast: Cast, case: Case
) -> None:
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    refused = post(client, case, submit_key=key, main_photo=named(jpeg(5, blur=8)))
    assert "main_photo" in errors_of(refused)
    assert "it is blurred" in text_of(refused)
    assert f'value="{key}"' in refused.content.decode()
    assert post(client, case, submit_key=key, main_as_it_is="on").status_code == 302
    assert Retake.objects.get().photos.get().sent_anyway


@pytest.mark.parametrize("upload", [None, b"no picture at all"])
def test_no_photo_and_no_picture_are_said(cast: Cast, case: Case, upload: bytes | None) -> None:
    fields = {} if upload is None else {"main_photo": named(upload)}
    assert list(errors_of(post(cast.client(cast.ana), case, **fields))) == ["main_photo"]


def test_a_double_click_and_a_photo_sent_ahead_are_one_photo(cast: Cast, case: Case) -> None:
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    ahead = client.post(reverse("draft_photo"), {"submit_key": key, "main_photo": named(jpeg(3))})
    assert "We have your photo" in ahead.content.decode()
    for _ in range(2):
        assert post(client, case, submit_key=key).status_code == 302
    assert Retake.objects.count() == 1
    assert case.photos.count() == 2


def test_who_comes_too_late_is_told_and_the_photo_is_kept_for_a_new_case(
    cast: Cast, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    late = post(client, case, submit_key=key, main_photo=named(jpeg(3)))
    assert late.status_code == 409
    assert "A doctor is just answering this case." in late.content.decode()
    assert "Ruth Okafor" not in late.content.decode(), "it can still be undone"

    over = timezone.now() + settings.UNDO_SIGNATURE
    monkeypatch.setattr(timezone, "now", lambda: over)
    body = client.get(reverse("case_photo", args=[case.pk]) + f"?form={key}").content.decode()
    assert "Ruth Okafor signed this case on" in body
    address = re.search(r'href="(/cases/new/[0-9a-f-]+/photo/\?about=[^"]+)"', body)
    assert address is not None
    again = client.get(address[1].replace("&amp;", "&"))
    assert "We have your photo" in again.content.decode()

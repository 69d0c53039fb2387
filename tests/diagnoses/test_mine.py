"""What a patient decides about their own records: consents, a copy of everything, the end."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts import people
from accounts.models import AuditEntry, Clinic, Consent, User
from diagnoses import everything, workflow
from diagnoses.models import Case, Prediction, Scoring
from diagnoses.workflow import Answer
from notifications import delivery
from notifications.models import Channel, Message
from tests import cases
from tests.cast import ANAS_NUMBER, PASSWORD, RUTHS_NUMBER, Cast
from tests.diagnoses.pages import Response, text_of

pytestmark = pytest.mark.usefixtures("media")


def take_back(cast: Cast, kind: str) -> None:
    """Ana presses "Take it back"."""
    url = reverse("account_consent", args=[kind])
    assert cast.client(cast.ana).post(url, {"answer": "withdraw"}).status_code == 302


# --- Consents ------------------------------------------------------------------------------------
def test_a_case_that_waits_for_the_computer_goes_to_the_doctors_at_once(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.submitted(cast.ana)
    take_back(cast, "computer_check")
    case.refresh_from_db()
    assert case.status == Case.Status.PARTIAL
    assert case.events.last().detail == {"reason": "no_consent"}  # type: ignore[union-attr]  # there is one
    assert not Scoring.objects.waiting().exists()
    assert Message.objects.filter(recipient=cast.ruth, event="case_to_read").exists()


def test_a_view_that_is_being_made_at_that_moment_is_not_filed(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.submitted(cast.ana)
    scoring = cases.claimed(case)
    take_back(cast, "computer_check")
    assert not workflow.attach((scoring, cases.prediction(scoring)))
    assert not Prediction.objects.exists()
    case.refresh_from_db()
    assert case.status == Case.Status.PARTIAL


def test_what_the_computer_said_before_stays(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    others = cases.submitted(cast.bo, computer_check=False)
    take_back(cast, "computer_check")
    case.refresh_from_db()
    assert case.tier == "green"
    others.refresh_from_db()
    assert others.status == Case.Status.PARTIAL


def test_messages_that_wait_go_by_email_once_that_consent_is_taken_back(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    cases.a_model_version()
    cases.scored(cases.submitted(cast.ana))
    waiting = Message.objects.get(recipient=cast.ana)
    assert waiting.channel == Channel.WHATSAPP
    take_back(cast, "messages")
    while delivery.deliver_due():
        pass
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code) == (Message.State.FAILED, "opted-out")
    assert [cast.ana.email] in [mail.to for mail in mailoutbox]


def test_care_is_not_touched_by_any_of_it(cast: Cast) -> None:
    for kind in ("computer_check", "messages", "research"):
        take_back(cast, kind)
    assert people.has_consent(cast.ana, Consent.Kind.CARE)
    assert cases.submitted(cast.ana).status == Case.Status.PARTIAL


# --- A copy of everything ------------------------------------------------------------------------
DOWNLOAD = reverse("account_download")


def downloaded(browser: Client) -> Response:
    """Type the password, read what is in it, and press "Download"."""
    assert with_password(browser)["Location"] == DOWNLOAD
    assert "What is in it" in browser.get(DOWNLOAD).content.decode()
    return browser.post(DOWNLOAD)


def with_password(browser: Client, password: str = PASSWORD) -> Response:
    asked = browser.get(DOWNLOAD)
    assert asked.status_code == 302, "the password is asked for"
    return browser.post(asked["Location"], {"password": password})


def opened(response: Response) -> zipfile.ZipFile:
    content = b"".join(response.streaming_content)
    assert len(content) == int(response["Content-Length"])
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    return archive


def record_of(response: Response) -> dict[str, Any]:
    return dict(json.loads(opened(response).read("lentigo.json")))


def signed(case: Case, doctor: User, advice: str) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    answer = Answer(diagnosis="nv", plan="reassure", advice=advice, note="Between us doctors.")
    workflow.sign(case, doctor, answer)


@pytest.fixture
def no_undo(settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)


def test_ana_takes_everything_with_her(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana), confidence=0.9321)
    signed(case, cast.ruth, "It is a common mole.")
    cast.client(cast.ruth).get(reverse("reading", args=[case.pk]))
    people.give_consent(cast.ana, Consent.Kind.RESEARCH)
    people.withdraw_consent(cast.ana, Consent.Kind.RESEARCH)
    response = downloaded(cast.client(cast.ana))
    archive = opened(response)
    picture = f"photos/{case.reference}/1-dermoscopic.jpg"
    assert set(archive.namelist()) == {
        *("README.txt", "index.html", "style.css", "lentigo.json", picture),
    }
    assert archive.read(picture) == cases.photo().content
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    assert response["Content-Disposition"].startswith('attachment; filename="lentigo-')

    record = json.loads(archive.read("lentigo.json"))
    assert record["account"]["email"] == cast.ana.email
    assert record["phone_numbers"][0]["number"] == ANAS_NUMBER
    [research] = [one for one in record["consents"] if one["what"] == "research"]
    assert research["version"] == "2026-11"
    assert research["given_at"] < research["taken_back_at"]
    [told] = record["cases"]
    assert told["photos"][0]["file"] == picture
    assert told["doctors"][0]["advice"] == "It is a common mole."
    assert "probably a common harmless growth" in told["computer"]["said"][0]
    assert told["computer"]["receipt"]["Photo, SHA-256"] == cases.photo().sha256
    assert {"question": "How long have you had this mark?", "answer": "More than a year"} in told[
        "answers"
    ]
    assert {row["to"] for row in record["messages"]} == {ANAS_NUMBER}
    who = {(row["who"], row["what"]) for row in record["who_did_what"]}
    assert {("Ruth Okafor", "case.signed"), ("you", "case.submitted")} <= who
    assert AuditEntry.objects.get(action="person.exported").detail == {"cases": 1, "photos": 1}
    index = archive.read("index.html").decode()
    assert "It is a common mole." in index
    assert f'src="{picture}"' in index


def test_nothing_of_others_and_nothing_held_back_is_in_it(cast: Cast) -> None:
    """Of the computer what the clinic lets her see; of doctors what they wrote to her."""
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana), confidence=0.932187, risk=0.432187)
    cases.submitted(cast.bo)
    signed(case, cast.ruth, "Secret while it can be undone.")
    archive = opened(downloaded(cast.client(cast.ana)))
    everything = "\n".join(
        archive.read(name).decode() for name in archive.namelist() if name[-3:] != "jpg"
    )
    record = json.loads(archive.read("lentigo.json"))
    assert (record["cases"][0]["computer"], record["cases"][0]["doctors"]) == (None, [])
    assert record["cases"][0]["state"] == "Waiting for a doctor"
    for secret in (
        "Secret while",
        "Between us",
        "0.932187",
        "0.432187",
        "harmless growth",
        "Bo Berg",
    ):
        assert secret not in everything
    for whose in (cast.bo.email, cast.ruth.email, RUTHS_NUMBER, cast.ana.password):
        assert whose not in everything


def test_it_is_hers_alone_and_asks_for_the_password(cast: Cast) -> None:
    assert cast.client().get(DOWNLOAD).status_code == 302
    for doctor in (cast.ruth, cast.ada):
        assert cast.client(doctor).post(DOWNLOAD).status_code == 404
    browser = cast.client(cast.ana)
    assert "This is not your password." in text_of(with_password(browser, "not the password"))
    assert browser.post(DOWNLOAD).status_code == 302
    assert not AuditEntry.objects.filter(action="person.exported").exists()


def test_many_big_pictures_pass_through_a_little_memory(cast: Cast) -> None:
    cases.a_model_version()
    photos = [cases.submitted(cast.ana).photos.get() for _ in range(4)]
    for photo in photos:
        name = str(photo.file.name)
        default_storage.delete(name)
        default_storage.save(name, ContentFile(os.urandom(12_000_000)))
    response = downloaded(cast.client(cast.ana))
    tracemalloc.start()
    sent = sum(len(part) for part in response.streaming_content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sent == int(response["Content-Length"]) > 48_000_000
    assert peak < 3_000_000


def test_a_picture_missing_on_the_disk_is_named_and_the_rest_is_there(cast: Cast) -> None:
    cases.a_model_version()
    lost, kept = cases.submitted(cast.ana), cases.submitted(cast.ana)
    cases.file_of(lost.photos.get()).unlink()
    archive = opened(downloaded(cast.client(cast.ana)))
    assert f"photos/{lost.reference}/1-dermoscopic.jpg" in archive.read("README.txt").decode()
    assert [name for name in archive.namelist() if name.startswith("photos/")] == [
        f"photos/{kept.reference}/1-dermoscopic.jpg"
    ]


def test_gathering_costs_the_same_however_much_there_is(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    costs = []
    for _ in range(2):
        for _ in range(2):
            signed(cases.scored(cases.submitted(cast.ana)), cast.ruth, "A mole.")
        patient = User.objects.get(pk=cast.ana.pk)
        with CaptureQueriesContext(connection) as queries:
            everything.gather(patient)
        costs.append(len(queries))
    assert costs[0] == costs[1]

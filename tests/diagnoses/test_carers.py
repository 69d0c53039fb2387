"""A parent sends a child's photo: whose it is stays clear, and the news finds the parent."""

from __future__ import annotations

import io
import json
import uuid
import zipfile

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import gettext

from accounts import care, people
from accounts.models import AuditEntry, Consent, Relation, User
from diagnoses import erasure, workflow
from diagnoses.models import Case, Draft, DraftPhoto, Lesion, Nudge
from diagnoses.report import report_of
from diagnoses.workflow import Answer
from notifications.models import Event, Message
from tests import cases
from tests.cast import ANAS_NUMBER, PASSWORD, Cast
from tests.diagnoses.pages import NEW, Response, named, page, say, screen, send, text_of

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def leo(cast: Cast) -> User:
    """Ana's child, for whom she agreed to care and the computer's check."""
    cases.a_model_version()
    child = care.look_after(cast.ana, "Leo Duarte", Relation.CHILD)
    for kind in (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK):
        people.give_consent(child, kind)
    return child


def answered(case: Case, doctor: User) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="see")
    workflow.sign(case, doctor, Answer(diagnosis="nv", plan="see", advice="Please show it."))


def got(who: Client, address: str) -> Response:
    return who.get(address)


# --- Sending -------------------------------------------------------------------------------------


def test_who_looks_after_nobody_is_not_asked(cast: Cast) -> None:
    assert got(cast.client(cast.ana), NEW).url.endswith("/photo/")


def test_a_carer_is_asked_whom_it_is_about(cast: Cast, leo: User) -> None:
    asked = cast.client(cast.ana).get(NEW)
    assert "Who is it about? " in text_of(asked)
    assert f"for={leo.pk}" in asked.content.decode()
    first = got(cast.client(cast.ana), f"{NEW}?start&for={leo.pk}")
    assert first.url.endswith(f"/photo/?for={leo.pk}")
    assert "For Leo Duarte" in text_of(cast.client(cast.ana).get(first.url))


def test_a_case_sent_for_a_child_is_the_childs(cast: Cast, leo: User) -> None:
    send(cast.client(cast.ana), whom=leo, contact="+447700900155")
    case = Case.objects.get()
    assert (case.patient, case.lesion and case.lesion.patient) == (leo, leo)
    assert case.computer_check
    assert [event.actor for event in case.events.all()] == [cast.ana]
    assert AuditEntry.objects.get(action="case.submitted").actor == cast.ana
    assert not leo.numbers.exists()
    assert cast.ana.numbers.filter(e164="+447700900155").exists()
    assert not Draft.objects.exists()
    assert not DraftPhoto.objects.exists()


def test_a_child_whose_carer_has_not_agreed_for_them_is_asked_first(cast: Cast) -> None:
    child = care.look_after(cast.ana, "Mia", Relation.CHILD)
    refused = send(cast.client(cast.ana), whom=child)
    assert "care" in refused.context["form"].errors
    assert "You agree for Mia" in text_of(refused)
    key = str(refused.context["submit_key"])
    done = say(cast.client(cast.ana), key, "check", care="on", computer_check="on")
    case = Case.objects.get()
    assert (done.url, case.patient) == (reverse("case", args=[case.pk]), child)
    assert {consent.given_by for consent in child.consents.all()} == {cast.ana}


def test_what_was_begun_for_a_child_stays_the_childs_without_the_address(
    cast: Cast, leo: User
) -> None:
    """The name stands in the first address only; after that in what was begun."""
    key, ana = str(uuid.uuid4()), cast.client(cast.ana)
    say(ana, key, "photo", f"?for={leo.pk}", main_photo=named(cases.jpeg()))
    assert Draft.objects.get().patient == leo
    assert "For Leo Duarte" in text_of(ana.get(screen(key, "place")))
    assert "Leo Duarte" in text_of(ana.get(NEW))  # among what was begun
    photo = DraftPhoto.objects.get()
    assert ana.get(reverse("draft_thumb", args=[photo.pk])).status_code == 200
    assert cast.client(cast.bo).get(reverse("draft_thumb", args=[photo.pk])).status_code == 404
    # Another address does not change whose it is.
    assert "For Leo Duarte" in text_of(ana.get(screen(key, "place") + f"?for={cast.ana.pk}"))


def test_leaving_the_photo_for_later_does_not_forget_whom_it_is_for(cast: Cast, leo: User) -> None:
    first = got(cast.client(cast.ana), f"{NEW}?start&for={leo.pk}").url
    later = cast.client(cast.ana).get(first).content.decode()
    assert f"/views/?for={leo.pk}" in later


def test_a_photo_sent_ahead_of_its_form_is_the_childs(cast: Cast, leo: User) -> None:
    sent = {"submit_key": str(uuid.uuid4()), "main_photo": named(cases.jpeg())}
    address = reverse("draft_photo") + f"?of=new&for={leo.pk}"
    assert cast.client(cast.ana).post(address, sent).status_code == 200
    assert DraftPhoto.objects.get().patient == leo
    assert Draft.objects.get().patient == leo


def test_nobody_sends_for_somebody_elses_child(cast: Cast, leo: User) -> None:
    bo = cast.client(cast.bo)
    for query in (f"?start&for={leo.pk}", f"?for={cast.ana.pk}", "?for=x", "?for=99999999999999"):
        assert bo.get(NEW + query).status_code == 404
    sent = {"submit_key": str(uuid.uuid4()), "main_photo": named(cases.jpeg())}
    address = reverse("draft_photo") + f"?of=new&for={leo.pk}"
    assert bo.post(address, sent).status_code == 404
    assert not DraftPhoto.objects.exists()


def test_asking_again_about_a_childs_mark_is_the_childs(cast: Cast, leo: User) -> None:
    before = cases.submitted(leo)
    send(cast.client(cast.ana), about=before)
    again = Case.objects.exclude(pk=before.pk).get()
    assert (again.patient, again.lesion) == (leo, before.lesion)


# --- Reading -------------------------------------------------------------------------------------


def test_lists_say_whose_it_is(cast: Cast, leo: User) -> None:
    cases.submitted(leo)
    cases.submitted(cast.ana)
    for address in ("lesion_list", "case_list"):
        said = text_of(cast.client(cast.ana).get(reverse(address)))
        assert said.count("About Leo Duarte") == 1


def test_only_the_carer_sees_a_childs_case(cast: Cast, leo: User) -> None:
    case = cases.scored(cases.submitted(leo), **cases.RED)
    lesion = reverse("lesion", args=[case.lesion_id])
    photo = reverse("photo", args=[case.photos.get().pk])
    paper = reverse("case_report", args=[case.pk])
    for address in (reverse("case", args=[case.pk]), lesion, photo, paper):
        assert cast.client(cast.ana).get(address).status_code == 200
        assert cast.client(cast.bo).get(address).status_code == 404


def test_a_list_about_five_people_costs_as_much_as_about_one(cast: Cast, leo: User) -> None:
    ana = cast.client(cast.ana)
    cases.submitted(leo)
    ana.get(reverse("lesion_list"))
    with CaptureQueriesContext(connection) as one:
        ana.get(reverse("lesion_list"))
    for number in range(4):
        child = care.look_after(cast.ana, f"Child {number}", Relation.CHILD)
        people.give_consent(child, Consent.Kind.CARE)
        cases.submitted(child)
    with CaptureQueriesContext(connection) as five:
        ana.get(reverse("lesion_list"))
    assert len(five) == len(one)


def test_a_childs_paper_says_what_the_carers_page_says(cast: Cast, leo: User) -> None:
    case = cases.scored(cases.submitted(leo), **cases.RED)
    for_the_carer, for_a_doctor = report_of(case, cast.ana), report_of(case, cast.ruth)
    assert (gettext("Sent by"), cast.ana.name) in for_the_carer.facts
    assert len(for_the_carer.parts) > len(for_a_doctor.parts)


def test_the_doctor_reads_who_sent_it(cast: Cast, leo: User) -> None:
    case = cases.scored(cases.submitted(leo), **cases.RED)
    said = text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))
    assert "Leo Duarte" in said
    assert "Sent by Ana" in said
    assert "My child" in said


# --- What follows --------------------------------------------------------------------------------


def test_the_news_goes_to_the_carer_and_the_link_opens(cast: Cast, leo: User) -> None:
    case = cases.scored(cases.submitted(leo), **cases.RED)
    told = Message.objects.get(event=Event.CASE_CHECKED)
    assert (told.recipient, told.address) == (cast.ana, ANAS_NUMBER)
    link = reverse("link", args=[told.link.token if told.link else ""])
    assert got(cast.client(cast.ana), link).url == f"/cases/{case.pk}/"
    assert cast.client(cast.bo).get(link).status_code == 404


def test_two_children_checked_at_once_are_two_messages(cast: Cast, leo: User) -> None:
    mia = care.look_after(cast.ana, "Mia", Relation.CHILD)
    for kind in (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK):
        people.give_consent(mia, kind)
    for child in (leo, mia):
        cases.scored(cases.submitted(child), **cases.RED)
    assert Message.objects.filter(event=Event.CASE_CHECKED, recipient=cast.ana).count() == 2


def test_the_carer_speaks_on_the_childs_side(cast: Cast, leo: User) -> None:
    case = cases.scored(cases.submitted(leo), **cases.RED)
    ana = cast.client(cast.ana)
    ana.post(reverse("case_talk", args=[case.pk]), {"text": "Does it matter that it itches?"})
    case.refresh_from_db()
    assert case.question_since is not None
    assert Message.objects.filter(event=Event.PATIENT_WROTE).exists()
    workflow.ask(case, cast.ruth, "No.", uuid.uuid4())
    assert Message.objects.get(event=Event.DOCTOR_WROTE).recipient == cast.ana
    assert "New message" in text_of(ana.get(reverse("lesion_list")))
    page(ana, case)
    assert "New message" not in text_of(ana.get(reverse("lesion_list")))


def test_the_carer_sends_tells_and_withdraws(cast: Cast, leo: User) -> None:
    case = cases.scored(cases.submitted(leo), **cases.RED)
    ana = cast.client(cast.ana)
    photo = {"main_photo": named(cases.jpeg(5)), "main_kind": "dermoscopic"}
    ana.post(reverse("case_photo", args=[case.pk]), photo)
    ana.post(reverse("case_tell", args=[case.pk]), {"what": "It bleeds"})
    ana.post(reverse("case_withdraw", args=[case.pk]))
    case.refresh_from_db()
    assert case.status == Case.Status.CANCELLED
    mine = case.events.filter(kind__in=["retaken", "told_more", "withdrawn"])
    assert [event.actor for event in mine] == [cast.ana] * 3


def test_a_childs_reminder_is_the_carers_to_open_and_answer(cast: Cast, leo: User) -> None:
    case = cases.scored(cases.submitted(leo), **cases.RED)
    answered(case, cast.ruth)
    Nudge.objects.update(state=Nudge.State.TOLD, told_at="2026-11-20T10:00Z")
    nudge = Nudge.objects.get(case=case)
    address = reverse("reminder", args=[nudge.pk])
    assert cast.client(cast.bo).get(address).status_code == 404
    assert "Leo Duarte" in text_of(cast.client(cast.ana).get(address))
    cast.client(cast.ana).post(address, {"reply": "yes"})
    nudge.refresh_from_db()
    assert nudge.reply == "yes"


# --- Their data ----------------------------------------------------------------------------------


def test_a_consent_taken_back_for_a_child_is_the_childs_alone(cast: Cast, leo: User) -> None:
    address = reverse("person_consent", args=[leo.pk, "computer_check"])
    cast.client(cast.ana).post(address, {"answer": "withdraw"})
    assert not people.has_consent(leo, Consent.Kind.COMPUTER_CHECK)
    assert people.has_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    assert cast.client(cast.bo).post(address, {"answer": "give"}).status_code == 404
    messages = reverse("person_consent", args=[leo.pk, "messages"])
    assert cast.client(cast.ana).post(messages, {"answer": "give"}).status_code == 404


def test_a_copy_of_a_childs_records_holds_the_child_alone(cast: Cast, leo: User) -> None:
    cases.submitted(leo)
    cases.submitted(cast.ana)
    ana = cast.client(cast.ana)
    address = reverse("person_download", args=[leo.pk])
    asked = got(ana, address)
    ana.post(asked.url, {"password": PASSWORD})
    assert "1 case" in text_of(ana.get(address))
    answer: Response = ana.post(address)
    content = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    record = json.loads(content.read("lentigo.json"))
    assert record["account"]["name"] == "Leo Duarte"
    assert record["account"]["looked_after_by"] == cast.ana.name
    assert len(record["cases"]) == 1
    assert cast.client(cast.bo).get(address).status_code == 404, "no password is asked for"


def test_a_childs_records_are_erased_alone(cast: Cast, leo: User) -> None:
    case, own = cases.submitted(leo), cases.submitted(cast.ana)
    ana = cast.client(cast.ana)
    address = reverse("person_erase", args=[leo.pk])
    asked: Response = ana.post(address, {"word": "erase", "open_cases": "withdraw"})
    ana.post(asked.url, {"password": PASSWORD})
    leo.refresh_from_db()
    assert leo.erase_asked_at is not None
    assert "will be erased" in text_of(ana.get(address))  # still logged in
    ana.post(reverse("person_keep", args=[leo.pk]))
    leo.refresh_from_db()
    assert leo.erase_asked_at is None
    people.ask_to_erase(leo, after_answers=False)
    User.objects.filter(pk=leo.pk).update(erase_asked_at="2026-11-01T00:00Z")
    assert erasure.sweep() == 1
    for each in (leo, case, own, cast.ana):
        each.refresh_from_db()
    assert (leo.name, leo.carer, case.status) == ("Erased person", None, Case.Status.CANCELLED)
    assert (cast.ana.erased_at, own.status) == (None, Case.Status.REGISTERED)
    assert page(ana, case).status_code == 404


def test_whom_one_looks_after_goes_with_ones_own_account(cast: Cast, leo: User) -> None:
    case = cases.submitted(leo)
    mark = leo.lesions.get()
    Lesion.objects.filter(pk=mark.pk).update(name="the one on Leo's arm")
    said = text_of(cast.client(cast.ana).get(reverse("account_erase")))
    assert "Leo Duarte" in said
    people.ask_to_erase(cast.ana, after_answers=False)
    User.objects.filter(pk=cast.ana.pk).update(erase_asked_at="2026-11-01T00:00Z")
    assert erasure.sweep() == 1
    for each in (leo, case, cast.ana):
        each.refresh_from_db()
    assert leo.erased_at is not None
    assert cast.ana.erased_at is not None
    assert case.status == Case.Status.CANCELLED
    assert Lesion.objects.get(pk=mark.pk).name == ""


def test_an_account_waits_for_the_answers_to_a_child(cast: Cast, leo: User) -> None:
    cases.submitted(leo)
    people.ask_to_erase(cast.ana, after_answers=True)
    User.objects.filter(pk=cast.ana.pk).update(erase_asked_at="2026-11-01T00:00Z")
    cast.ana.refresh_from_db()
    assert erasure.not_before(cast.ana) is None
    assert erasure.sweep() == 0


# --- The API -------------------------------------------------------------------------------------


def test_a_program_sends_for_a_child(cast: Cast, leo: User) -> None:
    api = cast.api(cast.ana)
    names = [one["name"] for one in api.get("/api/v1/people").json()]
    assert names == [cast.ana.name, "Leo Duarte"]
    sent = {"photo": named(cases.jpeg()), "site": "back", "patient": leo.pk}
    made = api.post("/api/v1/cases", sent, format="multipart")
    assert made.status_code == 201
    assert made.json()["patient"] == {"id": leo.pk, "name": "Leo Duarte"}
    assert Case.objects.get().patient == leo
    assert len(api.get("/api/v1/cases").json()["results"]) == 1
    address = f"/api/v1/cases/{Case.objects.get().pk}/messages/"
    assert api.post(address, {"text": "Hello"}).json()["by"] == "patient"


def test_a_program_sends_for_nobody_elses_child(cast: Cast, leo: User) -> None:
    api = cast.api(cast.bo)
    for who in (leo.pk, cast.ana.pk, "x"):
        sent = {"photo": named(cases.jpeg()), "site": "back", "patient": who}
        assert api.post("/api/v1/cases", sent, format="multipart").status_code in {400, 422}
    assert not Case.objects.exists()
    assert cast.api(cast.ruth).get("/api/v1/people").status_code == 403

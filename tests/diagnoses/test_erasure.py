"""The end of an account: asked for, undone within a week, or done; what was signed stays."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import people, resealing
from accounts.models import AuditEntry, Consent, User
from diagnoses import erasure, workflow
from diagnoses.models import Case, Draft, DraftPhoto, Photo
from diagnoses.workflow import Answer
from notifications import delivery, ledger, verification
from notifications.ledger import Notice
from notifications.models import Channel, Event, Inbound, Message, NumberCode
from tests import cases
from tests.cast import ANAS_NUMBER, PASSWORD, Cast
from tests.diagnoses.pages import Response, named, say, text_of

pytestmark = pytest.mark.usefixtures("media")
ERASE, KEEP = reverse("account_erase"), reverse("account_keep")


def ask(browser: Client, password: str = PASSWORD, **fields: str) -> Response:
    """Fill in the form and type the password when it is asked for."""
    answer = browser.post(ERASE, {"word": "erase"} | fields)
    if answer.status_code != 302:
        return answer
    return browser.post(answer["Location"], {"password": password})


def days_go_by(days: float, patient: User) -> None:
    asked = F("erase_asked_at") - timedelta(days=days)
    User.objects.filter(pk=patient.pk).update(erase_asked_at=asked)


def log_in(email: str) -> tuple[Client, Response]:
    browser = Client()
    return browser, browser.post(reverse("account_login"), {"login": email, "password": PASSWORD})


def signed(case: Case, doctor: User, advice: str = "A mole.") -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, doctor, Answer(diagnosis="nv", plan="reassure", advice=advice))


@pytest.fixture
def no_undo(settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)


# --- Asking, and undoing it ----------------------------------------------------------------------
def test_the_page_says_what_goes_what_stays_and_why(cast: Cast, settings: Settings) -> None:
    settings.RECORD_RETENTION_YEARS = 30
    cases.submitted(cast.ana)
    words = text_of(cast.client(cast.ana).get(ERASE))
    for sentence in (
        "your phone numbers, and messages that have not left yet",
        "here for 30 years. It stays under the name “Erased person”.",
        "1 case of yours waits for a doctor’s answer.",
        "Withdraw those still open on the day",
    ):
        assert sentence in words
    words = text_of(cast.client(cast.bo).get(ERASE))
    assert "Withdraw those" not in words
    assert "30 years" not in words


@pytest.mark.parametrize("word", ["", "eras", "delete"])
def test_a_slip_erases_nothing(cast: Cast, word: str) -> None:
    browser = cast.client(cast.ana)
    answer = browser.post(ERASE, {"word": word})
    assert answer.status_code == 422
    assert "if you want this" in answer.content.decode()
    assert "Type your password" in text_of(ask(browser, "a wrong password"))
    cast.ana.refresh_from_db()
    assert cast.ana.erase_asked_at is None


def test_asking_logs_out_everywhere_and_logging_in_undoes_it(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    elsewhere, api = cast.client(cast.bo), cast.api(cast.bo)
    answer = ask(cast.client(cast.bo))
    assert answer["Location"] == reverse("account_login")
    assert elsewhere.get("/account/").status_code == 302
    assert api.get("/api/v1/cases").status_code == 401
    delivery.deliver_due()
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        ([cast.bo.email], "Your account will be erased")
    ]

    browser, welcome = log_in(cast.bo.email)
    assert welcome["Location"] == ERASE
    words = text_of(browser.get(ERASE))
    assert "Nothing is erased yet" in words
    assert "Keep my account" in text_of(browser.get("/account/"))
    assert browser.post(KEEP)["Location"] == reverse("account")
    days_go_by(30, cast.bo)
    assert erasure.sweep() == 0
    assert log_in(cast.bo.email)[1]["Location"] != ERASE
    trail = AuditEntry.objects.filter(about=f"user:{cast.bo.pk}", action__startswith="person.eras")
    assert [row.action for row in reversed(trail)] == [
        "person.erasure_asked",
        "person.erasure_undone",
    ]


def test_nothing_is_done_before_the_seventh_day(cast: Cast) -> None:
    ask(cast.client(cast.bo))
    days_go_by(6.99, cast.bo)
    assert erasure.sweep() == 0
    days_go_by(0.02, cast.bo)
    assert erasure.sweep() == 1


def test_staff_cannot_erase_themselves_and_are_told_whom_to_ask(cast: Cast) -> None:
    for someone in (cast.ruth, cast.ada):
        browser = cast.client(someone)
        assert browser.post(ERASE, {"word": "erase"}).status_code == 404
        assert browser.post(KEEP).status_code == 404
        assert "Ask an admin of North" in text_of(browser.get("/account/"))
    with pytest.raises(people.PeopleError):
        people.ask_to_erase(cast.ruth, after_answers=False)


# --- Open cases ----------------------------------------------------------------------------------
def test_whoever_waits_for_the_answer_gets_a_week_to_read_it(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    ask(cast.client(cast.ana), open_cases="wait")
    days_go_by(8, cast.ana)
    assert erasure.sweep() == 0
    browser, _ = log_in(cast.ana.email)
    assert "after a doctor has answered" in text_of(browser.get(ERASE))
    signed(case, cast.ruth)
    assert erasure.sweep() == 0
    cast.ana.refresh_from_db()
    day = erasure.not_before(cast.ana)
    assert day is not None
    assert timedelta(days=6.9) < day - timezone.now() <= timedelta(days=7)
    assert "A mole." in text_of(browser.get(reverse("case", args=[case.pk])))


def test_whoever_does_not_wait_has_open_cases_withdrawn_on_the_day(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    ask(cast.client(cast.ana), open_cases="withdraw")
    case.refresh_from_db()
    assert case.is_open, "until then a doctor may still answer"
    days_go_by(8, cast.ana)
    assert erasure.sweep() == 1
    case.refresh_from_db()
    assert case.status == Case.Status.CANCELLED


# --- Afterwards ----------------------------------------------------------------------------------
def gone(patient: User) -> User:
    """``patient``, erased without waiting for the answers."""
    erasure.ask(patient, after_answers=False)
    days_go_by(8, patient)
    assert erasure.erase(patient)
    return User.objects.get(pk=patient.pk)


def test_the_doctor_still_reads_what_was_signed_and_may_amend_it(
    cast: Cast, no_undo: None, mailoutbox: list[EmailMessage]
) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    signed(case, cast.ruth, "It is a common mole.")
    gone(cast.ana)
    browser = cast.client(cast.ruth)
    page = browser.get(reverse("reading", args=[case.pk])).content.decode()
    assert "It is a common mole." in page
    assert "Erased person" in page
    assert "Ana Silva" not in page
    assert browser.get(reverse("photo", args=[Photo.objects.get().pk])).status_code == 200

    case.refresh_from_db()
    answer = Answer(diagnosis="nv", plan="see", advice="Please come in.")
    workflow.amend(case, cast.ruth, answer, after=case.reviews.get())
    while delivery.deliver_due():
        pass
    told = Message.objects.get(event=Event.CASE_AMENDED)
    assert told.state == Message.State.CANCELLED
    assert not [mail for mail in mailoutbox if "erased.invalid" in mail.to[0]]


def test_nothing_personal_is_left_in_any_row(cast: Cast) -> None:
    """Her name, address and number are looked for in every column of every table."""
    cases.a_model_version()
    EmailAddress.objects.create(user=cast.ana, email=cast.ana.email, primary=True)
    number = people.add_number(cast.ana, "+447700900102", opt_in=True)
    verification.send(cast.ana, number)
    Inbound.objects.create(provider_id="SM1", e164=ANAS_NUMBER, word=Inbound.Word.OTHER)
    case = cases.scored(cases.submitted(cast.ana, contact_e164=ANAS_NUMBER))
    told = Message.objects.get(recipient=cast.ana, event=Event.CASE_CHECKED)
    personal = (cast.ana.name, cast.ana.email, ANAS_NUMBER, number.e164)
    assert found(personal) >= {"accounts_user", "account_emailaddress", "diagnoses_case"}
    gone(cast.ana)
    assert found(personal) == set()
    told.refresh_from_db()
    assert (told.state, told.address) == (Message.State.CANCELLED, "")
    assert not NumberCode.objects.exists()
    case.refresh_from_db()
    assert case.answers == cases.ALL_ANSWERED


def found(words: tuple[str, ...]) -> set[str]:
    """The tables in which one of ``words`` stands somewhere, readable or sealed."""
    tables = {model._meta.db_table for model in apps.get_models()} - {"django_session"}
    holding = {
        column.model._meta.db_table
        for column in resealing.columns()
        for value in column.model._default_manager.values_list(column.field.name, flat=True)
        if any(word in str(value) for word in words)
    }
    with connection.cursor() as cursor:
        for table in tables:
            for word in words:
                cursor.execute(
                    f'SELECT 1 FROM "{table}" AS one WHERE one::text LIKE %s LIMIT 1',  # noqa: S608 - our own table names
                    [f"%{word}%"],
                )
                if cursor.fetchone():
                    holding.add(table)
    return holding


def test_nobody_gets_in_as_the_tombstone_and_the_address_is_free_again(cast: Cast) -> None:
    nobody = gone(cast.ana)
    assert (nobody.name, nobody.is_active, nobody.has_usable_password()) == (
        *("Erased person", False, False),
    )
    assert log_in("ana@example.org")[1].status_code == 200
    with pytest.raises(people.PeopleError, match="erased"):
        people.restore(nobody, cast.root)
    assert User.objects.create_user("ana@example.org", PASSWORD, name="Ana Silva").pk != nobody.pk
    assert (
        cast.client(cast.root)
        .get(reverse("admin:accounts_user_change", args=[nobody.pk]))
        .status_code
        == 200
    )


def test_every_consent_ends_and_is_kept_without_a_name(cast: Cast) -> None:
    people.give_consent(cast.ana, Consent.Kind.RESEARCH)
    nobody = gone(cast.ana)
    assert people.who_agreed([nobody.pk], Consent.Kind.RESEARCH) == set()
    assert nobody.consents.count() == 4
    assert not nobody.consents.in_force().exists()


def test_what_their_browsers_had_open_is_forgotten(cast: Cast) -> None:
    browser, others = log_in(cast.ana.email)[0], cast.client(cast.bo)
    assert Session.objects.count() == 2
    gone(cast.ana)
    assert [session.session_key for session in Session.objects.all()] == [
        others.session.session_key
    ]
    assert browser.get("/account/").status_code == 302


def test_photos_that_were_never_sent_are_gone_from_the_disk(
    cast: Cast,
    media: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    key = str(uuid.uuid4())
    say(cast.client(cast.ana), key, "photo", main_photo=named(cases.jpeg()))
    say(cast.client(cast.ana), key, "note", q_note="Not sent")
    draft = cases.file_of(DraftPhoto.objects.get())
    assert draft.exists()
    with django_capture_on_commit_callbacks(execute=True):
        gone(cast.ana)
    assert not draft.exists()
    assert not Draft.objects.exists()


def test_a_message_in_a_workers_hands_puts_it_off(cast: Cast) -> None:
    ledger.tell(Notice(Event.CASE_CHECKED, cast.ana, "case:1", "/cases/1/"))
    message = delivery.claim()
    assert message is not None
    erasure.ask(cast.ana, after_answers=False)
    days_go_by(8, cast.ana)
    assert erasure.sweep() == 0
    Message.objects.filter(pk=message.pk).update(token=None, lease_until=None)
    assert erasure.sweep() == 1


def test_a_dry_run_says_who_and_erases_nobody(cast: Cast) -> None:
    erasure.ask(cast.ana, after_answers=False)
    days_go_by(8, cast.ana)
    printed = io.StringIO()
    call_command("erase_accounts", "--dry-run", stdout=printed)
    assert printed.getvalue().startswith(f"user {cast.ana.pk}, asked ")
    assert "Ana" not in printed.getvalue()
    assert User.objects.filter(name="Ana Silva").exists()
    call_command("erase_accounts", stdout=printed)
    assert "1 erased." in printed.getvalue()
    assert not User.objects.filter(name="Ana Silva").exists()


def test_the_database_lets_no_half_erased_person_stand(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="user_erased_is_nobody"):
        User.objects.filter(pk=cast.ana.pk).update(erased_at=timezone.now())


def test_the_news_of_that_week_goes_the_way_it_always_went(cast: Cast) -> None:
    erasure.ask(cast.ana, after_answers=False)
    message = Message.objects.get(event=Event.ACCOUNT_ENDS)
    assert (message.channel, message.address) == (Channel.WHATSAPP, ANAS_NUMBER)

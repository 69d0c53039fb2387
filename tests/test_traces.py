"""R15: words planted wherever people write are in no log, address, task or message that leaves.

But for one: a doctor's answer, in the one message to who asked for it whole.

The portal as it really runs: web server, both workers and the sweep as processes, PostgreSQL,
Valkey, and the stand-in in Twilio's place. What people write is written through the pages.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.urls import reverse

from accounts import people
from accounts.models import Clinic, Consent, ContactNumber, User
from diagnoses import workflow
from diagnoses.models import Case, Escalation, Letter, Review, SecondReading
from diagnoses.workflow import Answer
from mlservice.models import WorkerReport
from notifications.models import Channel, Event, Message
from portal.machine.stack import Stack
from portal.models import Pulse
from portal.operations import metrics
from portal.operations.exposition import written
from portal.standin import mailbox
from tests.cases import submitted
from tests.cast import PASSWORD, Cast, build_cast, confirmed_number
from tests.diagnoses import pages
from tests.notifications.conftest import SMS_SENDER
from tests.plugin import LOGS
from tests.signing import code_in
from tests.stack import eventually
from tests.traces import Overheard, Planted, Visitor, photo_that_tells

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES = ("web", "inference", "io", "beat")
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}
ANSWER = {"diagnosis": "nv", "plan": "reassure", "agrees": "no"}
# Every event that this life comes to; the reminders come months later, with the same few words.
COME_TO = [
    *(Event.CASE_CHECKED, Event.CASE_TO_READ, Event.CASE_SIGNED, Event.CASE_AMENDED),
    *(Event.DOCTOR_WROTE, Event.PATIENT_WROTE, Event.RETAKE_ASKED),
    *(Event.INVITATION, Event.NUMBER_CODE, Event.SETUP_TEST),
    *(Event.CASE_DUE, Event.CASE_LATE),
    *(Event.URGENT_UNREAD, Event.ANSWER_UNREAD, Event.URGENT_CALL),
]


@dataclass
class Life:
    """The portal, who uses it, what they wrote, and who listens."""

    stack: Stack
    planted: Planted
    cast: Cast
    overheard: Overheard
    mail: Path
    visitors: list[Visitor] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)  # of links that were sent

    def visitor(self, email: str = "") -> Visitor:
        visitor = Visitor(self.stack.url)
        self.visitors.append(visitor)
        if email:
            visitor.log_in(email, PASSWORD)
        return visitor

    def accepted(self) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.stack.phones}/_control", timeout=10).json()
        accepted: list[dict[str, Any]] = answer["accepted"]
        return accepted


@pytest.fixture
def life(live_stack: Stack, tmp_path: Path) -> Life:
    planted, cast = Planted(), build_cast()
    for clinic in (cast.north, cast.south):
        Clinic.objects.filter(pk=clinic.pk).update(name=planted.word(f"clinic {clinic.pk}"))
    for name, who in cast.everyone().items():
        said = {"name": planted.word(f"{name}'s name"), "email": planted.email(f"{name}'s e-mail")}
        User.objects.filter(pk=who.pk).update(**said)
        who.refresh_from_db()
    for number in ContactNumber.objects.all():
        planted.words[f"a number of {number.user_id}"] = number.e164.removeprefix("+44")
    overheard = Overheard(os.environ["REDIS_URL"])
    texts = {"TWILIO_SMS_FROM": SMS_SENDER, "TWILIO_SMS_RATE": "0"}
    live_stack.start("standin", *PROCESSES, **texts)
    return Life(live_stack, planted, cast, overheard, tmp_path / "mail")


def test_what_people_write_leaves_no_trace_where_it_does_not_belong(life: Life) -> None:
    patient = sign_up(life)
    case = submit(life, patient)
    talk(life, patient, case)
    retake(life, patient, case)
    sign(life, patient, case)
    amend(life, patient, case)
    afterwards(life, case)
    wait_too_long(life)
    invite(life)
    set_up(life)
    err(life, patient, case)
    settled(life)
    life.overheard.stop()

    planted = life.planted
    assert len(planted.words) > 45
    everywhere = {
        "a log": [life.stack.log(name) for name in PROCESSES],
        "a server's log": [path.read_text(errors="replace") for path in LOGS.glob("*.log")],
        "Valkey": [*life.overheard.said, *life.overheard.held()],
        "an address": [one for visitor in life.visitors for one in visitor.addresses],
        "a message": [f"{one['body']} {one['callback']}" for one in life.accepted()],
        "a mail": [f"{mail.subject} {mail.body}" for mail in mailbox.read(life.mail)],
    }
    assert_nothing_lies_readable(life)
    for where, texts in everywhere.items():
        assert any(texts), f"{where} holds nothing at all"
        lines = [line for text in texts for line in text.splitlines()]
        found = planted.found_in(lines)
        if where == "a message":
            assert_one_holds_the_answer(life, found)
        else:
            assert found == set(), where
        if where not in ("an address", "a message", "a mail"):
            assert not [line for line in lines for token in life.tokens if token in line], where
    assert_logs_are_for_machines(life)
    assert_signs_of_life_name_nobody(life)
    assert_mails_name_their_recipient_alone(life)
    assert_tasks_have_no_arguments(life)
    for event in COME_TO:
        assert Message.objects.filter(event=event, sent_at__isnull=False).exists(), event
    assert any(one["sender"] == SMS_SENDER for one in life.accepted()), "no text message"


def assert_nothing_lies_readable(life: Life) -> None:
    """Of the disk: no picture. Of the database, as a dump of it would show it: no number."""
    files = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        raw = path.read_bytes()
        assert raw.startswith(b"LNTGSEAL"), path.name
        assert b"\xff\xd8\xff" not in raw[:64], path.name
        assert b"JFIF" not in raw, path.name
    numbers = [word for word in life.planted.words.values() if word.startswith("7700900")]
    assert len(numbers) > 5
    rows = list(dumped())
    assert len(rows) > 500
    for number in numbers:
        for form in (number, number.encode().hex()):
            assert not [row[:200] for row in rows if form in row.replace(" ", "")]


def dumped() -> Iterator[str]:
    """Every row of every table, as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608 - our own names
            yield from (row[0] for row in cursor.fetchall())


def assert_one_holds_the_answer(life: Life, found: set[tuple[str, str]]) -> None:
    """Of all that was planted, the answer that was asked for whole, in the one message that tells
    of it, by WhatsApp to the one phone; nothing else of it but initials."""
    assert {where for where, _ in found} == {"second thoughts"}
    word = life.planted.word("second thoughts")
    [carrier] = [one for one in life.accepted() if word in one["body"]]
    message = Message.objects.get(event=Event.CASE_AMENDED, channel=Channel.WHATSAPP)
    assert f"/{message.pk}/" in carrier["callback"]
    assert carrier["sender"].startswith("whatsapp:")
    assert carrier["number"] == life.planted.number("patient's number")
    initial = life.planted.word("patient's name")[0]
    assert (
        f" {initial}.: Nothing more needs to be done now. It {word} since May. " in carrier["body"]
    )
    assert message.words == ""


def assert_logs_are_for_machines(life: Life) -> None:
    """An object a line, of Celery and gunicorn too; around them only what Celery shows when it
    starts. A request's line has its route and no address."""
    for name in PROCESSES:
        lines = life.stack.log(name).splitlines()
        objects = [json.loads(line) for line in lines if line.startswith("{")]
        assert all({"time", "level", "logger", "message"} <= set(one) for one in objects), name
        assert objects or name == "beat", f"{name} wrote nothing for a machine"
    web = life.stack.log("web").splitlines()
    assert [line for line in web if not line.startswith("{")] == []
    asked = [one for one in map(json.loads, web) if one["logger"] == "portal.access"]
    assert {one["role"] for one in asked} >= {"patient", "doctor", "nobody"}
    assert "link" in {one["route"] for one in asked}
    assert not [one for one in asked if "/" in one["route"]]
    assert len({one["request_id"] for one in asked}) == len(asked)


def assert_signs_of_life_name_nobody(life: Life) -> None:
    """What workers and beat wrote down of themselves, and what is made of it for Prometheus."""
    signs = list(Pulse.objects.values_list("kind", "name", "said"))
    assert {kind for kind, _, _ in signs} == set(Pulse.Kind.values), "some gave no sign"
    [worker] = WorkerReport.objects.all()
    assert (worker.name, worker.device.split("-")[0]) == ("inference", "litert")
    told = written(metrics.families())
    assert "lentigo_io_workers 1" in told
    assert life.planted.found_in([*map(str, signs), *told.splitlines()]) == set()


def assert_mails_name_their_recipient_alone(life: Life) -> None:
    for path in life.mail.glob("*.log"):
        head, body = path.read_text().split("\n\n", 1)
        others = [line for line in head.splitlines() if not line.startswith("To: ")]
        assert life.planted.found_in([*others, body]) == set()


def assert_tasks_have_no_arguments(life: Life) -> None:
    """Celery's bodies, opened: the arguments, the named ones, and how tasks hang together."""
    bodies = [text for text in life.overheard.said if text.startswith("[[")]
    assert bodies, "no task was overheard"
    assert {re.sub(r"\s", "", text)[:7] for text in bodies} == {"[[],{},"}


# --- What people do ------------------------------------------------------------------------------


def sign_up(life: Life) -> Visitor:
    """A new patient, who confirms a number and writes down a child."""
    planted, patient = life.planted, life.visitor()
    answer = patient.post(
        "/accounts/signup/",
        {
            "name": planted.word("patient's name"),
            "email": planted.email("patient's e-mail"),
            "password1": PASSWORD,
            "clinic": life.cast.north.pk,
            "number": planted.number("patient's number"),
            "messages": "on",
            "care": "on",
        },
    )
    assert answer.status_code == 302
    [letter] = mailbox.read(life.mail)
    answer = patient.post("/accounts/signup/code/", {"code": code_in(letter.body)})
    assert answer.status_code == 302
    confirm(life, patient, planted.number("patient's number"))
    said = {"name": planted.word("child's name"), "relation": "child", "may_decide": "on"}
    assert patient.post(reverse("person_add"), said).status_code == 302
    patient.get(reverse("account"))
    return patient


def confirm(life: Life, patient: Visitor, e164: str) -> None:
    def codes() -> list[str]:
        return [one["body"] for one in life.accepted() if one["number"] == e164]

    eventually(lambda: bool(codes()), 30, "the code")
    code = re.search(r"[0-9]{6}", codes()[0])
    assert code is not None
    number = ContactNumber.objects.get(e164=e164)
    address = reverse("number_confirm", args=[number.pk])
    assert patient.post(address, {"code": code[0]}).status_code == 302


def submit(life: Life, patient: Visitor) -> Case:
    """A case with everything that can be written into it, and a name for its mark."""
    planted = life.planted
    sent = pages.send(
        patient,  # type: ignore[arg-type]  # speaks as the test client does
        photo=photo_that_tells(planted, "photo", 5),
        q_note=planted.sentence("note"),
        doctor_name=f"Dr {planted.word('named doctor')}",
        doctor_number=planted.number("named doctor's number"),
        contact=planted.number("contact"),
        messages="on",
        computer_check="on",
    )
    assert sent.status_code == 302, sent.text
    case = Case.objects.get()
    eventually(lambda: Case.objects.get().prediction is not None, 40, "the computer's view")
    name = {"name": planted.word("mark's name")}
    assert patient.post(reverse("lesion_name", args=[case.lesion_id]), name).status_code == 302
    for address in (f"/cases/{case.pk}/", "/lesions/", f"/lesions/{case.lesion_id}/", "/cases/"):
        assert patient.get(address).status_code == 200
    return case


def talk(life: Life, patient: Visitor, case: Case) -> None:
    planted = life.planted
    said = {"text": planted.sentence("question")}
    assert patient.post(reverse("case_talk", args=[case.pk]), said).status_code == 302
    doctor = life.visitor(life.cast.ruth.email)
    doctor.get("/worklist/")
    doctor.get(f"/worklist/{case.pk}/")
    answer = {"text": planted.sentence("doctor's word")}
    assert doctor.post(reverse("reading_talk", args=[case.pk]), answer).status_code == 302
    patient.get(f"/cases/{case.pk}/")


def retake(life: Life, patient: Visitor, case: Case) -> None:
    planted, doctor = life.planted, life.visitor(life.cast.ruth.email)
    asked = {"reasons": "blurred", "words": planted.sentence("request for a photo")}
    assert doctor.post(reverse("reading_retake", args=[case.pk]), asked).status_code == 302
    new = {"main_photo": photo_that_tells(planted, "new photo", 6), "main_kind": "dermoscopic"}
    address = reverse("case_photo", args=[case.pk])
    assert patient.post(address, new | {"submit_key": key()}).status_code == 302
    waiting = Case.objects.get().scorings.waiting()
    eventually(lambda: not waiting.all().exists(), 40, "the new view")


def key() -> str:
    import uuid

    return str(uuid.uuid4())


def sign(life: Life, patient: Visitor, case: Case) -> None:
    """Read, ask a colleague, who reads too, and sign."""
    planted, doctor = life.planted, life.visitor(life.cast.ruth.email)

    def post(name: str, **said: Any) -> None:
        answer = doctor.post(reverse(name, args=[case.pk]), said)
        assert answer.status_code == 302, (name, answer.status_code)

    doctor.get(f"/worklist/{case.pk}/")
    post("reading_first", **READING)
    post(
        "reading_ask", colleague=life.cast.sam.pk, question=planted.sentence("colleague's question")
    )
    colleague = life.visitor(life.cast.sam.email)
    read = READING | {"words": planted.sentence("colleague's words")}
    asked = SecondReading.objects.get()
    assert colleague.post(reverse("again", args=[asked.pk]), read).status_code == 302
    seen = re.search(r'name="saw" value="(\d+)"', doctor.get(f"/worklist/{case.pk}/").text)
    words = {
        "advice": planted.sentence("advice"),
        "note": planted.sentence("note for colleagues"),
        "differs_because": planted.sentence("why they differ"),
    }
    post("reading_sign", **ANSWER, **words, saw=seen[1] if seen else "0")
    eventually(lambda: Case.objects.get().status == "final", 40, "the signature")
    eventually(lambda: told(Event.CASE_SIGNED), 60, "telling that it is signed")
    patient.get(f"/cases/{case.pk}/")


def told(event: Event) -> bool:
    return Message.objects.filter(event=event, sent_at__isnull=False).exists()


def amend(life: Life, patient: Visitor, case: Case) -> None:
    """By now clinic and patient want answers whole, and the patient has written lately."""
    planted, doctor = life.planted, life.visitor(life.cast.ruth.email)
    Clinic.objects.filter(pk=life.cast.north.pk).update(full_report=True)
    consent = reverse("account_consent", args=[Consent.Kind.FULL_REPORT])
    assert patient.post(consent, {"answer": "give"}).status_code == 302
    reply = {"number": planted.number("patient's number"), "body": planted.sentence("reply")}
    requests.post(f"{life.stack.phones}/reply", reply, timeout=10, allow_redirects=False)
    words = {
        "advice": planted.sentence("second thoughts"),
        "note": planted.sentence("note for colleagues"),
        "differs_because": planted.sentence("why they differ"),
        "after": Review.objects.get().pk,
    }
    said = doctor.post(reverse("reading_amend", args=[case.pk]), ANSWER | words)
    assert said.status_code == 302
    eventually(lambda: told(Event.CASE_AMENDED), 60, "telling that it is amended")
    patient.get(f"/cases/{case.pk}/")


def afterwards(life: Life, case: Case) -> None:
    planted, doctor = life.planted, life.visitor(life.cast.ruth.email)
    outcome = {"diagnosis": "nv", "source": "histology", "found_on": "2026-11-01"}
    outcome["words"] = planted.sentence("outcome")
    assert doctor.post(reverse("reading_outcome", args=[case.pk]), outcome).status_code == 302
    letter = {
        "addressee": planted.word("addressee"),
        "words": planted.sentence("letter"),
        "with_photos": "on",
    }
    written = doctor.post(reverse("reading_letter", args=[case.pk]), letter)
    assert written.status_code == 302
    assert doctor.get(reverse("letter_paper", args=[Letter.objects.get().pk])).status_code == 200
    assert doctor.get(reverse("case_report", args=[case.pk])).status_code == 200
    doctor.get(f"/worklist/{case.pk}/")


def wait_too_long(life: Life) -> None:
    """A case that is due and then late; an answer nobody opens: a text message, then a call."""
    planted, cast = life.planted, life.cast
    day = timedelta(days=1)
    waiting, unread = submitted(cast.bo), submitted(cast.ana)
    seen = Case.objects.filter(pk=unread.pk)
    eventually(lambda: seen.get().prediction is not None, 60, "the computer's view")
    rows = Case.objects.filter(pk=waiting.pk)
    rows.update(tier_rank=0, submitted_at=Now() - day, answer_due_at=Now() + timedelta(minutes=30))
    workflow.read_first(unread, cast.ruth, diagnosis="mel", confidence="sure", plan="refer_urgent")
    words = planted.sentence("urgent answer")
    review = workflow.sign(unread, cast.ruth, Answer("mel", "refer_urgent", words))
    a_day_goes_by(review)
    swept(Event.CASE_DUE)
    rows.update(answer_due_at=Now() - timedelta(minutes=1))
    swept(Event.CASE_LATE)
    swept(Event.URGENT_UNREAD)
    Escalation.objects.filter(review=review).update(told_at=Now() - day)
    swept(Event.ANSWER_UNREAD)
    call = Message.objects.get(event=Event.URGENT_CALL)
    admin = life.visitor(cast.ada.email)
    for path in ("", "?show=all", f"{call.pk}/"):
        assert admin.get(f"{reverse('staff_messages')}{path}").status_code == 200
    assert admin.post(reverse("staff_told", args=[call.pk])).status_code == 302


def a_day_goes_by(review: Review) -> None:
    """Answers are written once, but for the test's owner."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE diagnoses_review DISABLE TRIGGER USER")
        Review.objects.filter(pk=review.pk).update(effective_at=Now() - timedelta(days=1))
        cursor.execute("ALTER TABLE diagnoses_review ENABLE TRIGGER USER")


def swept(event: Event) -> None:
    """The portal has looked at what waits, as it does every minute, and has told of it."""
    escalating = "diagnoses.sweep_escalations"

    def seen() -> bool:
        if not Message.objects.filter(event=event).exists():
            current_app.send_task(escalating, expires=5, ignore_result=True)
            time.sleep(1)
        return told(event)

    eventually(seen, 60, f"{event}")


def set_up(life: Life) -> None:
    """An admin looks at how messages stand, and tries one."""
    planted, ada = life.planted, life.cast.ada
    people.give_consent(ada, Consent.Kind.MESSAGES)
    confirmed_number(ada, planted.number("admin's number"))
    admin = life.visitor(ada.email)
    for kind in ("templates", "webhook", "message"):
        asked = admin.post(reverse("message_setup_check", args=[kind]))
        assert asked.status_code == 302, kind
    eventually(lambda: told(Event.SETUP_TEST), 60, "the test message")
    assert admin.get(reverse("message_setup")).status_code == 200


def invite(life: Life) -> None:
    """By an admin; one on a phone, one by e-mail."""
    planted, admin = life.planted, life.visitor(life.cast.ada.email)
    for number, (e164, email) in enumerate(
        ((planted.number("invited number"), ""), ("", planted.email("invited e-mail")))
    ):
        said = {
            "role": "doctor",
            "name": planted.word(f"invited name {number}"),
            "number": e164,
            "email": email,
        }
        address = reverse("manage_invite")
        assert admin.post(address, said).status_code == 302
    for page in ("message", "invitation", "inbound"):
        admin.get(reverse(f"admin:notifications_{page}_changelist"))


def err(life: Life, patient: Visitor, case: Case) -> None:
    """What goes wrong is logged, and must not say of whom: a wrong password, a link that is
    somebody else's, a page that is not there, a form that is refused."""
    planted = life.planted
    stranger = life.visitor()
    wrong = {"login": planted.email("patient's e-mail"), "password": "not this one"}
    assert stranger.post("/accounts/login/", wrong).status_code == 200
    links = [re.search(r"/l/([\w-]+)/", one["body"]) for one in life.accepted()]
    life.tokens = {found[1] for found in links if found}
    others = life.visitor(life.cast.bo.email)
    answers = {others.get(f"/l/{token}/").status_code for token in life.tokens}
    assert answers <= {302, 404}
    assert 404 in answers
    refused = patient.post(reverse("case_talk", args=[case.pk]), {"text": "x" * 2001})
    assert refused.status_code == 422


def settled(life: Life) -> None:
    """Everything due has left, by both ways."""
    waiting = Message.objects.filter(state=Message.State.PENDING).exclude(channel="staff")
    eventually(lambda: not waiting.all().exists(), 60, "sending everything")
    assert len(life.accepted()) > 5
    assert len(mailbox.read(life.mail)) > 0

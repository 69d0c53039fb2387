"""R15: words planted wherever people write are in no log, address, task or message that leaves.

The portal as it really runs: web server, both workers and the sweep as processes, PostgreSQL,
Valkey, and the stand-in in Twilio's place. Everything is written through the pages.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from django.urls import reverse

from accounts.models import Clinic, ContactNumber, User
from diagnoses.models import Case, Letter, Review, SecondReading
from notifications.models import Event, Message
from portal.machine.stack import Stack
from portal.standin import mailbox
from tests.cast import PASSWORD, Cast, build_cast
from tests.diagnoses import pages
from tests.plugin import LOGS
from tests.stack import eventually
from tests.traces import Overheard, Planted, Visitor, photo_that_tells

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES = ("web", "inference", "io", "beat")
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}
ANSWER = {"diagnosis": "nv", "plan": "reassure", "agrees": "no"}


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
    live_stack.start("standin", *PROCESSES)
    return Life(live_stack, planted, cast, overheard, tmp_path / "mail")


def test_what_people_write_leaves_no_trace_where_it_does_not_belong(life: Life) -> None:
    patient = sign_up(life)
    case = submit(life, patient)
    talk(life, patient, case)
    retake(life, patient, case)
    sign(life, patient, case)
    afterwards(life, case)
    invite(life)
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
    for where, texts in everywhere.items():
        assert any(texts), f"{where} holds nothing at all"
        lines = [line for text in texts for line in text.splitlines()]
        assert planted.found_in(lines) == set(), where
        if where not in ("an address", "a message", "a mail"):
            assert not [line for line in lines for token in life.tokens if token in line], where
    assert_mails_name_their_recipient_alone(life)
    assert_tasks_have_no_arguments(life)
    for event in (Event.CASE_CHECKED, Event.CASE_SIGNED, Event.CASE_AMENDED, Event.RETAKE_ASKED):
        assert Message.objects.filter(event=event, sent_at__isnull=False).exists(), event


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
    asked = {"reasons": "blur", "words": planted.sentence("request for a photo")}
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
    """Read, ask a colleague, sign, amend; the colleague reads too."""
    planted, doctor = life.planted, life.visitor(life.cast.ruth.email)

    def post(name: str, **said: Any) -> None:
        answer = doctor.post(reverse(name, args=[case.pk]), said)
        assert answer.status_code == 302, (name, answer.status_code)

    doctor.get(f"/worklist/{case.pk}/")
    post("reading_first", **READING)
    post(
        "reading_ask", colleague=life.cast.sam.pk, question=planted.sentence("colleague's question")
    )
    seen = re.search(r'name="saw" value="(\d+)"', doctor.get(f"/worklist/{case.pk}/").text)
    words = {
        "advice": planted.sentence("advice"),
        "note": planted.sentence("note for colleagues"),
        "differs_because": planted.sentence("why they differ"),
    }
    post("reading_sign", **ANSWER, **words, saw=seen[1] if seen else "0")
    eventually(lambda: Case.objects.get().status == "final", 40, "the signature")
    colleague = life.visitor(life.cast.sam.email)
    read = READING | {"words": planted.sentence("colleague's words")}
    asked = SecondReading.objects.get()
    assert colleague.post(reverse("again", args=[asked.pk]), read).status_code == 302
    words["advice"] = planted.sentence("second thoughts")
    review = Review.objects.get()
    eventually(lambda: told(Event.CASE_SIGNED), 60, "telling that it is signed")
    post("reading_amend", **ANSWER, **words, after=review.pk)
    patient.get(f"/cases/{case.pk}/")


def told(event: Event) -> bool:
    return Message.objects.filter(event=event, sent_at__isnull=False).exists()


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
    somebody else's, a page that is not there, a form that is refused; and a talkative reply."""
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
    reply = {"number": planted.number("patient's number"), "body": planted.sentence("reply")}
    requests.post(f"{life.stack.phones}/reply", reply, timeout=10, allow_redirects=False)


def settled(life: Life) -> None:
    """Everything due has left, by both ways."""
    waiting = Message.objects.filter(state=Message.State.PENDING).exclude(channel="staff")
    eventually(lambda: not waiting.all().exists(), 60, "sending everything")
    assert len(life.accepted()) > 5
    assert len(mailbox.read(life.mail)) > 0

"""The doctor's answer itself on WhatsApp: only where clinic and reader both asked for it, and then
exactly initials and the doctor's words."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import unquote_plus

import pytest
from celery import current_app
from django.core.mail import EmailMessage
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import care, clinics, languages, people
from accounts.agreements import kinds
from accounts.models import AuditEntry, Clinic, Consent, Relation, User
from diagnoses import workflow
from diagnoses.models import Case, Lesion, Review
from diagnoses.workflow import Answer
from diagnoses.workflow.in_full import LONGEST, answer_in_full, as_line
from notifications import again, wake
from notifications.models import Channel, Event, Inbound, Message
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cases import a_model_version, scored, submitted
from tests.cast import ANAS_NUMBER, Cast
from tests.notifications.conftest import bodies, deliver_all, now, pass_time
from tests.notifications.wire import Wire

WHOLE = Consent.Kind.FULL_REPORT
State = Message.State
HX, HX_FULL = ("HX" + digit * 32 for digit in "12")
# Planted wherever a person, a clinic, a colleague or the computer says something.
NAME, CLINIC, NOTE, MARK = "Zorblatt Quuxley", "Vexmoor", "Notemarker", "Lesionia"
MARKERS = (*NAME.split(), CLINIC, NOTE, MARK, "Ruth", "Okafor", "melanom", "naev", "nevus")
ADVICE = "You need not worry, it is harmless.\n\nShow it to us again  if it bleeds."
SAID = "Nothing more needs to be done now. You need not worry, it is harmless. Show it to us again if it bleeds."  # noqa: E501 - one line, as it is sent


def switch(cast: Cast, *, clinic: bool, reader: bool) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(full_report=clinic)
    if reader:
        people.give_consent(cast.ana, WHOLE)
    cast.ana.refresh_from_db()


def wrote(sender: str = ANAS_NUMBER, *, hours_ago: float = 0) -> None:
    """A phone wrote to us, which opens WhatsApp's 24 hours."""
    row = Inbound.objects.create(provider_id=f"SM{sender}{hours_ago}", e164=sender, word="other")
    row.refresh_from_db()
    when = row.received_at - timedelta(hours=hours_ago)
    Inbound.objects.filter(pk=row.pk).update(received_at=when)


def a_case(cast: Cast, patient: User | None = None) -> Case:
    a_model_version()
    return scored(submitted(patient or cast.ana))


def answered(cast: Cast, case: Case, advice: str = ADVICE) -> Review:
    workflow.read_first(case, cast.ruth, diagnosis="mel", confidence="sure", plan="reassure")
    answer = Answer(diagnosis="nv", plan="reassure", advice=advice, note=NOTE)
    return workflow.sign(case, cast.ruth, answer)


def signed_message() -> Message:
    return Message.objects.get(event=Event.CASE_SIGNED, channel=Channel.WHATSAPP)


@pytest.fixture
def at_once(settings: Settings) -> None:
    """The seconds to undo are over when the doctor has signed."""
    settings.UNDO_SIGNATURE = timedelta(0)


# --- The property --------------------------------------------------------------------------------
@dataclass
class Traces:
    """Everywhere that sending may leave a trace."""

    wire: Wire
    mails: list[EmailMessage]
    logs: pytest.LogCaptureFixture
    calls: list[object] = field(default_factory=list)

    def all(self) -> list[str]:
        return [
            *(f"{one.request.url} {unquote_plus(str(one.request.body))}" for one in self.wire.all),
            *(f"{mail.subject} {mail.body}" for mail in self.mails),
            *(line.getMessage() for line in self.logs.records if line.levelno > logging.DEBUG),
            *(str(call) for call in self.calls),
        ]


@pytest.fixture
def traces(
    wire: Wire,
    mailoutbox: list[EmailMessage],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Traces:
    found = Traces(wire, mailoutbox, caplog)
    monkeypatch.setattr(current_app, "send_task", lambda *a, **k: found.calls.append((a, k)))
    caplog.set_level(logging.DEBUG)
    return found


@pytest.mark.parametrize("clinic", [False, True])
@pytest.mark.parametrize("reader", [False, True])
@pytest.mark.parametrize("way", ["template", "within 24 hours", "neither"])
def test_without_both_switches_nothing_and_with_them_initials_and_the_answer(
    marked_and_signed: Callable[..., None],
    traces: Traces,
    settings: Settings,
    clinic: bool,
    reader: bool,
    way: str,
) -> None:
    if way == "template":
        settings.TWILIO_CONTENT_SIDS = {"case_signed.full": HX_FULL, "case_signed": HX}
    marked_and_signed(clinic=clinic, reader=reader, wrote_lately=way == "within 24 hours")
    deliver_all()

    about = str(signed_message().pk)
    [form] = [one.form for one in traces.wire.sent() if about in one.form["StatusCallback"]]
    found = re.search(r"http[^ \"]+/l/[^ \"]+/", form.get("Body") or form["ContentVariables"])
    link = found[0] if found else "no link"
    whole = clinic and reader and way != "neither"
    if way == "template":
        assert form["ContentSid"] == (HX_FULL if whole else HX)
        expected = {"1": link} | ({"2": f"Z. Q.: {SAID}"} if whole else {})
        assert json.loads(form["ContentVariables"]) == expected
    else:
        before, after = "Your doctor has answered.", "To read it with your photos, log in here:"
        text = f"{before} Z. Q.: {SAID} {after}" if whole else "Your clinic has an update for you:"
        assert form["Body"] == f"{text} {link} Reply STOP to end these messages."

    assert traces.calls
    everything = traces.all()
    assert not [trace for trace in everything for marker in MARKERS if marker in trace]
    assert not [trace for trace in everything if re.search(r"\d ?%", trace)]
    assert sum("bleeds" in trace for trace in everything) == int(whole)
    assert not Message.objects.exclude(words="")


@pytest.fixture
def marked_and_signed(
    cast: Cast,
    twilio: StandIn,
    at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[..., None]:
    """An answered case with a marker wherever anybody but the doctor says something."""

    def go(*, clinic: bool, reader: bool, wrote_lately: bool) -> None:
        User.objects.filter(pk=cast.ana.pk).update(name=NAME)
        Clinic.objects.filter(pk=cast.north.pk).update(name=CLINIC)
        cast.ana.refresh_from_db()
        switch(cast, clinic=clinic, reader=reader)
        if wrote_lately:
            wrote()
        case = a_case(cast)
        assert Lesion.objects.filter(cases=case).update(name=MARK) == 1
        with django_capture_on_commit_callbacks(execute=True):
            answered(cast, case)
            assert wake.flush(5)

    return go


NAMES = st.text(st.characters(categories=["L"]), min_size=1, max_size=8)


@given(
    first=NAMES,
    last=NAMES,
    said=st.lists(st.one_of(NAMES, st.sampled_from(["95 %", "per cent", "a\nb", "https://x.org"]))),
    with_name=st.booleans(),
)
def test_whatever_a_doctor_writes_a_line_is_whole_or_not_there(
    first: str, last: str, said: list[str], with_name: bool
) -> None:
    text = " ".join([*said, last] if with_name else said)
    line = as_line("X. Y.", text, f"{first} {last}")
    if with_name and any(len(part) > 1 for part in re.findall(r"[^\W\d_]+", last.casefold())):
        assert line == ""
    if line:
        assert line == f"X. Y.: {' '.join(text.split())}"
        assert "%" not in line
        assert "\n" not in line
        assert "://" not in line
        assert len(line) <= LONGEST


@pytest.mark.parametrize(
    "advice",
    [
        "The computer is 95 % sure.",
        "The chance is 20 per cent.",
        "Es un 20 por ciento.",
        "Dear Ana, it is harmless.",
        "dear ana it is harmless",
        "Señora Silva: todo bien.",
        "Read more at https://example.org/l/abc/",
        "Read more at www.example.org",
        "word " * 200,
    ],
)
def test_what_would_say_too_much_is_left_to_the_link(
    cast: Cast, twilio: StandIn, at_once: None, advice: str
) -> None:
    switch(cast, clinic=True, reader=True)
    wrote()
    answered(cast, a_case(cast), advice)
    assert signed_message().words == ""
    deliver_all()
    assert bodies(twilio)[-1].startswith("Your clinic has an update for you: http")


# --- Who is asked, and what it means -------------------------------------------------------------
def test_it_is_off_and_not_even_asked_about_where_the_clinic_does_not_send_it(cast: Cast) -> None:
    assert not cast.north.full_report
    browser = cast.client(cast.ana)
    assert "consent-full_report" not in browser.get(reverse("account")).content.decode()
    url = reverse("account_consent", args=["full_report"])
    assert browser.post(url, {"answer": "give"}).status_code == 404
    assert WHOLE not in kinds(cast.ana)


def test_it_is_given_and_taken_back_on_the_account_page(cast: Cast) -> None:
    switch(cast, clinic=True, reader=False)
    browser = cast.client(cast.ana)
    url = reverse("account_consent", args=["full_report"])
    page = browser.get(reverse("account")).content.decode()
    assert "initials in place of a name" in page
    assert "stays on your phone" in page
    browser.post(url, {"answer": "give"})
    assert people.has_consent(cast.ana, WHOLE)
    Clinic.objects.filter(pk=cast.north.pk).update(full_report=False)
    assert "consent-full_report" in browser.get(reverse("account")).content.decode()
    browser.post(url, {"answer": "withdraw"})
    assert not people.has_consent(cast.ana, WHOLE)
    given = AuditEntry.objects.filter(action__startswith="consent.", actor=cast.ana)
    kept = [(row.action, row.detail.get("kind")) for row in given]
    assert ("consent.given", "full_report") in kept
    assert ("consent.withdrawn", "full_report") in kept


def test_it_is_asked_in_the_language_one_reads(cast: Cast) -> None:
    switch(cast, clinic=True, reader=False)
    languages.choose(cast.ana, "es")
    page = cast.client(cast.ana).get(reverse("account")).content.decode()
    assert "La respuesta misma por WhatsApp" in page
    assert "iniciales" in page


def test_doctors_are_not_asked_and_whoever_is_looked_after_neither(cast: Cast) -> None:
    switch(cast, clinic=True, reader=False)
    leo = care.look_after(cast.ana, "Leo Duarte", Relation.CHILD)
    assert WHOLE not in kinds(cast.ruth)
    assert WHOLE not in kinds(leo)


def test_an_admin_switches_it_on_for_the_clinic_and_that_is_written_down(cast: Cast) -> None:
    sent = {name: getattr(cast.north, name) for name in clinics.SETTINGS}
    sent |= {"seen": clinics.seen(cast.north), "full_report": "on"}
    data = {name: value for name, value in sent.items() if value is not False and value is not None}
    url = reverse("manage_clinic", args=[cast.north.pk])
    assert cast.client(cast.ada).post(url, data).status_code == 302
    cast.north.refresh_from_db()
    assert cast.north.full_report
    assert AuditEntry.objects.get(action="clinic.changed").detail["full_report"] is True


def test_a_carer_gets_the_childs_answer_with_the_childs_initials(
    cast: Cast, twilio: StandIn, at_once: None
) -> None:
    switch(cast, clinic=True, reader=True)
    wrote()
    leo = care.look_after(cast.ana, "Leo Duarte", Relation.CHILD)
    for kind in (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK):
        people.give_consent(leo, kind)
    answered(cast, a_case(cast, leo))
    deliver_all()
    assert bodies(twilio)[-1].startswith("Your doctor has answered. L. D.: Nothing more")


def test_it_is_in_the_readers_language(cast: Cast, twilio: StandIn, at_once: None) -> None:
    switch(cast, clinic=True, reader=True)
    languages.choose(cast.ana, "es")
    wrote()
    answered(cast, a_case(cast), "No se preocupe.")
    deliver_all()
    assert bodies(twilio)[-1].startswith("Su médico ha respondido. A. S.: ")
    assert "No se preocupe. Para leerlo" in bodies(twilio)[-1]
    assert "Nothing more" not in bodies(twilio)[-1]


# --- When it leaves, and how long the words are kept ---------------------------------------------
def test_it_leaves_after_the_seconds_to_undo_and_undone_it_never_does(
    cast: Cast, twilio: StandIn
) -> None:
    switch(cast, clinic=True, reader=True)
    wrote()
    case = a_case(cast)
    deliver_all()
    before = len(bodies(twilio))
    review = answered(cast, case)
    waiting = signed_message()
    assert (waiting.run_after, waiting.words) == (review.effective_at, f"A. S.: {SAID}")
    deliver_all()
    assert len(bodies(twilio)) == before
    workflow.undo_signature(case, cast.ruth)
    assert (now(waiting).state, now(waiting).words) == (State.CANCELLED, "")
    pass_time(1)
    deliver_all()
    assert len(bodies(twilio)) == before


def test_an_amended_answer_takes_the_place_of_one_that_waits(cast: Cast, twilio: StandIn) -> None:
    switch(cast, clinic=True, reader=True)
    wrote()
    case = a_case(cast)
    first = answered(cast, case)
    case.refresh_from_db()
    other = Answer(diagnosis="nv", plan="see", advice="Please come in on Monday.")
    workflow.amend(case, cast.ruth, other, after=first)
    assert (signed_message().state, signed_message().words) == (State.CANCELLED, "")
    deliver_all()
    assert bodies(twilio)[-1].startswith(
        "Your doctor has answered anew, and this replaces the answer before. "
        "A. S.: A doctor should look at it in person. Please come in on Monday. To read it"
    )


@pytest.mark.parametrize("which", ["consent", "clinic", "stop"])
def test_what_is_taken_back_before_it_leaves_counts(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage], which: str
) -> None:
    switch(cast, clinic=True, reader=True)
    wrote()
    answered(cast, a_case(cast))
    if which == "consent":
        workflow.withdraw_consent(cast.ana, WHOLE)
        assert signed_message().words == "", "at once"
    elif which == "clinic":
        Clinic.objects.filter(pk=cast.north.pk).update(full_report=False)
    else:
        people.opt_out(ANAS_NUMBER)
    pass_time(1)
    deliver_all()
    said = [*bodies(twilio), *(mail.body for mail in mailoutbox)]
    assert len(said) >= 2
    assert not [text for text in said if "bleeds" in text]
    assert not Message.objects.exclude(words="")


def test_the_24_hours_are_24_hours_of_this_phone(
    cast: Cast, twilio: StandIn, at_once: None
) -> None:
    switch(cast, clinic=True, reader=True)
    wrote(hours_ago=24.1)
    wrote("+447700900999")
    answered(cast, a_case(cast))
    deliver_all()
    assert bodies(twilio)[-1].startswith("Your clinic has an update for you: ")


def test_the_words_are_kept_until_it_has_left_and_no_longer(
    cast: Cast, twilio: StandIn, at_once: None
) -> None:
    switch(cast, clinic=True, reader=True)
    wrote()
    answered(cast, a_case(cast))
    twilio.faults.always = Fault("refuse", status=429, code=20429)
    deliver_all()
    assert signed_message().state == State.PENDING
    assert "bleeds" in signed_message().words, "it waits to be tried again"
    twilio.faults.always = None
    pass_time(1)
    deliver_all()
    assert (signed_message().state, signed_message().words) == (State.SENT, "")


def test_another_way_and_once_more_it_has_the_link_only(
    cast: Cast, twilio: StandIn, at_once: None, mailoutbox: list[EmailMessage]
) -> None:
    switch(cast, clinic=True, reader=True)
    wrote()
    case = a_case(cast)
    deliver_all()
    answered(cast, case)
    twilio.faults.next.append(Fault("refuse", status=400, code=63013))
    deliver_all()
    failed = signed_message()
    assert (failed.state, failed.words) == (State.FAILED, "")
    assert "bleeds" not in mailoutbox[-1].body
    Message.objects.filter(channel=Channel.EMAIL).update(state=State.FAILED)
    written = again.resend(failed, cast.ada)
    deliver_all()
    assert (written.words, now(written).state) == ("", State.SENT)
    assert bodies(twilio)[-1].startswith("Your clinic has an update for you: ")


def test_the_ledger_cannot_hold_words_anywhere_else(cast: Cast, at_once: None) -> None:
    switch(cast, clinic=True, reader=True)
    answered(cast, a_case(cast))
    message = signed_message()
    for change in (
        {"channel": Channel.EMAIL},
        {"state": State.DELIVERED, "sent_at": message.created_at},
    ):
        with pytest.raises(IntegrityError, match="message_words"), transaction.atomic():
            Message.objects.filter(pk=message.pk).update(words="x", **change)


def test_staff_do_not_read_it_in_the_ledger(cast: Cast) -> None:
    switch(cast, clinic=True, reader=True)
    answered(cast, a_case(cast))
    url = reverse("admin:notifications_message_change", args=[signed_message().pk])
    page = cast.client(cast.ada).get(url)
    assert page.status_code == 200
    assert "bleeds" not in page.content.decode()


def test_asking_whether_it_goes_whole_costs_one_statement_and_only_where_the_clinic_sends_it(
    cast: Cast,
) -> None:
    review = answered(cast, a_case(cast))
    costs = []
    for clinic in (False, True):
        switch(cast, clinic=clinic, reader=False)
        people_of_it = Case.objects.select_related("clinic", "patient__carer", "patient__clinic")
        case = people_of_it.get(pk=review.case_id)
        with CaptureQueriesContext(connection) as queries:
            assert answer_in_full(case, review) == ""
        costs.append(len(queries))
    assert costs == [0, 1]

"""Patient and doctors talk about a case: once, both ways, told once until it is read."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from diagnoses import workflow, worklist
from diagnoses.models import Case, Photo, ReadMark, Remark
from diagnoses.workflow import Answer, Moved, WorkflowError
from diagnoses.worklist import Filters, Show
from mlservice.packs import load_pack
from notifications.models import Event, Message
from tests.cases import a_model_version, photo, scored, submitted
from tests.cast import Cast
from tests.diagnoses.pages import Response, page, text_of

pytestmark = pytest.mark.usefixtures("media")

TALK = (Event.DOCTOR_WROTE, Event.PATIENT_WROTE, Event.RETAKE_ASKED)


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


@pytest.fixture
def case(cast: Cast) -> Case:
    return scored(submitted(cast.ana))


def say(case: Case, who: User, text: str = "Can I swim with it?") -> Remark:
    return workflow.ask(case, who, text, uuid.uuid4())


def ask_for_photo(case: Case, doctor: User, *reasons: str, words: str = "") -> Remark:
    return workflow.request_retake(case, doctor, reasons, words, uuid.uuid4())


def signed(case: Case, doctor: User) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, doctor, Answer("nv", "reassure", "A harmless mole."))


def told() -> list[tuple[str, str]]:
    """Every notice of a talk: the event, and the first name of who is told."""
    rows = Message.objects.filter(event__in=TALK).order_by("created_at", "recipient__name")
    return [(row.event, str(row.recipient).split()[0]) for row in rows.select_related("recipient")]


def write(client: Any, name: str, case: Case, text: str, **more: Any) -> Response:
    form = {"text": text, "key": str(uuid.uuid4())} | more
    return client.post(reverse(name, args=[case.pk]), form)


def listed(doctor: User, show: Show = Show.ASKED) -> list[Case]:
    return [row.case for row in worklist.page(doctor, Filters(show=show)).rows]


# --- Asking and answering ------------------------------------------------------------------------


def test_a_patient_asks_a_doctor_answers_and_both_read_it_like_a_conversation(
    cast: Cast, case: Case
) -> None:
    ana, ruth = cast.client(cast.ana), cast.client(cast.ruth)
    sent = write(ana, "case_talk", case, "Can I swim with it?\n\nOn Friday?")
    assert sent.url == reverse("case", args=[case.pk]) + "#talk"
    assert "Can I swim with it?" in text_of(page(ana, case))
    assert "No doctor has read your last message yet." in text_of(page(ana, case))

    bench = text_of(ruth.get(reverse("reading", args=[case.pk])))
    assert "Ana Silva has written to you" in bench
    assert re.search(
        r"Ana Silva \w+ \d+ \w+, \d\d:\d\d New Can I swim with it\? On Friday\?", bench
    )
    assert "A doctor has read your last message." in text_of(page(ana, case))

    answered = write(ruth, "reading_talk", case, "Yes, with a plaster.")
    assert answered.url == reverse("reading", args=[case.pk]) + "#talk"
    assert "The patient has not read this yet." in text_of(ruth.get(answered.url))
    words = text_of(page(ana, case))
    assert "Your doctor has written to you" in words
    assert re.search(r"Ruth Okafor \w+ \d+ \w+, \d\d:\d\d New Yes, with a plaster\.", words)
    assert "New Yes" not in text_of(page(ana, case)), "it was read"
    assert "Read by the patient just now" in text_of(ruth.get(answered.url))


def test_what_is_said_has_its_event_and_its_line_in_the_audit_without_the_words(
    cast: Cast, case: Case
) -> None:
    remark = say(case, cast.ana, "A secret.")
    event = case.events.get(kind="wrote")
    assert (event.actor, event.detail) == (cast.ana, {"remark": remark.pk})
    line = AuditEntry.objects.get(action="case.wrote")
    assert (line.actor, line.about, line.detail) == (
        cast.ana,
        f"case:{case.pk}",
        {"remark": remark.pk},
    )


def test_it_can_be_asked_after_the_answer_and_the_signer_is_told(cast: Cast, case: Case) -> None:
    signed(case, cast.sam)
    say(case, cast.ana, "What did you mean?")
    assert told() == [(Event.PATIENT_WROTE, "Sam")]
    assert "What did you mean?" in text_of(
        cast.client(cast.ruth).get(reverse("reading", args=[case.pk]))
    )


def test_a_withdrawn_case_is_talked_about_no_more(cast: Cast, case: Case) -> None:
    workflow.withdraw(case, cast.ana)
    for who in (cast.ana, cast.ruth):
        with pytest.raises(Moved, match="withdrawn"):
            say(case, who)
    response = write(cast.client(cast.ruth), "reading_talk", case, "I wanted to say more.")
    assert response.status_code == 409
    assert "I wanted to say more." in response.content.decode()
    assert write(cast.client(cast.ana), "case_talk", case, "Hello?").status_code == 302
    assert not Remark.objects.exists()


@pytest.mark.parametrize("words", ["", "  \n ", "x" * 2001])
def test_nothing_and_too_much_are_refused_and_nothing_typed_is_lost(
    cast: Cast, case: Case, words: str
) -> None:
    for name, who in (("case_talk", cast.ana), ("reading_talk", cast.ruth)):
        refused = write(cast.client(who), name, case, words)
        assert refused.status_code == 422
        assert words.strip() in refused.content.decode()
    with pytest.raises(WorkflowError):
        say(case, cast.ana, words)
    assert not Remark.objects.exists()


def test_two_thousand_characters_with_line_breaks_are_not_too_many(cast: Cast, case: Case) -> None:
    """A browser sends each line break as two characters."""
    words = "\n".join(["x" * 99] * 20)
    write(cast.client(cast.ana), "case_talk", case, words.replace("\n", "\r\n"))
    assert Remark.objects.get().text == words


def test_a_double_click_says_it_once_and_a_step_back_loses_nothing(cast: Cast, case: Case) -> None:
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    for words in ("Once.", "Once.", "And another thing."):
        assert write(client, "case_talk", case, words, key=key).status_code == 302
    assert [remark.text for remark in case.remarks.all()] == ["Once.", "And another thing."]


def test_markup_is_shown_and_never_run(cast: Cast, case: Case) -> None:
    say(case, cast.ana, "<script>alert(1)</script>")
    for client, name in ((cast.client(cast.ruth), "reading"), (cast.client(cast.ana), "case")):
        shown = client.get(reverse(name, args=[case.pk])).content.decode()
        assert "<script>alert(1)" not in shown
        assert "&lt;script&gt;alert(1)" in shown


# --- Whose ---------------------------------------------------------------------------------------


def test_nobody_else_reads_or_says_anything(cast: Cast, case: Case) -> None:
    say(case, cast.ana)
    for who in ("bo", "xu", "ada", "root", "uma"):
        with pytest.raises(WorkflowError, match="not yours"):
            say(case, getattr(cast, who))
        with pytest.raises(WorkflowError, match="not yours"):
            ask_for_photo(case, getattr(cast, who))
    with pytest.raises(WorkflowError, match="Only a doctor"):
        ask_for_photo(case, cast.ana)
    assert Remark.objects.count() == 1


@pytest.mark.parametrize("name", ["case_talk", "case_photo"])
def test_the_patients_pages_are_the_patients_alone(cast: Cast, case: Case, name: str) -> None:
    address = reverse(name, args=[case.pk])
    for method in ("get", "post"):
        seen = {
            who: getattr(cast.client(p), method)(address).status_code
            for who, p in cast.everyone().items()
        }
        ana = seen.pop("ana")
        assert ana == (200 if method == "get" else 422)
        assert set(seen.values()) == {404}


@pytest.mark.parametrize("name", ["reading_talk", "reading_retake", "reading_no_answer"])
def test_the_doctors_pages_are_the_clinics_doctors_alone(cast: Cast, case: Case, name: str) -> None:
    """Uma is told on every page that an admin has to verify her first."""
    address = reverse(name, args=[case.pk])
    seen = {
        who: cast.client(p).post(address, {"text": "x"}).status_code
        for who, p in cast.everyone().items()
    }
    assert seen == {
        **dict.fromkeys(("ana", "bo", "xu", "ada", "root"), 404),
        "ruth": 302,
        "sam": 409 if name == "reading_retake" else 302,  # Ruth was first
        "uma": 403,
    }


# --- Who is told ---------------------------------------------------------------------------------


def test_ten_messages_in_a_row_tell_once_until_they_are_read(cast: Cast, case: Case) -> None:
    for number in range(10):
        say(case, cast.ruth, f"Part {number}")
    assert told() == [(Event.DOCTOR_WROTE, "Ana")]
    page(cast.client(cast.ana), case)
    say(case, cast.sam, "One more thing.")
    ask_for_photo(case, cast.ruth, "blurred")
    assert told() == [(Event.DOCTOR_WROTE, "Ana")] * 2, "a request leads to the same page"


def test_questions_tell_the_doctors_once_until_one_of_them_has_read(cast: Cast, case: Case) -> None:
    say(case, cast.ana)
    say(case, cast.ana, "And can I run?")
    assert told() == [(Event.PATIENT_WROTE, "Ruth"), (Event.PATIENT_WROTE, "Sam")]
    cast.client(cast.sam).get(reverse("reading", args=[case.pk]))
    say(case, cast.ana, "And cycle?")
    assert told() == [(Event.PATIENT_WROTE, "Ruth"), (Event.PATIENT_WROTE, "Sam")] * 2


def test_the_doctor_asked_for_is_the_one_who_is_told(cast: Cast) -> None:
    say(scored(submitted(cast.ana, doctor=cast.sam)), cast.ana)
    assert told() == [(Event.PATIENT_WROTE, "Sam")]


def test_a_notice_whose_link_has_ended_holds_back_no_other(
    cast: Cast, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(case, cast.ruth)
    later = timezone.now() + timedelta(hours=73)
    monkeypatch.setattr(timezone, "now", lambda: later)
    say(case, cast.ruth, "Are you there?")
    assert told() == [(Event.DOCTOR_WROTE, "Ana")] * 2


def test_a_notice_exists_exactly_if_the_remark_does(cast: Cast, case: Case) -> None:
    with transaction.atomic():
        say(case, cast.ana)
        transaction.set_rollback(True)
    assert told() == []
    assert not case.remarks.exists()
    assert not case.events.filter(kind="wrote").exists()


# --- The list of questions -----------------------------------------------------------------------


def test_a_question_is_marked_and_can_be_listed_until_it_is_answered(
    cast: Cast, case: Case
) -> None:
    other = scored(submitted(cast.ana))
    client = cast.client(cast.ruth)
    before = client.get(reverse("worklist_state"))["ETag"]
    say(case, cast.ana)
    assert client.get(reverse("worklist_state"))["ETag"] != before
    assert listed(cast.ruth) == [case]
    assert set(listed(cast.ruth, Show.ALL)) == {case, other}
    shown = text_of(client.get(reverse("worklist")))
    assert shown.count("Question") == 1
    assert "With a question 1" in shown
    # Reading it is not answering it: a glance hides no question from the colleagues.
    client.get(reverse("reading", args=[case.pk]))
    assert listed(cast.sam) == [case]
    say(case, cast.sam, "Yes, you can.")
    assert listed(cast.ruth) == []
    assert listed(cast.xu) == []


def test_a_thank_you_needs_no_answer(cast: Cast, case: Case) -> None:
    say(case, cast.ana, "Thank you.")
    ruth = cast.client(cast.ruth)
    assert "Needs no answer" in text_of(ruth.get(reverse("reading", args=[case.pk])))
    ruth.post(reverse("reading_no_answer", args=[case.pk]))
    assert listed(cast.ruth) == []
    assert case.events.get(kind="question_closed").actor == cast.ruth
    ruth.post(reverse("reading_no_answer", args=[case.pk]))
    assert case.events.filter(kind="question_closed").count() == 1


def test_a_question_about_an_answer_is_listed_though_the_case_waits_for_nobody(
    cast: Cast, case: Case
) -> None:
    signed(case, cast.ruth)
    say(case, cast.ana, "What does that mean?")
    assert listed(cast.sam) == [case]
    assert listed(cast.sam, Show.ALL) == []
    shown = text_of(cast.client(cast.sam).get(reverse("worklist") + "?show=asked"))
    assert "Answered just now" in shown
    assert "Late" not in shown.split("With a question")[1]


def test_after_the_answer_the_page_waits_on_only_for_an_answer_to_a_question(
    cast: Cast, case: Case, settings: Any
) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)
    signed(case, cast.ruth)
    client = cast.client(cast.ana)
    assert page(client, case).context["done"] is True
    say(case, cast.ana)
    before = page(client, case).context
    assert before["done"] is False
    say(case, cast.ruth, "Yes.")
    after = page(client, case).context
    assert after["done"] is True
    assert after["version"] != before["version"]


def test_the_patients_list_says_that_there_is_a_new_message(cast: Cast, case: Case) -> None:
    client = cast.client(cast.ana)
    say(case, cast.ana)
    assert "New message" not in text_of(client.get(reverse("case_list")))
    say(case, cast.ruth, "Yes.")
    assert "New message" in text_of(client.get(reverse("case_list")))
    page(client, case)
    assert "New message" not in text_of(client.get(reverse("case_list")))


# --- Asking for a new photo ----------------------------------------------------------------------


def test_a_doctor_asks_for_a_new_photo_and_the_patient_reads_why_and_how(
    cast: Cast, case: Case
) -> None:
    ruth = cast.client(cast.ruth)
    asked = ruth.post(
        reverse("reading_retake", args=[case.pk]),
        {"key": uuid.uuid4(), "reasons": ["blurred", "covered"], "words": "With a coin beside it."},
        follow=True,
    )
    assert "A new photo is asked for By Ruth Okafor" in text_of(asked)
    client = cast.client(cast.ana)
    words = text_of(page(client, case))
    quality = load_pack("skin").quality
    assert "Your doctor asks for a new photo" in words
    assert "it is blurred and something covers the mark" in words
    assert "With a coin beside it." in words
    for code in ("blurred", "covered"):
        assert all(line.replace("'", "&#x27;") in words for line in quality[code].advice)
    assert reverse("case_photo", args=[case.pk]) in page(client, case).content.decode()
    assert "Your doctor asks for a new photo" in text_of(client.get(reverse("case_list")))
    assert "New photo asked for" in text_of(ruth.get(reverse("worklist")))
    assert told() == [(Event.RETAKE_ASKED, "Ana")]
    assert listed(cast.ruth, Show.ALL) == [case], "it stays on the list meanwhile"


def test_it_is_asked_before_the_own_reading_with_what_was_found_wrong_ticked(cast: Cast) -> None:
    poor = workflow.NewPhoto("close_up", photo(5, blur=8), sent_anyway=True)
    case = submitted(cast.ana, photos=[poor])
    bench = cast.client(cast.ruth).get(reverse("reading", args=[case.pk])).content.decode()
    assert "Your own reading" in bench
    assert re.search(r'value="blurred"[^>]*checked', bench)
    assert not re.search(r'value="too_dark"[^>]*checked', bench)
    assert 'data-key="r"' in bench


def test_one_press_without_a_reason_asks_too(cast: Cast, case: Case) -> None:
    cast.client(cast.ruth).post(reverse("reading_retake", args=[case.pk]), {"key": uuid.uuid4()})
    words = text_of(page(cast.client(cast.ana), case))
    assert "Please send a new photo, so that I can answer you." in words


def test_two_doctors_do_not_ask_twice(cast: Cast, case: Case) -> None:
    ask_for_photo(case, cast.ruth, "blurred")
    late = cast.client(cast.sam).post(
        reverse("reading_retake", args=[case.pk]),
        {"key": uuid.uuid4(), "reasons": ["too_dark"], "words": "Sam's own words."},
    )
    assert late.status_code == 409
    assert "Ruth Okafor asked for a new photo on" in text_of_any(late)
    assert "Sam&#x27;s own words." in late.content.decode()
    assert Remark.objects.count() == 1


def test_a_double_click_asks_once(cast: Cast, case: Case) -> None:
    form = {"key": str(uuid.uuid4()), "reasons": ["blurred"]}
    client = cast.client(cast.ruth)
    for _ in range(2):
        assert client.post(reverse("reading_retake", args=[case.pk]), form).status_code == 302
    assert Remark.objects.count() == 1


def test_no_photo_is_asked_for_once_the_case_is_signed(cast: Cast, case: Case) -> None:
    signed(case, cast.sam)
    with pytest.raises(Moved, match="Sam Patel signed this case"):
        ask_for_photo(case, cast.ruth, "blurred")
    bench = cast.client(cast.ruth).get(reverse("reading", args=[case.pk])).content.decode()
    assert 'id="ask"' not in bench


def test_a_made_up_reason_is_refused(cast: Cast, case: Case) -> None:
    with pytest.raises(WorkflowError, match="knows no zebra"):
        ask_for_photo(case, cast.ruth, "zebra")


# --- What it costs, and what the database refuses ------------------------------------------------


def test_the_pages_cost_the_same_for_one_remark_and_for_thirty(cast: Cast, case: Case) -> None:
    say(case, cast.ana)
    say(case, cast.ruth)
    visits = [
        (cast.client(cast.ana), reverse("case", args=[case.pk])),
        (cast.client(cast.ana), reverse("case_talk", args=[case.pk])),
        (cast.client(cast.ruth), reverse("reading", args=[case.pk])),
    ]

    def costs() -> list[int]:
        counted = []
        for client, address in visits:
            client.get(address)  # what is new is read
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            counted.append(len(queries))
        return counted

    few = costs()
    for number in range(14):
        say(case, cast.ana, f"Question {number}")
        say(case, cast.ruth, f"Answer {number}")
    assert costs() == few


def test_a_remark_says_something_short_once(cast: Cast, case: Case) -> None:
    made: dict[str, Any] = {"case": case, "author": cast.ana, "text": "x", "key": uuid.uuid4()}
    Remark.objects.create(**made)
    for wrong, name in (
        ({}, "remark_once_per_form"),
        ({"key": uuid.uuid4(), "text": ""}, "remark_says_something"),
        ({"key": uuid.uuid4(), "text": "x" * 2001}, "remark_is_short"),
    ):
        with pytest.raises(IntegrityError, match=f'"{name}"'), transaction.atomic():
            Remark.objects.create(**made | wrong)


def test_marks_and_photos_point_into_their_own_case(cast: Cast, case: Case) -> None:
    other = scored(submitted(cast.ana))
    remark = say(other, cast.ana)
    with pytest.raises(IntegrityError, match="read_mark_of_its_case"), transaction.atomic():
        ReadMark.objects.create(case=case, person=cast.ruth, upto=remark)
    joined = workflow.retake(
        other, cast.ana, [workflow.NewPhoto("dermoscopic", photo(2))], uuid.uuid4()
    )
    with pytest.raises(IntegrityError, match="photo_of_its_retake"), transaction.atomic():
        Photo.objects.filter(case=case).update(retake=joined)


def test_a_read_mark_never_goes_back(cast: Cast, case: Case) -> None:
    first, second = say(case, cast.ana), say(case, cast.ana, "More.")
    workflow.read_up_to(case, cast.ruth, second.pk)
    workflow.read_up_to(case, cast.ruth, first.pk)
    assert ReadMark.objects.get().upto == second


def text_of_any(response: Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))

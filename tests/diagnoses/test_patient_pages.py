"""The patient's way after sending, without JavaScript: wait, read the answer, tell more."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import people
from accounts.models import Clinic, ContactNumber, User
from diagnoses import workflow
from diagnoses.models import Case, Review
from diagnoses.workflow import Answer
from notifications.models import Channel, Event, Message
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import NEW, Response, errors_of, page, send, text_of

pytestmark = pytest.mark.usefixtures("media")


def state(client: Client, case: Case, **headers: str) -> Response:
    return client.get(reverse("case_state", args=[case.pk]), headers=headers or None)


def signed(case: Case, doctor: User, advice: str = "Keep an eye on it.") -> Review:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    answer = Answer(diagnosis="nv", plan="reassure", advice=advice)
    return workflow.sign(case, doctor, answer)


@pytest.fixture
def no_undo(settings: Any) -> None:
    """A signature reaches the patient at once."""
    settings.UNDO_SIGNATURE = timedelta(0)


# --- Whose ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["case", "case_state", "case_tell", "case_withdraw"])
def test_a_case_page_is_its_patients_alone(cast: Cast, name: str) -> None:
    address = reverse(name, args=[cases.submitted(cast.ana).pk])
    seen = {who: cast.client(p).get(address).status_code for who, p in cast.everyone().items()}
    assert seen == {who: 200 if who == "ana" else 404 for who in cast.everyone()}
    stranger: Response = cast.client().get(address)
    assert stranger.status_code == 302
    assert stranger.url.startswith(reverse("account_login"))


def test_the_list_shows_ones_own_newest_first_and_pages_without_gaps(cast: Cast) -> None:
    mine = [cases.submitted(cast.ana) for _ in range(23)]
    others = cases.submitted(cast.bo)
    client = cast.client(cast.ana)
    first = client.get(reverse("case_list"))
    second = client.get(reverse("case_list"), {"before": first.context["before"]})
    shown = [case.pk for page in (first, second) for case, *_ in page.context["rows"]]
    assert shown == [case.pk for case in reversed(mine)]
    assert second.context["before"] is None
    # A mark that is not one's own opens nothing.
    assert client.get(reverse("case_list"), {"before": str(others.pk)}).context["rows"] == []
    assert client.get(reverse("case_list"), {"before": "x"}).context["rows"] == []


def test_the_list_costs_the_same_however_long_it_is(cast: Cast) -> None:
    client = cast.client(cast.ana)
    costs = []
    for _ in range(2):
        cases.submitted(cast.ana)
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("case_list"))
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_an_empty_list_says_what_to_do(cast: Cast) -> None:
    response = cast.client(cast.bo).get(reverse("case_list"))
    assert "No cases yet" in text_of(response)
    assert reverse("case_new") in response.content.decode()


# --- The wait and the answer ---------------------------------------------------------------------


def test_the_page_tells_every_step(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    assert "The computer is looking at it now" in text_of(page(client, case))
    cases.scored(case)
    words = text_of(page(client, case))
    assert "probably a common harmless growth" in words
    assert "This is not an all-clear" in words
    signed(case, cast.ruth, "It is a mole. Nothing to do.")
    words = text_of(page(client, case))
    assert "Ruth Okafor answered." in words
    assert "It is a mole. Nothing to do." in words
    assert words.index("It is a mole") < words.index("probably a common harmless growth")


def test_no_number_of_the_computer_reaches_the_patient(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case, confidence=0.9321, risk=0.4321, picture_tier="red")
    words = page(client, case).content.decode()
    assert "A doctor should look at this soon" in words
    assert not re.search(
        r"93|43[.,]?2|0\.9|95\s*%", text_of(page(client, case)).split("Receipt")[0]
    )


def test_an_answer_stays_with_the_doctor_while_it_can_be_undone(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    signed(case, cast.ruth, "Secret for ten seconds.")
    assert "Secret for ten seconds." not in text_of(page(client, case))
    assert "Waiting for a doctor" in text_of(client.get(reverse("case_list")))
    assert state(client, case).json()["done"] is False


def test_a_clinic_may_hold_the_computers_view_until_the_answer(cast: Cast, no_undo: None) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    for query in ("", "?fragment=1"):
        words = text_of(page(client, case, query))
        assert "Your clinic shows results after a doctor has looked at them" in words
        assert "harmless growth" not in words
        assert "SHA-256" not in words
    signed(case, cast.ruth)
    assert "probably a common harmless growth" in text_of(page(client, case))


def test_the_state_is_cheap_and_says_nothing_new_in_304(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    first = state(client, case)
    assert json.loads(first.content)["version"] == page(client, case).context["version"]
    with CaptureQueriesContext(connection) as queries:
        same = state(client, case, if_none_match=first["ETag"])
    assert same.status_code == 304
    assert len([q for q in queries if "diagnoses_" in q["sql"]]) == 1
    assert len(queries) <= 3  # the session, the person, the case
    cases.scored(case)
    changed = state(client, case, if_none_match=first["ETag"])
    assert changed.status_code == 200
    assert changed.json()["done"] is False
    signed(case, cast.ruth)
    last = state(client, case, if_none_match=changed["ETag"])
    assert last.json()["done"] is True


def test_the_fragment_is_the_changing_part_alone(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    fragment = page(client, case, "?fragment=1").content.decode()
    assert fragment.lstrip().startswith('<div class="case')
    assert "<html" not in fragment
    assert fragment.strip() in page(client, case).content.decode()


def test_without_javascript_the_page_loads_itself_again_until_it_is_done(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    refresh = '<noscript><meta http-equiv="refresh"'
    assert refresh in page(client, case).content.decode().split("</head>")[0]
    workflow.withdraw(case, cast.ana)
    assert refresh not in page(client, case).content.decode()


# --- Telling more, and taking it back ------------------------------------------------------------


def test_telling_that_it_bleeds_and_grows_makes_it_urgent(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    due = Case.objects.get().answer_due_at
    address = reverse("case_tell", args=[case.pk])
    form = {"q_bleeding": "bleeds", "q_change_size": "yes", "what": "Since last night"}
    response = client.post(address, form, follow=True)
    words = text_of(response)
    assert "Your doctors can see this now" in words
    assert "A doctor should look at this soon" in words
    assert "Since last night" in words
    assert Case.objects.get().tier == "red"
    assert Case.objects.get().answer_due_at < due


def test_an_empty_telling_is_asked_again(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    refused = cast.client(cast.ana).post(reverse("case_tell", args=[case.pk]), {})
    assert errors_of(refused)["__all__"] == ["Answer a question or write what has changed."]


def test_after_the_answer_a_change_is_a_new_photo_of_the_same_mark(
    cast: Cast, no_undo: None
) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    signed(case, cast.ruth)
    response: Response = client.get(reverse("case_tell", args=[case.pk]))
    assert response.url == f"{NEW}?about={case.pk}"


def test_withdrawing_is_asked_once_more_and_then_done(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    address = reverse("case_withdraw", args=[case.pk])
    assert "cannot be undone" in text_of(client.get(address))
    assert Case.objects.get().is_open
    words = text_of(client.post(address, follow=True))
    assert "You have withdrawn this case" in words
    assert Case.objects.get().status == Case.Status.CANCELLED


def test_withdrawing_what_was_answered_is_explained(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    signed(case, cast.ruth)
    words = text_of(client.post(reverse("case_withdraw", args=[case.pk]), follow=True))
    assert "Ruth Okafor signed this case" in words
    assert Case.objects.get().is_signed


# --- The number beside the case ------------------------------------------------------------------


def test_a_case_is_sent_at_once_and_asks_quietly_to_confirm_the_number(cast: Cast) -> None:
    cases.a_model_version()
    client = cast.client(cast.bo)
    sent = send(client, contact="07700 900 555", messages="on", computer_check="on")
    case = Case.objects.get(patient=cast.bo)
    assert sent.url == reverse("case", args=[case.pk])
    assert case.status == Case.Status.REGISTERED
    number = cast.bo.numbers.get()
    words = text_of(page(client, case))
    assert "Your case does not wait for it" in words
    assert reverse("number_confirm", args=[number.pk]) in page(client, case).content.decode()

    cases.scored(case)  # with the number still unconfirmed: the news goes by e-mail
    told = Message.objects.get(recipient=cast.bo, event=Event.CASE_CHECKED)
    assert told.channel == Channel.EMAIL
    people.confirm_number(cast.bo, number, ContactNumber.Proof.CODE)
    assert "Confirm your number" not in text_of(page(client, case))

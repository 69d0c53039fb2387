"""The account page: what one sees of oneself, and what one can change without JavaScript."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import people
from accounts.agreements import agreements
from accounts.models import Consent
from tests.cast import ANAS_NUMBER, Cast

PAGE = reverse("account")
ADD = reverse("account_number_add")


def answer(browser: Client, kind: str, what: str) -> int:
    return browser.post(reverse("account_consent", args=[kind]), {"answer": what}).status_code


def test_a_patient_sees_who_they_are_and_what_they_agreed_to(cast: Cast) -> None:
    page = cast.client(cast.ana).get(PAGE).content.decode()
    assert "Ana Silva" in page
    assert "+44 7700 900101" in page
    assert page.count("Take it back") == 3
    assert page.count("I agree") == 1  # learning, which nobody is asked about elsewhere


def test_nobody_sees_it_without_logging_in(cast: Cast) -> None:
    assert cast.client().get(PAGE)["Location"] == f"{reverse('account_login')}?next={PAGE}"


def test_giving_and_taking_back_a_consent(cast: Cast) -> None:
    browser = cast.client(cast.bo)
    assert answer(browser, "computer_check", "give") == 302
    assert people.has_consent(cast.bo, Consent.Kind.COMPUTER_CHECK)
    assert "no computer does" in browser.get(PAGE).content.decode()
    answer(browser, "computer_check", "withdraw")
    assert not people.has_consent(cast.bo, Consent.Kind.COMPUTER_CHECK)
    assert people.has_consent(cast.bo, Consent.Kind.CARE)


def test_each_consent_tells_its_words_its_version_and_its_history(cast: Cast) -> None:
    browser = cast.client(cast.bo)
    for what in ("give", "withdraw", "give"):
        answer(browser, "research", what)
    [research] = [a for a in agreements(cast.bo) if a.kind == Consent.Kind.RESEARCH]
    assert [step.given for step in research.history] == [True, False, True]
    assert [step.at for step in research.history] == sorted(step.at for step in research.history)
    assert research.given_at == research.history[-1].at
    page = browser.get(PAGE).content.decode()
    card = page[page.index('id="consent-research"') :]
    assert "My photos may help to train and test the computer." in card
    assert card.count("You agreed, to the words of version 2026-11.") == 2
    assert card.count("You took it back.") == 1


def test_learning_is_a_consent_of_its_own(cast: Cast) -> None:
    """Given by nobody on the way to anything, and taken back without touching care."""
    everyone = [who.pk for who in cast.everyone().values()]
    assert people.who_agreed(everyone, Consent.Kind.RESEARCH) == set()
    browser = cast.client(cast.ana)
    answer(browser, "research", "give")
    assert people.who_agreed(everyone, Consent.Kind.RESEARCH) == {cast.ana.pk}
    answer(browser, "research", "withdraw")
    assert people.who_agreed(everyone, Consent.Kind.RESEARCH) == set()
    assert people.has_consent(cast.ana, Consent.Kind.CARE)
    taken_back = cast.ana.consents.get(kind=Consent.Kind.RESEARCH)
    assert taken_back.withdrawn_at is not None


def test_the_page_costs_the_same_however_much_there_is(cast: Cast) -> None:
    browser = cast.client(cast.ana)
    costs = []
    for number in range(2):
        for _ in range(3):
            answer(browser, "research", "give")
            answer(browser, "research", "withdraw")
        people.add_number(cast.ana, f"+44770090040{number}", opt_in=True)
        browser.get(PAGE)  # what is said once is said here, and forgotten in a write of its own
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(PAGE).status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 8


def test_a_doctor_is_asked_about_messages_only(cast: Cast) -> None:
    browser = cast.client(cast.ruth)
    page = browser.get(PAGE).content.decode()
    assert "consent-messages" in page
    assert "consent-care" not in page
    assert answer(browser, "care", "give") == 404
    assert answer(browser, "messages", "withdraw") == 302
    assert not people.has_consent(cast.ruth, Consent.Kind.MESSAGES)


@pytest.mark.parametrize("kind", ["everything", "CARE", ""])
def test_there_is_nothing_else_to_agree_to(cast: Cast, kind: str) -> None:
    url = f"/account/consents/{kind}/"
    assert cast.client(cast.bo).post(url, {"answer": "give"}).status_code == 404


def test_looking_changes_nothing(cast: Cast) -> None:
    browser = cast.client(cast.ana)
    for url in (ADD, reverse("account_consent", args=["care"]), reverse("account_end_sessions")):
        assert browser.get(url).status_code == 405
    assert people.has_consent(cast.ana, Consent.Kind.CARE)


def test_adding_a_number_with_messages(cast: Cast) -> None:
    browser = cast.client(cast.bo)
    assert browser.post(ADD, {"number": "07700 900 555", "messages": "on"}).status_code == 302
    number = people.reachable_number(cast.bo)
    assert number is not None
    assert number.e164 == "+447700900555"
    assert people.has_consent(cast.bo, Consent.Kind.MESSAGES)


def test_a_bad_number_comes_back_with_its_sentence(cast: Cast) -> None:
    response = cast.client(cast.bo).post(ADD, {"number": "12345"})
    page = response.content.decode()
    assert response.status_code == 422
    assert "No phone can have this number" in page
    assert 'value="12345"' in page
    assert not cast.bo.numbers.exists()


def test_a_number_is_used_for_messages_later_or_removed(cast: Cast) -> None:
    browser = cast.client(cast.bo)
    browser.post(ADD, {"number": "07700 900 555"})
    number = cast.bo.numbers.get()
    assert people.reachable_number(cast.bo) is None
    browser.post(reverse("account_number", args=[number.pk]), {"answer": "use"})
    assert people.reachable_number(cast.bo) == number
    browser.post(reverse("account_number", args=[number.pk]), {"answer": "remove"})
    assert not cast.bo.numbers.exists()


def test_nobody_touches_someone_elses_number(cast: Cast) -> None:
    url = reverse("account_number", args=[cast.ana.numbers.get().pk])
    assert cast.client(cast.bo).post(url, {"answer": "remove"}).status_code == 404
    assert cast.ana.numbers.count() == 1


def test_a_stopped_phone_is_told_how_to_start_again(cast: Cast) -> None:
    people.opt_out(ANAS_NUMBER)
    page = cast.client(cast.ana).get(PAGE).content.decode()
    assert "Send START from it" in page
    assert "Send messages here" not in page


def test_who_finds_a_browser_open_adds_no_address_of_their_own(cast: Cast) -> None:
    """With one they could have a new password sent to themselves."""
    browser = cast.client(cast.ana)
    added = browser.post(
        reverse("account_email"), {"action_add": "", "email": "mallory@example.org"}
    )
    assert added["Location"].startswith(reverse("account_reauthenticate"))
    assert not EmailAddress.objects.filter(email="mallory@example.org").exists()

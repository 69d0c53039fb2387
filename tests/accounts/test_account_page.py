"""The account page: what one sees of oneself, and what one can change without JavaScript."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts import people
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
    assert "I agree" not in page


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


def test_a_doctor_is_asked_about_messages_only(cast: Cast) -> None:
    browser = cast.client(cast.ruth)
    page = browser.get(PAGE).content.decode()
    assert "consent-messages" in page
    assert "consent-care" not in page
    assert answer(browser, "care", "give") == 404
    assert answer(browser, "messages", "withdraw") == 302
    assert not people.has_consent(cast.ruth, Consent.Kind.MESSAGES)


@pytest.mark.parametrize("kind", ["research", "CARE", ""])
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

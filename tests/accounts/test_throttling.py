"""Guessing is slow, and who guesses locks nobody else out."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts import people, second_factor
from accounts.models import User
from tests import factor
from tests.cast import PASSWORD, Cast

LOG_IN, CODE = reverse("account_login"), reverse("mfa_authenticate")
TOKEN = reverse("api-token")
HOME, ELSEWHERE = "192.0.2.7", "203.0.113.66"
LOTS = "That was a lot of tries"
WRONG = "not the right one at all"
Answer = Any


def at(address: str) -> Client:
    return Client(REMOTE_ADDR=address)


def try_in(address: str, user: User, password: str = WRONG) -> Answer:
    return at(address).post(LOG_IN, {"login": user.email, "password": password})


def is_in(answer: Answer) -> bool:
    return bool(answer.status_code == 302)


def refused(answer: Answer) -> bool:
    return LOTS in answer.content.decode()


@pytest.fixture
def ruth(cast: Cast) -> User:
    second_factor.give_app(cast.ruth, factor.SECRET)
    return cast.ruth


# --- Passwords -----------------------------------------------------------------------------------
def test_guessing_from_one_address_stops(cast: Cast) -> None:
    answers = [try_in(ELSEWHERE, cast.ana) for _ in range(6)]
    assert [refused(answer) for answer in answers] == [False] * 5 + [True]
    assert refused(try_in(ELSEWHERE, cast.ana, PASSWORD)), "the right one is not looked at"


def test_who_guesses_elsewhere_does_not_stop_the_owner(cast: Cast) -> None:
    for _ in range(12):
        try_in(ELSEWHERE, cast.ana)
    assert is_in(try_in(HOME, cast.ana, PASSWORD))


def test_many_who_guess_elsewhere_do_not_either(cast: Cast) -> None:
    for number in range(20):
        try_in(f"203.0.113.{number}", cast.ana)
    assert is_in(try_in(HOME, cast.ana, PASSWORD))


def test_one_address_guesses_no_list_of_people(cast: Cast) -> None:
    everybody = list(cast.everyone().values())
    answers = [try_in(ELSEWHERE, everybody[number % 8]) for number in range(11)]
    assert [refused(answer) for answer in answers] == [False] * 10 + [True]


def test_a_right_one_in_between_buys_no_more_tries(cast: Cast) -> None:
    for _ in range(4):
        try_in(ELSEWHERE, cast.ana)
        assert is_in(try_in(ELSEWHERE, cast.bo, PASSWORD))
    try_in(ELSEWHERE, cast.ana)
    assert refused(try_in(ELSEWHERE, cast.ana))


def test_programs_are_counted_with_the_rest(cast: Cast) -> None:
    for _ in range(5):
        try_in(ELSEWHERE, cast.ana)
    given = {"email": cast.ana.email, "password": PASSWORD}
    assert at(ELSEWHERE).post(TOKEN, given, "application/json").status_code == 429
    assert at(HOME).post(TOKEN, given, "application/json").status_code == 200


def test_made_up_addresses_push_no_limit_out(settings: Settings, cast: Cast) -> None:
    """The limits stand in the cache: with its usual size 300 other rows would empty it."""
    for _ in range(5):
        try_in(ELSEWHERE, cast.ana)
    for number in range(400):
        caches["default"].set(f"row {number}".replace(" ", "-"), number, 300)
    assert refused(try_in(ELSEWHERE, cast.ana))


# --- Codes ---------------------------------------------------------------------------------------
def past_the_password(address: str, user: User) -> Client:
    browser = at(address)
    assert is_in(browser.post(LOG_IN, {"login": user.email, "password": PASSWORD}))
    return browser


def test_codes_are_not_guessed_from_one_address(ruth: User) -> None:
    browser = past_the_password(ELSEWHERE, ruth)
    answers = [browser.post(CODE, {"code": f"{number:06}"}) for number in range(6)]
    assert [refused(answer) for answer in answers] == [False] * 5 + [True]
    again = past_the_password(ELSEWHERE, ruth)
    assert refused(again.post(CODE, {"code": factor.code_of(ruth.email)})), "the password buys none"
    owner = past_the_password(HOME, ruth)
    assert is_in(owner.post(CODE, {"code": factor.code_of(ruth.email)}))


def guessed_everywhere(user: User) -> None:
    """As many wrong codes as there may be in an hour, from many addresses."""
    for address in range(12):
        browser = past_the_password(f"203.0.113.{address}", user)
        for number in range(5):
            browser.post(CODE, {"code": f"{number:06}"})


def test_nor_from_everywhere_and_a_new_password_ends_it(ruth: User) -> None:
    """Only who knows the password can guess codes: with a new one the owner is alone again."""
    guessed_everywhere(ruth)
    code = factor.code_of(ruth.email)
    assert refused(past_the_password(HOME, ruth).post(CODE, {"code": code}))
    people.change_password(ruth, PASSWORD)
    assert is_in(past_the_password(HOME, ruth).post(CODE, {"code": code}))


def test_codes_of_programs_are_counted_with_the_rest(ruth: User) -> None:
    browser = past_the_password(ELSEWHERE, ruth)
    for number in range(5):
        browser.post(CODE, {"code": f"{number:06}"})
    given = {"email": ruth.email, "password": PASSWORD, "code": factor.code_of(ruth.email)}
    answer = at(ELSEWHERE).post(TOKEN, given, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")

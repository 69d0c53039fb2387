"""How long somebody stays logged in, and the list of where they are."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import people, sessions
from accounts.models import AuditEntry, SuspensionReason, User
from tests.cast import PASSWORD, Cast, logged_in

LIST = reverse("usersessions_list")
ACCOUNT = reverse("account")
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
ANDROID = (
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Mobile Safari/537.36"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
)
STAFF_IDLE, STAFF_WHOLE = timedelta(minutes=30), timedelta(hours=12)
IDLE, WHOLE = timedelta(days=14), timedelta(days=30)
A_BIT = timedelta(seconds=5)


class Clock:
    """``pass_(…)`` and it is later."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr(time, "time", lambda: self.now)

    def pass_(self, span: timedelta) -> None:
        self.now += span.total_seconds()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def is_in(browser: Client, address: str = ACCOUNT) -> bool:
    status = browser.get(address).status_code
    assert status in (200, 302)
    return status == 200


def person(cast: Cast, name: str) -> User:
    return cast.everyone()[name]


# --- Limits --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "idle"), [("ruth", STAFF_IDLE), ("ada", STAFF_IDLE), ("ana", IDLE)]
)
def test_who_does_nothing_is_logged_out(
    cast: Cast, clock: Clock, name: str, idle: timedelta
) -> None:
    browser = logged_in(person(cast, name))
    clock.pass_(idle - A_BIT)
    assert is_in(browser)
    clock.pass_(idle - A_BIT)
    assert is_in(browser), "the click before began it anew"
    clock.pass_(idle + A_BIT)
    assert not is_in(browser)
    assert "_auth_user_id" not in browser.session
    page = browser.get(reverse("account_login")).content.decode()
    assert "You were logged out because some time has passed." in page


@pytest.mark.parametrize(
    ("name", "whole", "click"),
    [
        ("ruth", STAFF_WHOLE, timedelta(minutes=20)),
        ("root", STAFF_WHOLE, timedelta(minutes=20)),
        ("ana", WHOLE, timedelta(days=5)),
    ],
)
def test_nobody_stays_for_ever(
    cast: Cast, clock: Clock, name: str, whole: timedelta, click: timedelta
) -> None:
    browser = logged_in(person(cast, name))
    began = clock.now
    session = browser.session
    session[sessions.OPENED] = began
    session.save()
    while clock.now + click.total_seconds() < began + whole.total_seconds():
        clock.pass_(click)
        assert is_in(browser)
    clock.pass_(click + A_BIT)
    assert not is_in(browser)


def test_a_page_that_asks_by_itself_is_nobody_at_work(cast: Cast, clock: Clock) -> None:
    browser = logged_in(cast.ruth)
    for _ in range(31):
        clock.pass_(timedelta(minutes=1))
        browser.get(reverse("worklist_state"), headers={"sec-fetch-dest": "empty"})
    assert not is_in(browser)


def test_who_writes_for_long_stays(cast: Cast, clock: Clock) -> None:
    """The workbench says so while keys are pressed."""
    browser = logged_in(cast.ruth)
    said = {"sec-fetch-dest": "empty", "x-by-hand": "1"}
    for _ in range(31):
        clock.pass_(timedelta(minutes=1, seconds=1))
        browser.get(reverse("worklist_state"), headers=said)
    assert is_in(browser)


def test_a_session_without_times_begins_now(cast: Cast, clock: Clock) -> None:
    browser = logged_in(cast.ana)
    session = browser.session
    del session[sessions.OPENED], session[sessions.USED]
    session.save()
    assert is_in(browser)
    clock.pass_(IDLE + A_BIT)
    assert not is_in(browser)


def test_an_overdue_session_asks_the_api_as_nobody(cast: Cast, clock: Clock) -> None:
    browser = logged_in(cast.ruth)
    clock.pass_(STAFF_IDLE + A_BIT)
    assert browser.get(reverse("api-cases")).status_code == 401


# --- The list ------------------------------------------------------------------------------------
def at(user: User, user_agent: str) -> Client:
    browser = Client(headers={"user-agent": user_agent})
    browser.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    return browser


def test_somebody_sees_where_they_are_and_ends_one(cast: Cast) -> None:
    laptop, phone, other = at(cast.ana, FIREFOX), at(cast.ana, IPHONE), at(cast.bo, ANDROID)
    page = laptop.get(LIST).content.decode()
    assert "Firefox on Windows" in page
    assert "Safari on iPhone" in page
    assert "Chrome on Android" not in page, "somebody else's"
    assert "127.0.0.1" not in page
    of_phone = UserSession.objects.get(user=cast.ana, user_agent=IPHONE)
    laptop.post(reverse("account_session_end", args=[of_phone.pk]))
    assert (is_in(laptop), is_in(phone), is_in(other)) == (True, False, True)
    line = AuditEntry.objects.get(action="session.ended")
    assert (line.actor, line.detail) == (cast.ana, {"sessions": 1})


def test_what_its_limits_have_ended_is_not_listed(cast: Cast) -> None:
    laptop, _phone = at(cast.ana, FIREFOX), at(cast.ana, IPHONE)
    long_ago = timezone.now() - settings.SESSION_IDLE_PATIENT - A_BIT
    UserSession.objects.filter(user_agent=IPHONE).update(last_seen_at=long_ago)
    page = laptop.get(LIST).content.decode()
    assert "Firefox on Windows" in page
    assert "Safari on iPhone" not in page
    assert "Log out on all others" not in page


def test_nobody_ends_a_session_of_somebody_else(cast: Cast) -> None:
    ana, bo = at(cast.ana, FIREFOX), at(cast.bo, ANDROID)
    ana.post(reverse("account_session_end", args=[UserSession.objects.get(user=cast.bo).pk]))
    assert is_in(bo)
    ana.post(reverse("account_session_end", args=[UserSession.objects.get(user=cast.ana).pk]))
    assert is_in(ana), "this one ends by logging out"
    assert not AuditEntry.objects.filter(action="session.ended").exists()


def test_all_others_end_at_once(cast: Cast) -> None:
    laptop, phone, tablet = (at(cast.ana, agent) for agent in (FIREFOX, IPHONE, ANDROID))
    laptop.post(LIST)
    assert (is_in(laptop), is_in(phone), is_in(tablet)) == (True, False, False)


def test_a_suspension_empties_the_list(cast: Cast) -> None:
    phone = at(cast.bo, IPHONE)
    people.suspend(cast.bo, cast.ada, SuspensionReason.SECURITY)
    people.restore(cast.bo, cast.ada)
    assert not is_in(phone)
    page = at(cast.bo, FIREFOX).get(LIST).content.decode()
    assert "Safari on iPhone" not in page


def test_who_is_erased_leaves_no_device_behind(cast: Cast) -> None:
    at(cast.bo, IPHONE)
    people.erase(cast.bo)
    assert not UserSession.objects.filter(user=cast.bo).exists()


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (IPHONE, "Safari on iPhone"),
        (ANDROID, "Chrome on Android"),
        (EDGE, "Edge on Windows"),
        ("", "Another device"),
        ("curl/8.0", "Another device"),
    ],
)
def test_devices_in_words(user_agent: str, words: str) -> None:
    assert sessions.device(user_agent) == words

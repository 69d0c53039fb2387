"""Who waits for the computer's view hears of it at once, and nobody waits in vain or too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.urls import reverse

from diagnoses import hearing, workflow
from diagnoses.models import Case
from tests.cases import a_model_version, scored, submitted
from tests.cast import Cast, build_cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]

LISTENERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN case_moved'"
)


@pytest.fixture
def cast() -> Cast:
    a_model_version()
    return build_cast()


@pytest.fixture
def only_the_word_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for himself before his time is over."""
    monkeypatch.setattr(hearing, "LOOK_EVERY", hearing.LONGEST)


class Asking(threading.Thread):
    """A request in a thread of its own, as in the web server."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__()
        self.ask, self.seconds = ask, 0.0
        self.answer: Any = None
        self.start()

    def run(self) -> None:
        started = time.monotonic()
        self.answer = self.ask()
        self.seconds = time.monotonic() - started
        connections.close_all()

    def goes_on(self) -> None:
        """Long after an answer given at once would have been there."""
        self.join(0.5)
        assert self.is_alive()

    def ends_early(self) -> None:
        """A good while before its time is over."""
        self.join(hearing.LONGEST)
        assert not self.is_alive()
        assert self.seconds < hearing.LONGEST - 1


def by_api(cast: Cast, case: Case, prefer: str = "wait=5") -> Asking:
    client = cast.api(cast.ana)
    return Asking(lambda: client.get(reverse("api-case", args=[case.pk]), HTTP_PREFER=prefer))


def by_page(cast: Cast, case: Case) -> Asking:
    client = cast.client(cast.ana)
    headers = {"Prefer": "wait=5"}
    return Asking(lambda: client.get(reverse("case_state", args=[case.pk]), headers=headers))


@pytest.mark.usefixtures("only_the_word_ends_it")
def test_whoever_asked_to_wait_has_the_result_in_the_first_answer(cast: Cast) -> None:
    case = submitted(cast.ana)
    before = cast.client(cast.ana).get(reverse("case_state", args=[case.pk])).json()
    asking, page = by_api(cast, case), by_page(cast, case)
    asking.goes_on()
    page.goes_on()
    scored(case)
    asking.ends_early()
    page.ends_early()
    assert asking.answer.json()["status"] == "partial"
    assert page.answer.json()["version"] != before["version"]


@pytest.mark.usefixtures("only_the_word_ends_it")
def test_a_case_withdrawn_elsewhere_ends_the_wait_too(cast: Cast) -> None:
    case = submitted(cast.ana)
    asking = by_api(cast, case)
    asking.goes_on()
    workflow.withdraw(case, cast.ana)
    asking.ends_early()
    assert asking.answer.json()["status"] == "cancelled"


def test_a_word_that_is_lost_costs_a_second(cast: Cast) -> None:
    case = submitted(cast.ana)
    asking = by_api(cast, case)
    asking.goes_on()
    with connection.cursor() as cursor:
        cursor.execute(LISTENERS)
        assert cursor.fetchall() == [(True,)], "one listens"
    scored(case)
    asking.ends_early()
    assert asking.answer.json()["status"] == "partial"


def test_without_a_view_the_answer_comes_after_the_time_asked_for(cast: Cast) -> None:
    asking = by_api(cast, submitted(cast.ana), prefer="respond-async, wait=1")
    asking.join(4)
    assert asking.answer.json()["status"] == "registered"
    assert 1 <= asking.seconds < 3


@pytest.mark.parametrize("prefer", ["", "wait", "wait=soon", "wait=-3", "wait=0", "await=5"])
def test_who_does_not_ask_is_answered_as_things_stand(cast: Cast, prefer: str) -> None:
    asking = by_api(cast, submitted(cast.ana), prefer)
    asking.ends_early()
    assert asking.answer.json()["status"] == "registered"


def test_a_case_the_computer_is_done_with_keeps_nobody(cast: Cast) -> None:
    asking = by_api(cast, scored(submitted(cast.ana)))
    asking.ends_early()
    assert asking.answer.json()["status"] == "partial"


def test_only_so_many_wait_and_the_next_is_answered_at_once(cast: Cast, settings: Any) -> None:
    settings.REQUESTS_THAT_WAIT = 2
    case = submitted(cast.ana)
    waiting = [by_api(cast, case) for _ in range(2)]
    for one in waiting:
        one.goes_on()
    third = by_api(cast, case)
    third.ends_early()
    assert third.answer.json()["status"] == "registered"
    assert all(one.is_alive() for one in waiting)
    scored(case)
    for one in waiting:
        one.ends_early()
    assert {one.answer.json()["status"] for one in waiting} == {"partial"}

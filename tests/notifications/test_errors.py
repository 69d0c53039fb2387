"""The matrix of Twilio's codes: what is tried again, what is final, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.channels import wait_before
from notifications.errors import CODES, DAILY_LIMIT, DeliveryError, Kind, from_code
from notifications.models import Channel, Message

# As the specification of our use of Twilio has them.
AGAIN = [20429, 63018, 63012, 63038]
NEVER = [63016, 63040, 63041, 63042, 63013, 63003, 63024, 63014, 21610, 21211, 21614, 21635]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        *((code, 429, Kind.RETRY) for code in AGAIN),
        *((code, 400, Kind.RETRY) for code in (21611, 30001)),
        *((code, 400, Kind.FINAL) for code in NEVER),
        *((code, 400, Kind.FINAL) for code in (21606, 21408, 21655, 21656, 30003, 30006, 30034)),
        (None, 429, Kind.RETRY),  # never processed, whatever the body says
        (99999, 429, Kind.RETRY),
        (99999, 400, Kind.FINAL),
        (None, 400, Kind.FINAL),
        (20003, 401, Kind.FINAL),
        (None, 403, Kind.FINAL),
        (20500, 500, Kind.UNKNOWN),  # it may have been processed
        (None, 503, Kind.UNKNOWN),
    ],
)
def test_each_code_means_one_thing(code: int | None, status: int, kind: Kind) -> None:
    error = from_code(code, status)
    assert error.kind is kind
    assert error.reason.endswith((".", ")"))
    assert error.code == str(code or status)


def test_all_codes_of_the_specification_are_known() -> None:
    assert {code for code in CODES if CODES[code].kind is Kind.RETRY} >= set(AGAIN)
    assert {code for code in CODES if CODES[code].kind is Kind.FINAL} >= set(NEVER)


def wait(attempts: int, code: str, *, channel: str = "whatsapp", urgent: bool = False) -> float:
    """In seconds; -1 for no more."""
    message = Message(channel=channel, attempts=attempts, urgent=urgent)
    found = wait_before(message, DeliveryError(Kind.RETRY, "", code))
    return -1 if found is None else found.total_seconds()


@pytest.mark.parametrize("channel", [Channel.WHATSAPP, Channel.SMS])
def test_we_wait_twice_as_long_each_time_and_then_take_another_way(channel: str) -> None:
    waits = [wait(attempt, "20429", channel=channel) for attempt in range(1, 9)]
    assert waits == [10, 20, 40, 80, 160, 320, 640, -1]


def test_a_mail_server_is_waited_for_for_six_hours() -> None:
    waits = [wait(attempt, "", channel="email") for attempt in range(1, 31)]
    assert max(waits) == timedelta(minutes=15).total_seconds()
    assert waits[-1] == -1
    assert 5.5 < sum(waits) / 3600 < 6.5


def test_the_limit_of_a_day_is_not_over_in_a_minute_but_news_does_not_wait_for_tomorrow() -> None:
    assert [wait(attempt, DAILY_LIMIT) for attempt in (1, 2, 3)] == [3600, 3600, -1]
    assert wait(1, DAILY_LIMIT, urgent=True) == -1

"""Dates and numbers as people say them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from portal.speech import in_time, percent_floor, short_when, tier_meaning, tier_name, when

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("share", "printed"),
    [
        (0.7996, "79.9 %"),
        (0.7999, "79.9 %"),
        (0.79999999, "79.9 %"),
        (0.8, "80.0 %"),
        (0.29, "29.0 %"),  # 0.29 * 100 is 28.999… in binary
        (0.57, "57.0 %"),
        (1.0, "100.0 %"),
        (0, "0.0 %"),
        (1e-9, "0.0 %"),
    ],
)
def test_percentages_are_floored(share: float, printed: str) -> None:
    assert percent_floor(share) == printed


@given(st.floats(min_value=0, max_value=1))
def test_no_share_is_ever_printed_as_more_than_it_is(share: float) -> None:
    printed = float(percent_floor(share).removesuffix(" %"))
    assert printed <= share * 100 + 1e-9
    assert printed > share * 100 - 0.1 - 1e-9


@given(st.floats(min_value=0, max_value=0.8, exclude_max=True))
def test_below_the_threshold_never_prints_as_the_threshold(share: float) -> None:
    assert float(percent_floor(share).removesuffix(" %")) < 80


def test_dates_are_said_in_local_time() -> None:
    assert when(datetime(2026, 11, 24, 17, 0, tzinfo=UTC), NOW) == "Tuesday 24 November, 17:00"
    assert when(datetime(2026, 7, 1, 16, 0, tzinfo=UTC), NOW) == "Wednesday 1 July, 17:00"


def test_another_year_is_named() -> None:
    assert (
        when(datetime(2025, 12, 31, 9, 5, tzinfo=UTC), NOW) == "Wednesday 31 December 2025, 09:05"
    )


def test_tight_places_get_the_shortest_that_is_clear() -> None:
    assert short_when(NOW.replace(hour=9), NOW) == "09:00"
    assert short_when(NOW + timedelta(days=2), NOW) == "24 Nov"
    assert short_when(NOW - timedelta(days=365), NOW) == "22 Nov 2025"


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (timedelta(days=2), "in two days"),
        (timedelta(days=2, minutes=-5), "in two days"),
        (timedelta(hours=-2), "two hours ago"),
        (timedelta(hours=-1), "one hour ago"),
        (timedelta(minutes=59), "in 59 minutes"),
        (timedelta(minutes=59, seconds=50), "in one hour"),
        (timedelta(hours=23, minutes=40), "in one day"),
        (timedelta(seconds=-20), "just now"),
        (timedelta(seconds=20), "in a moment"),
        (timedelta(days=-200), "six months ago"),
    ],
)
def test_how_far_off_that_is(gap: timedelta, said: str) -> None:
    assert in_time(NOW + gap, NOW) == said


def test_on_a_page_the_exact_moment_stays_with_it() -> None:
    page = Template("{{ m|in_time }}").render(
        Context({"m": datetime(2020, 1, 2, 3, 4, tzinfo=UTC)})
    )
    assert re.fullmatch(
        r'<time datetime="2020-01-02T03:04:00\+00:00" '
        r'title="Thursday 2 January 2020, 03:04">\d+ months ago</time>',
        page,
    )
    assert Template("{{ m|in_time }}{{ m|when }}").render(Context({"m": None})) == ""


def test_every_tier_has_its_word() -> None:
    assert [tier_name(tier) for tier in ("red", "amber", "green", None, "")] == [
        "Red",
        "Amber",
        "Green",
        "Not scored",
        "Not scored",
    ]
    assert tier_meaning("red") == "urgent"
    assert tier_meaning(None) == ""

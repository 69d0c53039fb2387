"""Quiet hours: by the clocks of whoever is told, right at the edges and when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Clinic
from accounts.zones import zone_of_phone
from notifications import delivery, quiet, verification
from notifications.ledger import Notice
from notifications.ledger import tell as write
from notifications.models import Channel, Event, Link, Message
from notifications.quiet import Night, end_of_night
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import Cast
from tests.notifications.conftest import bodies, deliver_all, now, tell
from tests.notifications.test_verification import gave

State = Message.State
EVENING_TO_MORNING = Night(time(21), time(8))
LONDON, MADRID, NEW_YORK = (
    ZoneInfo(name) for name in ("Europe/London", "Europe/Madrid", "America/New_York")
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def leaves(at: str, *zones: ZoneInfo, night: Night = EVENING_TO_MORNING) -> datetime | None:
    return end_of_night(night, utc(at), zones)


# --- Which moment --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-01-10T20:59:59", None),
        ("2026-01-10T21:00:00", "2026-01-11T08:00"),
        ("2026-01-10T23:59:59", "2026-01-11T08:00"),
        ("2026-01-11T00:00:00", "2026-01-11T08:00"),
        ("2026-01-11T07:59:59", "2026-01-11T08:00"),
        ("2026-01-11T08:00:00", None),
        ("2026-01-11T14:00:00", None),
        ("2026-12-31T22:00:00", "2027-01-01T08:00"),
        # The clocks go forward in the night of the 29th of March, and back on the 25th of October.
        ("2026-03-28T22:00:00", "2026-03-29T07:00"),
        ("2026-03-29T06:59:59", "2026-03-29T07:00"),
        ("2026-03-29T07:00:00", None),
        ("2026-10-24T21:00:00", "2026-10-25T08:00"),
        ("2026-10-25T07:30:00", "2026-10-25T08:00"),
        ("2026-07-01T20:00:00", "2026-07-02T07:00"),
    ],
)
def test_at_the_edges_and_across_the_change_of_the_clocks(at: str, until: str | None) -> None:
    assert leaves(at, LONDON) == (utc(until) if until else None)


def test_a_night_may_begin_and_end_in_one_day_and_end_in_an_hour_that_is_there_twice_or_never() -> (
    None
):
    early = Night(time(0, 30), time(1, 30))
    assert leaves("2026-01-10T01:00:00", LONDON, night=early) == utc("2026-01-10T01:30")
    assert leaves("2026-01-10T01:30:00", LONDON, night=early) is None
    # At 1:00 it is 2:00: half past one is never.
    assert leaves("2026-03-29T00:45:00", LONDON, night=early) == utc("2026-03-29T01:30")
    # Half past one is at 0:30 and, after the clocks went back, at 1:30 again.
    assert leaves("2026-10-24T23:45:00", LONDON, night=early) == utc("2026-10-25T00:30")
    assert leaves("2026-10-25T01:10:00", LONDON, night=early) == utc("2026-10-25T01:30")


@pytest.mark.parametrize("hour", range(24))
def test_the_morning_of_two_places_is_day_in_both_and_there_always_is_one(hour: int) -> None:
    at = utc("2026-05-05T00:00") + timedelta(hours=hour, minutes=7)
    for far in ("America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Pacific/Honolulu"):
        zones = (LONDON, ZoneInfo(far))
        until = end_of_night(EVENING_TO_MORNING, at, zones) or at
        assert not any(EVENING_TO_MORNING.holds(until.astimezone(zone).time()) for zone in zones)
        assert until - at < timedelta(hours=24)
        if until > at:  # and not a minute earlier
            before = until - timedelta(minutes=1)
            assert any(EVENING_TO_MORNING.holds(before.astimezone(zone).time()) for zone in zones)


def test_the_setting_is_read_or_refused_at_the_start() -> None:
    assert quiet.night("21-8") == EVENING_TO_MORNING
    assert quiet.night(" 21:30 - 7:45 ") == Night(time(21, 30), time(7, 45))
    assert quiet.night("") is None
    for nonsense in ("21", "25-8", "x-y", "8-8", "8-20", "20-8", "21-8-9"):
        with pytest.raises(ImproperlyConfigured):
            quiet.night(nonsense)


# --- Whose clock ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("e164", "zone"),
    [
        ("+447700900101", "Europe/London"),
        ("+34612345678", "Europe/Madrid"),
        ("+12125551234", "America/New_York"),
        ("+919876543210", "Asia/Kolkata"),
        ("+18005551234", None),  # all of North America
        ("nonsense", None),
    ],
)
def test_a_number_says_where_it_is_from_or_does_not(e164: str, zone: str | None) -> None:
    at = utc("2026-01-10T12:00")
    found = zone_of_phone(e164, at)
    wanted = at.astimezone(ZoneInfo(zone)).utcoffset() if zone else None
    assert (found and at.astimezone(found).utcoffset()) == wanted


def test_the_phone_counts_and_the_clinic_and_without_one_the_portals_own(cast: Cast) -> None:
    at = utc("2026-01-10T12:00")
    Clinic.objects.filter(pk=cast.north.pk).update(time_zone="Asia/Tokyo")
    message = Message.objects.select_related("recipient__clinic").get(pk=tell(cast.ana).pk)
    assert [zone.key for zone in quiet.zones_of(message, at)] == ["Europe/London", "Asia/Tokyo"]
    message.address = "+12125551234"
    assert [zone.key for zone in quiet.zones_of(message, at)] == ["America/New_York", "Asia/Tokyo"]
    message.address = "+18005551234"
    assert [zone.key for zone in quiet.zones_of(message, at)] == ["Asia/Tokyo"]
    assert message.recipient is not None
    message.recipient.clinic = None
    assert [zone.key for zone in quiet.zones_of(message, at)] == ["Europe/London"]


# --- What waits ----------------------------------------------------------------------------------
def in_london(hours: float) -> str:
    """That many hours from now, as the setting has it; whole minutes."""
    return f"{timezone.now().astimezone(LONDON) + timedelta(hours=hours):%H:%M}"


@pytest.fixture
def night(settings: Settings, sms: None) -> None:
    """It is night in London, and will be for five hours."""
    settings.QUIET_HOURS = f"{in_london(-1)}-{in_london(5)}"


@pytest.mark.usefixtures("night")
def test_news_waits_for_the_morning_and_says_so(cast: Cast, twilio: StandIn) -> None:
    message = tell(cast.ana)
    deliver_all()
    waits = now(message)
    assert (waits.state, waits.attempts, waits.token) == (State.PENDING, 0, None)
    assert waits.error_code == "quiet-hours"
    assert waits.error.startswith("It is night there: it leaves at ")
    assert waits.run_after is not None
    # An hour more or less in the two nights of a year in which the clocks change.
    assert timedelta(hours=3.9) < waits.run_after - timezone.now() < timedelta(hours=6.1)
    assert not bodies(twilio)
    assert delivery.claim() is None


def test_in_the_morning_it_leaves_and_no_longer_says_that_it_waits(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    settings.QUIET_HOURS = f"{in_london(-1)}-{in_london(5)}"
    message = tell(cast.ana)
    deliver_all()
    Message.objects.update(run_after=timezone.now())
    deliver_all()
    assert now(message).state == State.PENDING, "called too early, it waits again"
    Link.objects.filter(messages=message).update(expires_at=timezone.now() + timedelta(hours=61))
    settings.QUIET_HOURS = f"{in_london(-6)}-{in_london(-1)}"
    Message.objects.update(run_after=timezone.now())
    deliver_all()
    left = now(message)
    assert (left.state, left.attempts, left.error, left.error_code) == (State.SENT, 1, "", "")
    assert len(bodies(twilio)) == 1
    assert left.link is not None
    assert left.link.expires_at - timezone.now() > timedelta(hours=71), "three days from now"


@pytest.mark.usefixtures("night")
def test_what_is_urgent_a_code_and_an_email_do_not_wait(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    write(Notice(Event.CASE_SIGNED, cast.ana, "case:9", "/cases/9/", urgent=True))
    verification.send(cast.bo, gave(cast.bo))
    tell(cast.uma)
    waits = tell(cast.ruth)
    deliver_all()
    assert len(bodies(twilio)) == 2
    assert len(mailoutbox) == 1
    assert now(waits).error_code == "quiet-hours"


@pytest.mark.usefixtures("night")
def test_the_next_way_of_what_is_urgent_is_urgent_too(
    cast: Cast, twilio: StandIn, mailoutbox: list[EmailMessage]
) -> None:
    twilio.faults.next.append(Fault("refuse", status=400, code=63003))
    write(Notice(Event.CASE_SIGNED, cast.ana, "case:9", "/cases/9/", urgent=True))
    deliver_all()
    assert Message.objects.get(channel=Channel.SMS).state == State.SENT


@pytest.mark.usefixtures("night")
def test_what_waits_for_the_morning_can_still_be_taken_back(cast: Cast, twilio: StandIn) -> None:
    from notifications import ledger

    message = tell(cast.ana)
    deliver_all()
    assert ledger.withdraw(Event.CASE_CHECKED, "case:1") == 1
    assert now(message).state == State.CANCELLED
    link = Link.objects.get(messages=message)
    assert link.revoked_at is not None


def test_where_it_is_night_at_the_clinic_nothing_rings(
    cast: Cast, twilio: StandIn, settings: Settings
) -> None:
    """A zone in which it is night now, whatever the hour of this test in London."""
    settings.QUIET_HOURS = "0-11"
    zones = [f"Etc/GMT{sign}{n}" for sign in "+-" for n in range(12)]
    at = timezone.now()
    night = next(zone for zone in zones if 1 <= at.astimezone(ZoneInfo(zone)).hour < 10)
    Clinic.objects.filter(pk=cast.north.pk).update(time_zone=night)
    waits = tell(cast.ana)
    deliver_all()
    assert now(waits).error_code == "quiet-hours"

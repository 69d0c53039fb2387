"""A link leads its one person to its page, for three days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from notifications import ledger
from notifications.models import Event, Link, Message
from tests.cast import Cast
from tests.notifications.conftest import tell


@pytest.fixture
def token(cast: Cast) -> str:
    message = tell(cast.ana)
    assert message.link is not None
    return message.link.token


def test_ana_is_led_to_her_page_and_the_opening_is_noted(cast: Cast, token: str) -> None:
    answer = cast.client(cast.ana).get(f"/l/{token}/")
    assert (answer.status_code, answer["Location"]) == (302, "/cases/1/")
    first = Link.objects.get().first_opened_at
    assert first is not None
    cast.client(cast.ana).get(f"/l/{token}/")
    assert Link.objects.get().first_opened_at == first
    opened = AuditEntry.objects.filter(action="link.opened")
    assert [entry.actor for entry in opened] == [cast.ana, cast.ana]


def test_it_asks_for_the_login_and_then_leads_on(cast: Cast, token: str) -> None:
    answer = cast.client().get(f"/l/{token}/")
    assert answer["Location"] == f"/accounts/login/?next=/l/{token}/"
    assert Link.objects.get().first_opened_at is None


def test_for_everyone_else_there_is_no_such_page(cast: Cast, token: str) -> None:
    for name, who in cast.everyone().items():
        if who != cast.ana:
            assert cast.client(who).get(f"/l/{token}/").status_code == 404, name
    assert cast.client(cast.ana).get(f"/l/{token[:-1]}/").status_code == 404
    assert not AuditEntry.objects.filter(action="link.opened").exists()


def test_after_three_days_it_says_calmly_that_it_has_ended(cast: Cast, token: str) -> None:
    Link.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = cast.client(cast.ana).get(f"/l/{token}/")
    assert answer.status_code == 410
    assert b"This link has ended" in answer.content
    assert b"Nothing is lost" in answer.content


def test_a_revoked_link_leads_nowhere(cast: Cast, token: str) -> None:
    assert ledger.withdraw(Event.CASE_CHECKED, "case:1") == 1
    assert cast.client(cast.ana).get(f"/l/{token}/").status_code == 410


def test_it_does_not_act_on_anything_but_reading(cast: Cast, token: str) -> None:
    assert cast.client(cast.ana).post(f"/l/{token}/").status_code == 405


def test_the_page_keeps_itself_out_of_caches_and_referrers(cast: Cast, token: str) -> None:
    answer = cast.client(cast.ana).get(f"/l/{token}/")
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert Message.objects.count() == 1

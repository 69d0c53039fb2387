"""The admins' first page: what needs somebody, whose, and the way to everything else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from accounts import managing
from accounts.models import User
from diagnoses.models import Case
from notifications import invitations, ledger
from notifications.ledger import Notice
from notifications.models import Channel, Event, Invitation
from tests.cases import submitted
from tests.cast import Cast

HOME = "/manage/"


def text_of(response: Any) -> str:
    body = response.content.decode().partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def read(cast: Cast, who: User | None = None) -> str:
    response = cast.client(who or cast.ada).get(HOME)
    assert response.status_code == 200
    return text_of(response)


def late(cast: Cast, patient: User) -> None:
    case = submitted(patient)
    Case.objects.filter(pk=case.pk).update(answer_due_at=F("submitted_at") - timedelta(hours=1))


def test_for_everyone_else_it_does_not_exist(cast: Cast) -> None:
    for who in (cast.ana, cast.ruth, cast.uma, cast.xu):
        assert cast.client(who).get(HOME).status_code == 404
    assert cast.client().get(HOME).status_code == 302


@pytest.mark.usefixtures("media")
def test_what_needs_somebody_stands_there_until_it_is_done(cast: Cast) -> None:
    late(cast, cast.ana)
    with transaction.atomic():
        ledger.tell(Notice(Event.URGENT_CALL, cast.ana, "case:1", "/", channel=Channel.STAFF))
    asked = invitations.invite(
        name="Vera", clinic=cast.north, invited_by=cast.ada, email="vera@example.org"
    )
    assert "Invitations about to end" not in read(cast)
    Invitation.objects.update(expires_at=F("expires_at") - timedelta(days=12))
    shown = read(cast)
    for words in (
        "1 Cases past their time",
        "1 Messages that need someone",
        "1 Doctors to be verified",
        "1 Invitations about to end",
        "Uma Roy",
    ):
        assert words in shown, words
    managing.verify_doctor(cast.uma, cast.ada)
    invitations.revoke(asked, cast.ada)
    shown = read(cast)
    assert "Doctors to be verified, longest" not in shown
    assert "Invitations about to end" not in shown
    assert "1 Cases past their time" in shown


@pytest.mark.usefixtures("media")
def test_each_admin_reads_of_their_own_clinic(cast: Cast) -> None:
    late(cast, cast.ana)
    User.objects.filter(pk=cast.ada.pk).update(clinic=cast.south)
    ada = User.objects.get(pk=cast.ada.pk)
    assert "Nothing needs you" in read(cast, ada)
    assert "Uma Roy" not in read(cast, ada)
    assert "1 Cases past their time" in read(cast, cast.root)


@pytest.mark.usefixtures("media")
def test_every_way_it_leads_is_there(cast: Cast) -> None:
    late(cast, cast.ana)
    client = cast.client(cast.ada)
    page = client.get(HOME).content.decode().partition("<main")[2]
    ways = set(re.findall(r'href="(/[^"]+)"', page))
    for name in ("manage_people", "manage_clinics", "manage_invitations", "staff_messages"):
        assert reverse(name) in ways
    assert reverse("admin:index") in ways
    for way in ways:
        assert client.get(way.replace("&amp;", "&")).status_code == 200, way

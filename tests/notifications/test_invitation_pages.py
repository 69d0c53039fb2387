"""The admins' pages of invitations: a doctor and an admin invited, sent again, taken back."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import managing
from accounts.models import AuditEntry, Clinic, Role, User
from notifications import invitations
from notifications.invitations import InvitationError
from notifications.invited import State, page
from notifications.models import Channel, Invitation, Message
from portal.standin.server import StandIn
from tests.cast import PASSWORD, Cast, build_cast, enter
from tests.notifications.conftest import deliver_all
from tests.together import at_once

LIST, NEW = "/manage/invitations/", "/manage/invitations/new/"
NUMBER = "+447700900777"
DOCTOR = {"role": "doctor", "name": "Vera Novak", "number": NUMBER, "email": ""}
ADMIN = {"role": "admin", "name": "Noor Haddad", "number": "", "email": "Noor@Example.org"}


def at(invitation: Invitation, what: str = "") -> str:
    return reverse("manage_invitation", args=[invitation.pk]) + what


def text_of(response: Any) -> str:
    body = response.content.decode().partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def invite(cast: Cast, by: User | None = None, **others: Any) -> Invitation:
    cast.client(by or cast.ada).post(NEW, DOCTOR | others)
    return Invitation.objects.latest("created_at")


def invite_admin(cast: Cast) -> Invitation:
    cast.client(cast.ada).post(NEW, ADMIN)
    return Invitation.objects.get(role=Role.ADMIN)


def join(token: str, email: str, name: str = "Noor Haddad") -> tuple[int, Client]:
    client = Client()
    data = {"name": name, "email": email, "password": PASSWORD, "number": ""}
    return int(client.post(f"/invitations/{token}/", data).status_code), client


def age(invitation: Invitation, **by: int) -> None:
    """As if everything about it had happened so long ago."""
    gap = timedelta(**by)
    Invitation.objects.filter(pk=invitation.pk).update(
        created_at=F("created_at") - gap, expires_at=F("expires_at") - gap
    )
    Message.objects.filter(invitation=invitation).update(created_at=F("created_at") - gap)


# --- Who may -------------------------------------------------------------------------------------
def test_for_everyone_else_there_are_none(cast: Cast) -> None:
    invitation = invite(cast)
    pages = (LIST, NEW, at(invitation), at(invitation, "again/"), at(invitation, "withdraw/"))
    for who in (cast.ana, cast.bo, cast.ruth, cast.uma, cast.xu):
        client = cast.client(who)
        for address in pages:
            assert client.get(address).status_code == 404, address
            assert client.post(address, ADMIN).status_code in (404, 405), address
    assert cast.client().get(LIST).status_code == 302
    assert Invitation.objects.count() == 1
    invitation.refresh_from_db()
    assert invitation.revoked_at is None


def test_an_admin_of_one_clinic_sees_and_sends_that_ones(cast: Cast) -> None:
    theirs = invite(cast, cast.root, clinic=cast.south.pk)
    assert theirs.clinic == cast.south
    ada = cast.client(cast.ada)
    assert "Vera Novak" not in text_of(ada.get(LIST))
    for what in ("", "again/", "withdraw/"):
        assert ada.get(at(theirs, what)).status_code == 404
    assert ada.post(at(theirs, "withdraw/")).status_code == 404
    ada.post(NEW, DOCTOR | {"clinic": cast.south.pk, "number": "+447700900778"})
    assert Invitation.objects.latest("created_at").clinic == cast.north


def test_the_functions_ask_too(cast: Cast) -> None:
    theirs = invite(cast, cast.root, clinic=cast.south.pk)
    for who in (cast.ada, cast.ana, cast.ruth, cast.xu):
        with pytest.raises(InvitationError):
            invitations.revoke(theirs, who)
        with pytest.raises(InvitationError):
            invitations.send_again(theirs, who)
        with pytest.raises(InvitationError):
            invitations.invite(
                name="X", clinic=cast.south, invited_by=who, email="x@example.org", role=Role.ADMIN
            )
    with pytest.raises(InvitationError):
        invitations.invite(name="X", clinic=cast.south, invited_by=cast.ada, e164="+447700900779")


# --- Inviting ------------------------------------------------------------------------------------
def test_a_doctor_is_invited_by_number(cast: Cast, twilio: StandIn) -> None:
    answer = cast.client(cast.ada).post(NEW, DOCTOR, follow=True)
    shown = text_of(answer)
    assert "Vera Novak is invited." in shown
    assert "+44…77" in shown
    assert NUMBER not in shown
    deliver_all()
    assert "join it as a doctor" in twilio.store.accepted()[0].body
    line = AuditEntry.objects.get(action="doctor.invited")
    assert line.actor == cast.ada
    assert "Vera" not in str(line.detail)


def test_an_admin_is_invited_by_e_mail_and_is_one_at_once(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    invitation = invite_admin(cast)
    deliver_all()
    assert [mail.to for mail in mailoutbox] == [["noor@example.org"]]
    assert "join it as an admin" in mailoutbox[0].body
    page_of = Client().get(f"/invitations/{invitation.token}/").content.decode()
    assert "North asks you to join as an admin" in page_of
    assert "checks that you are a doctor" not in page_of
    status, client = join(invitation.token, "noor@example.org")
    assert status == 302
    noor = User.objects.get(email="noor@example.org")
    assert (noor.is_admin, noor.is_staff, noor.clinic) == (True, True, cast.north)
    led = client.get("/manage/people/")
    assert led.headers["Location"] == reverse("mfa_index"), "first the second step"
    enter(client, noor)
    assert client.get("/manage/people/").status_code == 200
    assert AuditEntry.objects.filter(action="admin.invited").exists()
    assert AuditEntry.objects.get(action="admin.joined").actor == noor


def test_nobody_becomes_an_admin_by_another_address(cast: Cast) -> None:
    """Nobody verifies them, so a link that was passed on must not be enough."""
    invitation = invite_admin(cast)
    status, _client = join(invitation.token, "mallory@example.org")
    assert status == 200
    assert not User.objects.filter(email="mallory@example.org").exists()
    mallory = User.objects.create_user("mallory@example.org", PASSWORD, name="Mallory")
    client = cast.client(mallory)
    client.post(f"/invitations/{invitation.token}/")
    with pytest.raises(InvitationError):
        invitations.accept(invitation, mallory)
    mallory.refresh_from_db()
    assert (mallory.role, mallory.is_staff) == (Role.PATIENT, False)


def test_an_admins_invitation_ends_with_who_sent_it(cast: Cast) -> None:
    invitation, doctors = invite_admin(cast), invite(cast)
    managing.suspend(cast.ada, cast.root, "security")
    assert Client().get(f"/invitations/{invitation.token}/").status_code == 410
    assert join(invitation.token, "noor@example.org")[0] == 410
    assert Client().get(f"/invitations/{doctors.token}/").status_code == 200
    root = cast.client(cast.root)
    assert "Its link does not work now" in text_of(root.get(at(invitation)))
    age(invitation, hours=1)
    shown = text_of(root.post(at(invitation, "again/"), follow=True))
    assert "Its link does not work now" not in shown
    assert join(invitation.token, "noor@example.org")[0] == 302


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (DOCTOR | {"number": ""}, "Give a number or an e-mail address."),
        (DOCTOR | {"number": "12"}, "No phone can have this number."),
        (DOCTOR | {"name": ""}, "This is needed"),
        (DOCTOR | {"role": "patient"}, "patient"),
        (DOCTOR | {"email": "ruth@example.org"}, "Ruth Okafor has an account with this address."),
        (ADMIN | {"email": ""}, "Give their address."),
        (ADMIN | {"number": NUMBER}, "Leave it empty"),
        (ADMIN | {"email": "xu@example.org"}, "cannot join with this address"),
    ],
)
def test_what_is_wrong_is_said_and_nobody_is_invited(
    cast: Cast, sent: dict[str, str], said: str
) -> None:
    answer = cast.client(cast.ada).post(NEW, sent)
    assert answer.status_code == 422
    assert said in text_of(answer)
    if sent["name"]:
        assert sent["name"] in answer.content.decode()
    assert not Invitation.objects.exists()


def test_a_double_click_invites_once(cast: Cast) -> None:
    for sent in (DOCTOR, ADMIN):
        assert cast.client(cast.ada).post(NEW, sent).status_code == 302
        assert cast.client(cast.ada).post(NEW, sent).status_code == 302
    assert Invitation.objects.count() == Message.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sent", [DOCTOR, ADMIN], ids=["by number", "by e-mail"])
def test_invited_by_two_admins_at_once_they_get_one_message(sent: dict[str, str]) -> None:
    cast = build_cast()
    eve = User.objects.create_user(
        "eve@example.org", name="Eve", role=Role.ADMIN, is_staff=True, clinic=cast.north
    )
    browsers = [cast.client(by) for by in (cast.ada, eve, cast.ada, eve)]
    answers = at_once(*[partial(browser.post, NEW, sent) for browser in browsers])
    assert [answer.status_code for answer in answers] == [302] * 4
    assert Invitation.objects.count() == Message.objects.count() == 1


# --- Sent again, taken back ----------------------------------------------------------------------
def test_it_is_sent_again_with_the_same_link(cast: Cast, twilio: StandIn) -> None:
    invitation = invite(cast)
    deliver_all()
    age(invitation, days=3)
    ada = cast.client(cast.ada)
    asked = text_of(ada.get(at(invitation, "again/")))
    assert "The same link goes to +44…77 once more." in asked
    assert Message.objects.count() == 1
    assert "sent once more" in text_of(ada.post(at(invitation, "again/"), follow=True))
    assert "a moment ago" in text_of(ada.post(at(invitation, "again/"), follow=True))
    deliver_all()
    first, second = (one.body for one in twilio.store.accepted())
    assert first == second
    invitation.refresh_from_db()
    assert invitation.expires_at > timezone.now() + timedelta(days=13)
    assert AuditEntry.objects.filter(action="invitation.resent").count() == 1


def test_an_expired_one_lives_again(cast: Cast) -> None:
    invitation = invite_admin(cast)
    age(invitation, days=15)
    assert Client().get(f"/invitations/{invitation.token}/").status_code == 410
    ada = cast.client(cast.ada)
    assert "Noor Haddad" in text_of(ada.get(f"{LIST}?state=expired"))
    assert "Noor Haddad" not in text_of(ada.get(LIST))
    ada.post(at(invitation, "again/"))
    assert join(invitation.token, "noor@example.org")[0] == 302


def test_taken_back_its_link_ends_and_twice_is_once(cast: Cast, twilio: StandIn) -> None:
    invitation = invite(cast)
    ada = cast.client(cast.ada)
    assert "Its link ends at once." in text_of(ada.get(at(invitation, "withdraw/")))
    for _click in range(2):
        answer = ada.post(at(invitation, "withdraw/"), follow=True)
        assert "The invitation is taken back." in text_of(answer)
    assert Client().get(f"/invitations/{invitation.token}/").status_code == 410
    deliver_all()
    assert not twilio.store.accepted()
    assert AuditEntry.objects.filter(action="invitation.revoked").count() == 1
    refused = ada.post(at(invitation, "again/"), follow=True)
    assert "has ended or was used already" in text_of(refused)
    assert "Send again …" not in text_of(ada.get(at(invitation)))


def test_who_has_joined_is_named_and_cannot_be_uninvited(cast: Cast) -> None:
    invitation = invite_admin(cast)
    join(invitation.token, "noor@example.org")
    ada = cast.client(cast.ada)
    noor = User.objects.get(email="noor@example.org")
    assert reverse("manage_person", args=[noor.pk]) in ada.get(at(invitation)).content.decode()
    said = text_of(ada.post(at(invitation, "withdraw/"), follow=True))
    assert "They have joined already." in said
    assert "used already" in text_of(ada.post(at(invitation, "again/"), follow=True))
    assert Message.objects.filter(channel=Channel.EMAIL).count() == 1


@pytest.mark.django_db(transaction=True)
def test_taken_back_while_they_join_it_is_one_or_the_other() -> None:
    cast = build_cast()
    invitation = invitations.invite(
        name="Noor",
        clinic=cast.north,
        invited_by=cast.ada,
        email="noor@example.org",
        role=Role.ADMIN,
    )
    joined, taken = at_once(
        lambda: join(invitation.token, "noor@example.org")[0] == 302,
        lambda: invitations.revoke(invitation, cast.ada),
    )
    assert joined != taken
    assert User.objects.filter(email="noor@example.org").exists() is joined


# --- The list ------------------------------------------------------------------------------------
def many(clinic: Clinic, by: User, number: int) -> None:
    for one in range(number):
        invitations.invite(
            name=f"Kim {one}", clinic=clinic, invited_by=by, email=f"kim{one}@example.org"
        )


def test_each_page_of_the_list_follows_the_one_before(cast: Cast) -> None:
    many(cast.north, cast.ada, 7)
    seen: list[str] = []
    after = None
    while True:
        shown = page(cast.ada, State.OPEN, after=after, size=3)
        seen += [line.invitation.name for line in shown.lines]
        after = shown.after
        if after is None:
            break
    assert seen == [f"Kim {one}" for one in reversed(range(7))]


def test_the_pages_cost_the_same_however_many_there_are(cast: Cast) -> None:
    invitation, client = invite(cast), cast.client(cast.ada)

    def cost(address: str) -> int:
        client.get(address)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(address).status_code == 200
        return len(seen)

    before = [cost(LIST), cost(at(invitation))]
    many(cast.north, cast.ada, 9)
    for number in range(3):
        age(invitation, hours=1)
        invitations.send_again(invitation, cast.ada)
        assert number < 3
    assert [cost(LIST), cost(at(invitation))] == before


def test_looking_at_one_is_recorded(cast: Cast) -> None:
    invitation = invite(cast)
    cast.client(cast.ada).get(at(invitation))
    line = AuditEntry.objects.filter(action="invitation.viewed").latest("pk")
    assert (line.actor, line.about) == (cast.ada, f"invitation:{invitation.pk}")

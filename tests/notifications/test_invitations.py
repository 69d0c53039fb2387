"""A doctor without an account is invited, joins, and waits for an admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from accounts import people
from accounts.models import Role, User
from accounts.people import reachable_number
from notifications import again, invitations
from notifications.invitations import InvitationError
from notifications.models import Channel, Invitation, Message
from portal.standin.faults import Fault
from portal.standin.server import StandIn
from tests.cast import PASSWORD, Cast
from tests.notifications.conftest import deliver_all, now

NUMBER = "+447700900777"


def invite(cast: Cast, e164: str = NUMBER, email: str = "") -> Invitation:
    return invitations.invite(
        name="Vera Novak", clinic=cast.north, invited_by=cast.ana, e164=e164, email=email
    )


def join(token: str, client: Client | None = None, **more: str) -> int:
    data = {
        "name": "Vera Novak", "email": "Vera@Example.org", "password": PASSWORD, "number": NUMBER,
    } | more  # fmt: skip
    response = (client or Client()).post(f"/invitations/{token}/", data)
    return int(response.status_code)


def test_who_joins_on_a_spanish_page_reads_spanish_from_then_on(cast: Cast) -> None:
    client = Client(HTTP_ACCEPT_LANGUAGE="es")
    token = invite(cast).token
    assert "le pide que se una como médico" in client.get(f"/invitations/{token}/").content.decode()
    assert join(token, client) == 302
    assert User.objects.get(email="vera@example.org").language == "es"


def test_vera_gets_one_message_with_a_link(cast: Cast, twilio: StandIn) -> None:
    invitation = invite(cast)
    assert invite(cast) == invitation
    deliver_all()
    bodies = [one.body for one in twilio.store.accepted()]
    assert bodies == [
        "A clinic asks you to join it as a doctor. See which one, and answer, here: "
        f"http://localhost:8000/invitations/{invitation.token}/ Reply STOP to end these messages."
    ]


def test_without_a_number_it_goes_by_email(cast: Cast, mailoutbox: list[EmailMessage]) -> None:
    invite(cast, e164="", email="vera@example.org")
    deliver_all()
    assert [mail.to for mail in mailoutbox] == [["vera@example.org"]]


def test_without_any_address_there_is_no_invitation(cast: Cast) -> None:
    with pytest.raises(ValueError, match="number or an e-mail"):
        invite(cast, e164="")


def test_a_number_that_does_not_take_it_becomes_a_task_for_the_staff(
    cast: Cast, twilio: StandIn
) -> None:
    twilio.faults.always = Fault("refuse", status=400, code=63003)
    invite(cast)
    deliver_all()
    assert Message.objects.get(channel=Channel.STAFF).state == Message.State.PENDING


def test_a_phone_that_said_stop_is_not_invited_by_message(cast: Cast, twilio: StandIn) -> None:
    people.add_number(cast.bo, NUMBER, opt_in=False)
    people.opt_out(NUMBER)
    invite(cast)
    deliver_all()
    assert not twilio.store.accepted()


def test_vera_joins_and_sees_nothing_until_an_admin_has_confirmed_her(cast: Cast) -> None:
    invitation = invite(cast)
    client = Client()
    page = client.get(f"/invitations/{invitation.token}/")
    assert b"North asks you to join as a doctor" in page.content
    assert NUMBER.encode() in page.content
    assert join(invitation.token, client, messages="on") == 302

    vera = User.objects.get(email="vera@example.org")
    assert (vera.role, vera.clinic, vera.is_reading_doctor) == (Role.DOCTOR, cast.north, False)
    assert int(client.session["_auth_user_id"]) == vera.pk
    number = reachable_number(vera)
    assert number is not None
    assert number.e164 == NUMBER
    invitation.refresh_from_db()
    assert (invitation.accepted_by, invitation.token) == (vera, "")
    people.verify_doctor(vera, cast.root)
    vera.refresh_from_db()
    assert vera.is_reading_doctor


def test_it_can_be_accepted_once_only(cast: Cast) -> None:
    token = invite(cast).token
    assert join(token) == 302
    assert join(token, email="second@example.org") == 410
    assert not User.objects.filter(email="second@example.org").exists()


def test_what_is_wrong_stands_beside_the_field_and_nothing_is_made(cast: Cast) -> None:
    invitation = invite(cast)
    before = User.objects.count()
    wrongs: tuple[dict[str, str], ...] = (
        {"email": cast.bo.email},
        {"password": "short"},
        {"number": "12", "messages": "on"},
        {"number": "", "messages": "on"},
        {"name": ""},
    )
    for wrong in wrongs:
        assert join(invitation.token, None, **wrong) == 200, wrong
    assert User.objects.count() == before
    invitation.refresh_from_db()
    assert invitation.accepted_at is None


def test_a_patient_cannot_become_a_doctor_with_it(cast: Cast) -> None:
    invitation = invite(cast)
    client = cast.client(cast.bo)
    page = client.get(f"/invitations/{invitation.token}/")
    assert b"It stays a patient" in page.content
    client.post(f"/invitations/{invitation.token}/")
    cast.bo.refresh_from_db()
    assert cast.bo.role == Role.PATIENT
    with pytest.raises(InvitationError):
        invitations.accept(invitation, cast.bo)


def test_a_doctor_and_an_admin_are_told_that_it_is_not_for_them(cast: Cast) -> None:
    url = f"/invitations/{invite(cast).token}/"
    assert b"a doctor at North already" in cast.client(cast.ruth).get(url).content
    assert b"for someone else" in cast.client(cast.ada).get(url).content
    assert cast.client(cast.ruth).post(url).status_code == 200
    assert Invitation.objects.get().accepted_at is None


def test_somebody_who_signed_up_first_can_still_join(cast: Cast) -> None:
    invitation = invite(cast)
    vera = User.objects.create_user("vera@example.org", PASSWORD, name="Vera Novak")
    client = cast.client(vera)
    assert b"Join with this account" in client.get(f"/invitations/{invitation.token}/").content
    assert client.post(f"/invitations/{invitation.token}/").status_code == 302
    vera.refresh_from_db()
    assert vera.role == Role.DOCTOR


@pytest.mark.parametrize("end", ["expired", "revoked", "unknown"])
def test_an_ended_one_says_so(cast: Cast, end: str) -> None:
    invitation = invite(cast)
    token = invitation.token
    if end == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif end == "revoked":
        assert invitations.revoke(invitation, cast.ada)
        assert not invitations.revoke(invitation, cast.ada)
    else:
        token = "x" * 22
    answer = Client().get(f"/invitations/{token}/")
    assert answer.status_code == 410
    assert b"This invitation has ended" in answer.content
    assert join(token) == 410


def test_taken_back_before_it_left_it_does_not_leave(cast: Cast, twilio: StandIn) -> None:
    invitations.revoke(invite(cast), cast.ada)
    deliver_all()
    assert not twilio.store.accepted()


def test_after_it_expired_the_number_can_be_invited_again(cast: Cast, twilio: StandIn) -> None:
    old = invite(cast)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    new = invite(cast)
    assert new != old
    deliver_all()
    assert len(twilio.store.accepted()) == 1


def test_another_clinic_may_invite_the_same_number(cast: Cast) -> None:
    invite(cast)
    invitations.invite(name="Vera", clinic=cast.south, invited_by=cast.root, e164=NUMBER)
    assert Invitation.objects.count() == 2


def test_sent_again_by_hand_its_second_message_is_not_taken_for_the_first(
    cast: Cast, twilio: StandIn
) -> None:
    """Both carry the same link, so the text alone does not tell them apart."""
    invite(cast)
    deliver_all()
    first = Message.objects.get()
    twilio.store.report(first.provider_id, "failed", 63003)
    Message.objects.update(state=Message.State.FAILED, run_after=None)
    twilio.faults.next.append(Fault("reset"))
    second = again.resend(now(first), cast.ada)
    deliver_all(rounds=3)
    assert now(second).provider_id not in ("", first.provider_id)
    assert [one.sid for one in twilio.store.accepted()] == [
        first.provider_id,
        now(second).provider_id,
    ]

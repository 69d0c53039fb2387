"""Inviting a doctor who has no account. Whoever accepts still waits for an admin."""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import people
from accounts.audit import record
from accounts.models import Clinic, ContactNumber, Role, User
from notifications import tokens
from notifications.ledger import tell_invited, withdraw
from notifications.models import PHONES, Event, Invitation

LIFETIME = timedelta(days=14)


class InvitationError(Exception):
    """This invitation cannot be used so; ``str(error)`` is a sentence for whoever tried."""


def invite(
    *,
    name: str,
    clinic: Clinic,
    invited_by: User,
    e164: str = "",
    email: str = "",
    role: Role = Role.DOCTOR,
) -> Invitation:
    """Invite someone to ``clinic`` and send them the link; once per number and clinic.

    Where the number, or without one the e-mail address, has an open invitation already, that one
    is returned and nothing is sent. Raises ``ValueError`` without any address.
    """
    if not (e164 or email):
        raise ValueError("an invitation needs a phone number or an e-mail address")
    email = email.strip().lower()
    with transaction.atomic():
        found = _open_one(clinic, e164, email)
        if found is not None and is_open(found):
            return found
        if found is not None:
            _end(found)
        try:
            with transaction.atomic():
                made = _make(name, clinic, invited_by, e164, email, role)
        except IntegrityError:  # two people invited the same number at the same moment
            return _expect(_open_one(clinic, e164, email))
        tell_invited(made)
        record("doctor.invited", actor=invited_by, about=_about(made), clinic=clinic.pk)
    return made


def _open_one(clinic: Clinic, e164: str, email: str) -> Invitation | None:
    waiting = Invitation.objects.filter(clinic=clinic, accepted_at=None, revoked_at=None)
    same = waiting.filter(e164=e164) if e164 else waiting.filter(e164="", email=email)
    return same.first()


def _expect(found: Invitation | None) -> Invitation:
    if found is None:
        raise InvitationError("This invitation was changed at the same moment. Please try again.")
    return found


def _make(
    name: str, clinic: Clinic, invited_by: User, e164: str, email: str, role: Role
) -> Invitation:
    token = tokens.new()
    return Invitation.objects.create(
        token=token,
        token_sha256=tokens.sha256(token),
        name=name,
        clinic=clinic,
        invited_by=invited_by,
        e164=e164,
        email=email,
        role=role,
        expires_at=timezone.now() + LIFETIME,
    )


def find(token: str) -> Invitation | None:
    """Return the invitation with this token, whatever became of it."""
    found = Invitation.objects.filter(token_sha256=tokens.sha256(token))
    return found.select_related("clinic").first()


def is_open(invitation: Invitation) -> bool:
    """Whether it can still be accepted."""
    untouched = invitation.accepted_at is None and invitation.revoked_at is None
    return untouched and timezone.now() < invitation.expires_at


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether ``user`` may accept: somebody new, whose account is younger than the invitation.

    A patient's account never becomes a doctor's: its owner has photos and answers in it.
    """
    return user.role == Role.PATIENT and user.date_joined >= invitation.created_at


def accept(invitation: Invitation, user: User) -> None:
    """``user`` joins the clinic as a doctor, whom an admin has yet to verify.

    Raises ``InvitationError`` if it is no longer open, or not for this account.
    """
    with transaction.atomic():
        current = Invitation.objects.select_for_update().get(pk=invitation.pk)
        if not is_open(current):
            raise InvitationError("This invitation has ended or was used already.")
        if not is_for(current, user):
            raise InvitationError("This account cannot accept the invitation.")
        people.make_doctor(user, current.clinic)
        _confirm_the_phone(current, user)
        Invitation.objects.filter(pk=current.pk).update(
            accepted_at=Now(), accepted_by=user, token=""
        )
        record("invitation.accepted", actor=user, about=_about(current))
    invitation.refresh_from_db()


def _confirm_the_phone(invitation: Invitation, user: User) -> None:
    """Who opened what was sent to a phone has that phone; unless it went by e-mail too."""
    number = user.numbers.filter(e164=invitation.e164).first()
    elsewhere = invitation.messages.exclude(channel__in=PHONES)
    if number is not None and not elsewhere.exists():
        people.confirm_number(user, number, ContactNumber.Proof.INVITATION)


def revoke(invitation: Invitation, by: User) -> bool:
    """Take an invitation back; False if it was accepted or revoked before."""
    with transaction.atomic():
        revoked = _end(invitation)
        if revoked:
            record("invitation.revoked", actor=by, about=_about(invitation))
    return revoked


def _end(invitation: Invitation) -> bool:
    waiting = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
    ended = waiting.update(revoked_at=Now(), token="") == 1
    if ended:
        withdraw(Event.INVITATION, _about(invitation))
    return ended


def _about(invitation: Invitation) -> str:
    return f"invitation:{invitation.pk}"

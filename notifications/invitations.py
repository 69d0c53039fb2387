"""Inviting somebody who has no account: a doctor, who then waits to be verified, or an admin."""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import managing, people
from accounts.audit import record
from accounts.models import Clinic, ContactNumber, Role, User
from notifications import tokens
from notifications.ledger import tell_invited, withdraw
from notifications.models import PHONES, Event, Invitation, Message

LIFETIME = timedelta(days=14)
# Nobody needs it twice in so short a time; a double click is one click.
BETWEEN = timedelta(minutes=10)


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
    is returned and nothing is sent. Anybody invites doctors; an admin, for their own clinics,
    admins too, and those by e-mail alone. Raises ``ValueError`` without any address.
    """
    if not (e164 or email):
        raise ValueError("an invitation needs a phone number or an e-mail address")
    if role == Role.ADMIN and (e164 or not email):
        raise InvitationError(_("An admin is invited by e-mail."))
    email = email.strip().lower()
    with transaction.atomic():
        _may_invite(invited_by, clinic, role)
        if not e164:  # no constraint of the database minds these: one after the other
            Clinic.objects.select_for_update(no_key=True).get(pk=clinic.pk)
        found = _open_one(clinic, e164, email, role)
        if found is not None and is_open(found):
            return found
        if found is not None:
            _end(found)
        try:
            with transaction.atomic():
                made = _make(name, clinic, invited_by, e164, email, role)
        except IntegrityError:  # two people invited the same number at the same moment
            return _expect(_open_one(clinic, e164, email, role))
        tell_invited(made)
        record(f"{role.value}.invited", actor=invited_by, about=_about(made), clinic=clinic.pk)
    return made


def visible_to(user: User) -> QuerySet[Invitation]:
    """The invitations of an admin's clinic; all, to an admin of none."""
    rows = Invitation.objects.select_related("clinic", "invited_by", "accepted_by")
    if not user.is_admin:
        return rows.none()
    return rows.filter(clinic=user.clinic_id) if user.clinic_id is not None else rows


def _may_invite(by: User, clinic: Clinic, role: Role) -> None:
    if by.is_admin or role != Role.DOCTOR:
        _must_be_admin(by, clinic)


def _must_be_admin(by: User, clinic: Clinic) -> None:
    """Read anew: who was suspended a moment ago does nothing more."""
    now = User.objects.get(pk=by.pk)
    if not now.is_admin or now.clinic_id not in (None, clinic.pk):
        raise InvitationError(_("You are not an admin of this clinic."))


def _open_one(clinic: Clinic, e164: str, email: str, role: Role) -> Invitation | None:
    waiting = Invitation.objects.filter(clinic=clinic, accepted_at=None, revoked_at=None, role=role)
    same = waiting.filter(e164=e164) if e164 else waiting.filter(e164="", email=email)
    return same.first()


def _expect(found: Invitation | None) -> Invitation:
    if found is None:
        raise InvitationError(
            _("This invitation was changed at the same moment. Please try again.")
        )
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
    return found.select_related("clinic", "invited_by").first()


def is_open(invitation: Invitation) -> bool:
    """Whether it can still be accepted. An admin's, only while who sent it could still do so."""
    untouched = invitation.accepted_at is None and invitation.revoked_at is None
    if not untouched or timezone.now() >= invitation.expires_at:
        return False
    by, clinic = invitation.invited_by, invitation.clinic_id
    return invitation.role != Role.ADMIN or (by.is_admin and by.clinic_id in (None, clinic))


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether ``user`` may accept: somebody new, whose account is younger than the invitation.

    A patient's account never becomes a doctor's: its owner has photos and answers in it. Nobody
    verifies an admin, so theirs must be the very address that was invited.
    """
    fits = invitation.role != Role.ADMIN or user.email == invitation.email
    return fits and user.role == Role.PATIENT and user.date_joined >= invitation.created_at


def accept(invitation: Invitation, user: User) -> None:
    """``user`` joins the clinic: as a doctor, whom an admin has yet to verify, or as an admin.

    Raises ``InvitationError`` if it is no longer open, or not for this account.
    """
    with transaction.atomic():
        current = Invitation.objects.select_for_update().get(pk=invitation.pk)
        if not is_open(current):
            raise InvitationError(_("This invitation has ended or was used already."))
        if not is_for(current, user):
            raise InvitationError(_("This account cannot accept the invitation."))
        join = managing.make_admin if current.role == Role.ADMIN else managing.make_doctor
        join(user, current.clinic)
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


def send_again(invitation: Invitation, by: User) -> Message:
    """Send the same link once more, and let it live two weeks from now, also if it had expired.

    It is ``by`` who answers for an admin from then on. Raises ``InvitationError`` if it was
    accepted or taken back, or was sent a moment ago.
    """
    with transaction.atomic():
        _must_be_admin(by, invitation.clinic)
        current = Invitation.objects.select_for_update(no_key=True).get(pk=invitation.pk)
        if current.accepted_at is not None or current.revoked_at is not None:
            raise InvitationError(_("This invitation has ended or was used already."))
        # Staff may be sending one of them again: one after the other.
        list(current.messages.select_for_update().order_by("pk"))
        if current.messages.filter(created_at__gt=Now() - BETWEEN).exists():
            raise InvitationError(_("It was sent a moment ago. Wait ten minutes before another."))
        last = current.messages.aggregate(last=Max("resend"))["last"]
        current.expires_at = timezone.now() + LIFETIME
        if current.role == Role.ADMIN:
            current.invited_by = by
        current.save(update_fields=["expires_at", "invited_by"])
        withdraw(Event.INVITATION, _about(current))  # what has not left by now says no more
        message = tell_invited(current, resend=(last or 0) + 1)
        record("invitation.resent", actor=by, about=_about(current), as_=str(message.pk))
    return message


def revoke(invitation: Invitation, by: User) -> bool:
    """Take an invitation back; False if it was accepted or revoked before."""
    with transaction.atomic():
        _must_be_admin(by, invitation.clinic)
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

"""What admins change about people: who is a doctor, who may come in, who works where.

Each is one transaction and one line of the audit trail. Done twice it is done once, also by two
admins at once. Nobody changes what they themselves may do, so there is always an admin left who
can undo it. What may not be done raises :class:`PeopleError`.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import Clinic, Role, SuspensionReason, User
from accounts.rows import PeopleError, about, change, end_sessions, end_tokens, hold, lock


@transaction.atomic
def make_doctor(user: User, clinic: Clinic) -> None:
    """``user`` joins ``clinic`` as a doctor, who sees and signs nothing until they are verified."""
    if _joins(lock(user), Role.DOCTOR, clinic):
        change(user, role=Role.DOCTOR, clinic=clinic)
        end_tokens(user)
        record("doctor.joined", actor=user, about=about(user), clinic=clinic.pk)


@transaction.atomic
def make_admin(user: User, clinic: Clinic) -> None:
    """``user``, whom an admin has invited, joins ``clinic`` as an admin, and is one at once."""
    if _joins(lock(user), Role.ADMIN, clinic):
        change(user, role=Role.ADMIN, clinic=clinic, is_staff=True)
        end_tokens(user)
        record("admin.joined", actor=user, about=about(user), clinic=clinic.pk)


def _joins(person: User, role: Role, clinic: Clinic) -> bool:
    """Whether there is something to change; raises where they have another job, or no free one."""
    if person.role == role and person.clinic_id == clinic.pk:
        return False
    if person.cared_for.exists():
        raise PeopleError(
            _("You look after somebody with this account. Join with another e-mail address.")
        )
    if person.role != Role.PATIENT:
        words = {"name": person, "role": person.get_role_display().lower()}
        raise PeopleError(_("%(name)s already works here as %(role)s.") % words)
    return True


@transaction.atomic
def verify_doctor(user: User, by: User) -> None:
    """An admin vouches for a doctor. Doing it again changes nothing."""
    _admin, person = hold(by, user)
    _must_be_doctor(person)
    if person.verified_at is None:
        change(user, verified_at=timezone.now(), verified_by=by)
        record("doctor.verified", actor=by, about=about(user))


@transaction.atomic
def unverify_doctor(user: User, by: User) -> None:
    """Nobody vouches for them any more: they see no case, and what they signed stays signed."""
    _admin, person = hold(by, user)
    _must_be_doctor(person)
    if person.verified_at is not None:
        change(user, verified_at=None, verified_by=None)
        record("doctor.unverified", actor=by, about=about(user))


def _must_be_doctor(person: User) -> None:
    if person.role != Role.DOCTOR:
        raise PeopleError(_("%(name)s is not a doctor.") % {"name": person})


@transaction.atomic
def suspend(user: User, by: User, reason: SuspensionReason | str) -> None:
    """Nobody gets in as ``user`` any more: every session and every API token ends with this."""
    code = SuspensionReason(reason)
    admin, person = hold(by, user)
    if admin == person:
        raise PeopleError(_("You cannot suspend yourself."))
    if person.is_active:
        change(user, is_active=False)
        end_sessions(user)
        record("person.suspended", actor=by, about=about(user), reason=code.value)


@transaction.atomic
def restore(user: User, by: User) -> None:
    """A suspended person may log in again; sessions and tokens of before stay dead."""
    _admin, person = hold(by, user)
    if person.erased_at is not None:
        raise PeopleError(_("This account was erased. Nobody can log in with it again."))
    if not person.is_active:
        change(user, is_active=True)
        record("person.restored", actor=by, about=about(user))


@transaction.atomic
def end_sessions_of(user: User, by: User) -> None:
    """Log ``user`` out wherever they are logged in; they may log in again at once."""
    hold(by, user)
    end_sessions(user)
    record("person.logged_out", actor=by, about=about(user))


@transaction.atomic
def change_role(user: User, by: User, role: Role) -> None:
    """A doctor becomes an admin of their clinic, or an admin a doctor, whom nobody verified yet.

    Their sessions and tokens end: none that was made for the one job goes on in the other. A
    patient's account stays one; its owner has photos and answers in it.
    """
    admin, person = hold(by, user)
    if admin == person:
        raise PeopleError(_("You cannot change your own role. Another admin can."))
    if person.role == role:
        return
    if Role.PATIENT in (person.role, role):
        raise PeopleError(
            _("A patient’s account stays a patient’s. Invite them to a second one instead.")
        )
    if role == Role.DOCTOR and person.clinic_id is None:
        raise PeopleError(_("A doctor works for one clinic. Choose it for them first."))
    is_admin = role == Role.ADMIN
    fields = {"is_staff": is_admin, "is_superuser": False, "verified_at": None, "verified_by": None}
    change(user, role=role, **fields)
    end_sessions(user)
    record("person.role_changed", actor=by, about=about(user), role=role.value, was=person.role)


@transaction.atomic
def move(user: User, by: User, clinic: Clinic | None) -> None:
    """From now on they belong to ``clinic``; an admin to all of them, with None.

    Cases stay where they were sent. Whom a patient looks after goes along.
    """
    admin, person = hold(by, user)
    if admin.clinic_id is not None:
        raise PeopleError(_("Only an admin of all clinics moves people."))
    if admin == person:
        raise PeopleError(_("You cannot move yourself. Another admin can."))
    if person.carer_id is not None:
        raise PeopleError(_("They go where the person goes who looks after them."))
    if clinic is None and person.role != Role.ADMIN:
        raise PeopleError(_("Only admins may belong to all clinics."))
    if person.erased_at is None and person.clinic_id != (clinic.pk if clinic else None):
        along = User.objects.get_queryset().filter(carer=person).order_by("pk")
        for each in [user, *along]:
            _move(each, by, clinic, person.clinic_id)


def _move(user: User, by: User, clinic: Clinic | None, before: int | None) -> None:
    change(user, clinic=clinic, **({"is_superuser": False} if clinic else {}))
    where = clinic.pk if clinic else None
    record("person.moved", actor=by, about=about(user), clinic=where, was=before)

"""Every change to who someone is and what they agreed to: one transaction and one audit line each.

Whoever calls inside a transaction of their own joins it. What cannot be done raises
``PeopleError``, whose text is a sentence for the person who asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts import wording
from accounts.audit import record
from accounts.managing import make_doctor, restore, suspend, verify_doctor
from accounts.models import (
    ERASED_DOMAIN,
    ERASED_NAME,
    ApiToken,
    Clinic,
    Consent,
    ContactNumber,
    StoppedPhone,
    User,
)
from accounts.rows import PeopleError, about, change, end_sessions, lock

__all__ = [
    "PeopleError",
    "add_number",
    "ask_to_erase",
    "change_password",
    "confirm_number",
    "default_clinic",
    "erase",
    "give_consent",
    "has_consent",
    "keep_account",
    "keep_number",
    "log_out_everywhere",
    "make_doctor",
    "numbers_to_tell",
    "opt_in",
    "opt_out",
    "reachable_number",
    "remove_number",
    "restore",
    "stopped",
    "suspend",
    "verify_doctor",
    "who_agreed",
    "withdraw_consent",
]


def default_clinic() -> Clinic:
    """The first clinic; made, if this is a new house without one."""
    first = Clinic.objects.order_by("pk").first()
    return first or Clinic.objects.get_or_create(name="Our clinic")[0]


# --- Consents ------------------------------------------------------------------------------------
def has_consent(user: User, kind: Consent.Kind) -> bool:
    """Whether they agreed to the wording now in use and have not taken it back."""
    return user.pk in who_agreed([user.pk], kind)


def who_agreed(users: Iterable[int], kind: Consent.Kind) -> set[int]:
    """Those of ``users`` (primary keys) of whom :func:`has_consent` is true, in one query."""
    given = Consent.objects.in_force().filter(
        user__in=list(users), kind=kind, version=wording.version(kind)
    )
    return set(given.values_list("user", flat=True))


@transaction.atomic
def give_consent(user: User, kind: Consent.Kind) -> Consent:
    """Record that ``user`` agrees to today's wording. Agreeing twice is agreeing once.

    Agreeing to messages opts in the numbers they have given so far: those are what it is about.
    """
    lock(user)
    current = user.consents.in_force().filter(kind=kind).first()
    version = wording.version(kind)
    if current is not None and current.version == version:
        return current
    if current is not None:
        _end(current)
    read = get_language() or settings.LANGUAGE_CODE
    record(
        "consent.given", actor=user, about=about(user), kind=kind, version=version, language=read
    )
    if kind == Consent.Kind.MESSAGES:
        for number in user.numbers.all():
            add_number(user, number.e164, opt_in=True)
    return Consent.objects.create(
        user=user, kind=kind, version=version, language=read, given_by=user.carer
    )


@transaction.atomic
def withdraw_consent(user: User, kind: Consent.Kind) -> None:
    """Take a consent back; the row stays. Nothing to take back is no error."""
    lock(user)
    current = user.consents.in_force().filter(kind=kind).first()
    if current is not None:
        _end(current)
        record("consent.withdrawn", actor=user, about=about(user), kind=kind)


def _end(consent: Consent) -> None:
    consent.withdrawn_at = timezone.now()
    consent.save(update_fields=["withdrawn_at"])


# --- Numbers -------------------------------------------------------------------------------------
@transaction.atomic
def add_number(user: User, e164: str, *, opt_in: bool) -> ContactNumber:
    """Keep a number of ``user``'s, once. ``opt_in`` when they just agreed to messages on it.

    A phone that sent STOP stays stopped, on whoever's account its number is written: only START
    from that phone lifts it, not a tick on a page.
    """
    lock(user)
    number, created = ContactNumber.objects.get_or_create(user=user, e164=e164)
    if created:
        record("number.added", actor=user, about=about(user), number=number.pk)
    version = wording.version(Consent.Kind.MESSAGES)
    if opt_in and (number.opted_in_at is None or number.opt_in_version != version):
        number.opted_in_at = timezone.now()
        number.opt_in_version = version
        if stopped(e164):
            number.opted_out_at = number.opted_in_at
        number.save(update_fields=["opted_in_at", "opt_in_version", "opted_out_at"])
        record("number.opted_in", actor=user, about=about(user), number=number.pk)
    return number


@transaction.atomic
def keep_number(user: User, e164: str, *, messages: bool) -> ContactNumber:
    """A number somebody gave in a form, with what they ticked beside it."""
    if messages:
        give_consent(user, Consent.Kind.MESSAGES)
    return add_number(user, e164, opt_in=messages)


@transaction.atomic
def confirm_number(user: User, number: ContactNumber, proof: ContactNumber.Proof) -> None:
    """This number of ``user``'s is theirs: from now on it may be told news. Once is enough."""
    waiting = user.numbers.filter(pk=number.pk, verified_at=None)
    if waiting.update(verified_at=timezone.now(), proof=proof):
        record(
            "number.confirmed", actor=user, about=about(user), number=number.pk, proof=proof.value
        )


@transaction.atomic
def remove_number(user: User, number: ContactNumber) -> None:
    """Forget a number of ``user``'s."""
    record("number.removed", actor=user, about=about(user), number=number.pk)
    user.numbers.filter(pk=number.pk).delete()


@transaction.atomic
def opt_out(e164: str) -> int:
    """The phone said STOP: nothing is sent to it again. Returns how many people have the number.

    Remembered for numbers nobody has, too: an invited doctor may say it.
    """
    StoppedPhone.objects.get_or_create(e164=e164)
    numbers = ContactNumber.objects.select_for_update(no_key=True).filter(e164=e164)
    for number in numbers:
        record("number.opted_out", actor=None, about=f"user:{number.user_id}", number=number.pk)
    return numbers.update(opted_out_at=timezone.now())


@transaction.atomic
def opt_in(e164: str) -> int:
    """The phone said START. Returns how many people have the number."""
    StoppedPhone.objects.filter(e164=e164).delete()
    numbers = ContactNumber.objects.select_for_update(no_key=True).filter(e164=e164)
    for number in numbers:
        record("number.opted_in", actor=None, about=f"user:{number.user_id}", number=number.pk)
    return numbers.update(
        opted_in_at=timezone.now(), opt_in_version=wording.version(Consent.Kind.MESSAGES)
    )


def stopped(e164: str) -> bool:
    """Whether this phone said STOP, and not START since."""
    return StoppedPhone.objects.filter(e164=e164).exists()


def reachable_number(user: User) -> ContactNumber | None:
    """Where ``user`` wants messages: the number opted in last, confirmed or not yet.

    Consent is asked separately.
    """
    return ContactNumber.objects.reachable().filter(user=user).order_by("opted_in_at", "pk").last()


def numbers_to_tell(users: Iterable[int]) -> dict[int, ContactNumber]:
    """Where messages to ``users`` (primary keys) may go: of their confirmed numbers the one opted
    in last. Who has none is not in it. One query."""
    numbers = ContactNumber.objects.reachable().confirmed().filter(user__in=list(users))
    return {number.user_id: number for number in numbers.order_by("opted_in_at", "pk")}


# --- Passwords and sessions ----------------------------------------------------------------------
@transaction.atomic
def change_password(user: User, password: str) -> None:
    """A new password. Sessions made with the old one end by themselves, tokens are ended here."""
    user.set_password(password)
    user.save(update_fields=["password"])
    ApiToken.objects.filter(user=user).delete()
    record("person.password_changed", actor=user, about=about(user))


@transaction.atomic
def log_out_everywhere(user: User) -> None:
    """End every session and API token of ``user``, the one that asks included."""
    lock(user)
    end_sessions(user)
    record("person.logged_out_everywhere", actor=user, about=about(user))


# --- The end of an account -----------------------------------------------------------------------
@transaction.atomic
def ask_to_erase(user: User, *, after_answers: bool) -> None:
    """``user`` wants their account erased; until that is done, :func:`keep_account` undoes it.

    Every session and API token ends: only who knows the password can undo it.
    """
    person = lock(user)
    if not person.is_patient:
        raise PeopleError(_("Only patients erase their account themselves."))
    change(user, erase_asked_at=timezone.now(), erase_after_answers=after_answers)
    end_sessions(user)
    record("person.erasure_asked", actor=user, about=about(user), after_answers=after_answers)


@transaction.atomic
def keep_account(user: User) -> None:
    """Not to be erased after all. Asking twice is asking once."""
    if lock(user).erase_asked_at is not None:
        change(user, erase_asked_at=None, erase_after_answers=False)
        record("person.erasure_undone", actor=user, about=about(user))


@transaction.atomic
def erase(user: User) -> None:
    """Forget who ``user`` is: the row stays as a tombstone for what doctors signed.

    Name, addresses and numbers go, every consent ends, nobody gets in any more. The phones that
    said STOP stay on their list, and the audit trail, which names nobody, stays whole.
    """
    lock(user)
    for consent in user.consents.in_force():
        _end(consent)
    user.numbers.all().delete()
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    UserSession.objects.filter(user=user).delete()
    _forget_sessions(user)
    user.set_unusable_password()
    end_sessions(user)
    change(
        user,
        name=ERASED_NAME,
        email=f"{uuid.uuid4()}@{ERASED_DOMAIN}",
        password=user.password,
        is_active=False,
        last_login=None,
        carer=None,
        relation="",
        language="",
        erase_asked_at=None,
        erase_after_answers=False,
        erased_at=timezone.now(),
    )
    record("person.erased", actor=None, about=about(user))


def _forget_sessions(user: User) -> None:
    """Dead ones hold the address they were opened with, and only their content says whose."""
    theirs = [
        session.pk
        for session in Session.objects.iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()

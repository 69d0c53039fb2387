"""Whose number is it? A code of six digits is sent to it and typed back on the account page.

Nothing waits for it: a case is sent, looked at and answered all the same, and until the number is
confirmed its owner is told by e-mail.

A number that is to get messages is sent its first code by itself. The number's row is the reason
and the queue in one: whoever wrote it, a page or the API, need not know of codes, and a dead
broker costs seconds (:func:`send_awaited` runs with every sweep). Other numbers, and every further
code, are asked for by hand.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from accounts import people
from accounts.models import Consent, ContactNumber, ContactNumberQuerySet, User
from notifications import tokens
from notifications.ledger import tell_code
from notifications.models import NumberCode

LIFETIME = timedelta(minutes=10)
# Between two codes for one person, or for one phone, whoever asks.
WAIT = timedelta(minutes=1)
MOST_A_DAY = 5
# Who asked for messages longer ago than this asks for a code by hand.
AWAITED_FOR = timedelta(hours=1)


class Typed(Enum):
    """What became of a code that somebody typed."""

    RIGHT = "right"
    WRONG = "wrong"
    TOO_OFTEN = "too often"
    ENDED = "ended"


class TooSoon(Exception):
    """No code is sent now; ``str(error)`` says when one can be."""


def send(user: User, number: ContactNumber) -> NumberCode:
    """Send a code to a number of ``user``'s; the codes before it end. Raises :class:`TooSoon`."""
    with transaction.atomic():
        # One at a time, so that two clicks are one code.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if refusal := _refusal(user, number):
            raise TooSoon(refusal)
        number.codes.open().update(expires_at=Now())
        code = NumberCode.objects.create(
            user=user, number=number, e164=number.e164, expires_at=Now() + LIFETIME
        )
        tell_code(code)
    return code


def _refusal(user: User, number: ContactNumber) -> str:
    """Why no code is sent at this moment, "" if one is."""
    if people.stopped(number.e164):
        return _("This phone sent STOP, so nothing is sent to it. Send START from it first.")
    sent = NumberCode.objects.filter(Q(user=user) | Q(e164=number.e164))
    if sent.filter(created_at__gt=Now() - timedelta(days=1)).count() >= MOST_A_DAY:
        return _("That was a lot of codes for one day. Please try again tomorrow.")
    if sent.filter(created_at__gt=Now() - WAIT).exists():
        return _("A code is on its way. Please wait a minute before you ask for another one.")
    return ""


def send_awaited() -> int:
    """Send the first code to every number that waits for it; how many there were."""
    return sum(_send_first(number) for number in _awaited()[:100])


def _awaited() -> ContactNumberQuerySet:
    """Opted in just now by someone who agreed to messages, not confirmed, and sent no code yet."""
    agreed = Q(user__consents__kind=Consent.Kind.MESSAGES, user__consents__withdrawn_at=None)
    return (
        ContactNumber.objects.reachable()
        .filter(agreed, verified_at=None, codes=None, user__is_active=True)
        .filter(opted_in_at__gt=Now() - AWAITED_FOR)
        .order_by("opted_in_at", "pk")
        .select_related("user")
    )


def is_awaited(number: ContactNumber) -> bool:
    """Whether its first code is about to be sent."""
    return _awaited().filter(pk=number.pk).exists()


def _send_first(number: ContactNumber) -> bool:
    with transaction.atomic():
        # Two sweeps at once: the second waits here, and then finds the first one's code.
        User.objects.select_for_update(no_key=True).get(pk=number.user_id)
        if not ContactNumber.objects.filter(pk=number.pk, codes=None).exists():
            return False
        try:
            send(number.user, number)
        except TooSoon:
            return False
    return True


def waiting(user: User) -> ContactNumber | None:
    """The number of ``user``'s that was given last and is not confirmed yet."""
    return user.numbers.filter(verified_at=None).order_by("-pk").first()


def newest(number: ContactNumber) -> NumberCode | None:
    """The code sent last, if it can still be typed."""
    return number.codes.open().order_by("-expires_at").first()


def confirm(user: User, number: ContactNumber, typed: str) -> Typed:
    """Compare what was typed with the newest code. The try counts before it is compared."""
    with transaction.atomic():
        code = number.codes.select_for_update().order_by("-expires_at").first()
        if code is None or code.user_id != user.pk:
            return Typed.ENDED
        tried = NumberCode.objects.open().filter(pk=code.pk).update(tries=F("tries") + 1)
        if not tried:
            code.refresh_from_db()
            return Typed.TOO_OFTEN if code.is_used_up else Typed.ENDED
        if not constant_time_compare(tokens.digits(code.pk), typed):
            code.refresh_from_db()
            return Typed.TOO_OFTEN if code.is_used_up else Typed.WRONG
        NumberCode.objects.filter(pk=code.pk).update(used_at=Now())
        people.confirm_number(user, number, ContactNumber.Proof.CODE)
    return Typed.RIGHT

"""Stopping reminders and asking for them again, and the words beside the buttons.

What is due, and when, is the business of the room that knows cases. It asks :func:`wanted` when a
reminder's turn comes, so that whoever asks for them again has missed nothing that is still to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.audit import record
from accounts.models import User
from accounts.reminder_stop import Reminder, ReminderStop

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise  # which exists for the type checker only

MEANING: dict[Reminder, _StrPromise] = {
    Reminder.RECHECK: _(
        "When your doctor wants a new photo of a mark later, we remind you on the day."
    ),
    Reminder.SEE_DOCTOR: _(
        "When an answer says that a doctor should look at it in person, we ask you once or twice "
        "how it went."
    ),
    Reminder.SUN: _(
        "Once a year, when the sunny months begin, we remind you to look yourself over."
    ),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One kind of reminder, as the account page shows it."""

    kind: Reminder
    meaning: _StrPromise
    stopped: bool


def choices(user: User) -> list[Choice]:
    """All there are for ``user``, in one query; none for staff, whom nobody reminds."""
    if not user.is_patient:
        return []
    off = set(_in_force(user).values_list("kind", flat=True))
    return [Choice(kind, MEANING[kind], stopped=kind in off) for kind in Reminder]


def wanted(user: User, kind: str) -> bool:
    return not _in_force(user).filter(kind=kind).exists()


@transaction.atomic
def stop(user: User, kind: Reminder) -> None:
    """No more of these. Stopping twice is stopping once."""
    made = ReminderStop.objects.get_or_create(user=user, kind=kind, resumed_at=None)[1]
    if made:
        record("reminders.stopped", actor=user, about=f"user:{user.pk}", kind=kind.value)


@transaction.atomic
def resume(user: User, kind: Reminder) -> None:
    """These again, from now on."""
    if _in_force(user).filter(kind=kind).update(resumed_at=Now()):
        record("reminders.resumed", actor=user, about=f"user:{user.pk}", kind=kind.value)


def _in_force(user: User) -> models.QuerySet[ReminderStop]:
    return ReminderStop.objects.filter(user=user, resumed_at=None)

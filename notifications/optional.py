"""Who is to be told no more, and what may be stopped by one press in an e-mail: reminders, each
kind for itself, and nothing else.

News about one's own case cannot be stopped there. E-mail is the last way before a person of the
clinic has to call, and it says nothing but that there is news.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts import reminders
from accounts.models import User
from accounts.reminder_stop import Reminder
from notifications import invitations
from notifications.models import Event, Message

REMINDS: Final[dict[str, Reminder]] = {
    Event.REMIND_RECHECK: Reminder.RECHECK,
    Event.REMIND_SEE_DOCTOR: Reminder.SEE_DOCTOR,
    Event.REMIND_SUN: Reminder.SUN,
}
_SALT: Final = "notifications.stop-by-email"


def is_stopped(message: Message) -> bool:
    """Whether its person has stopped such reminders since it was written."""
    kind = REMINDS.get(message.event)
    person = message.recipient
    return kind is not None and person is not None and not reminders.wanted(person, kind)


def is_over(message: Message) -> bool:
    """Whether nobody is to be told any more: the invitation ended, its person was suspended or has
    stopped such reminders."""
    if message.invitation is not None:
        return not invitations.is_open(message.invitation)
    suspended = message.recipient is not None and not message.recipient.is_active
    return suspended or is_stopped(message)


def address_to_stop(message: Message) -> str:
    """The URL that stops what ``message`` is one of; "" for what cannot be stopped.

    It needs no login, works for as long as the account is there, and can do nothing else: whoever
    gets hold of the mail can stop a reminder.
    """
    kind = REMINDS.get(message.event)
    if kind is None or message.recipient is None:
        return ""
    token = signing.Signer(salt=_SALT).sign_object(
        [message.recipient.pk, kind.value], compress=False
    )
    return f"{settings.PUBLIC_URL}{reverse('email_stop', args=[token])}"


def read(token: str) -> tuple[User, Reminder] | None:
    """Whom a token is about, and which reminder; None for anything that we did not sign."""
    try:
        pk, kind = signing.Signer(salt=_SALT).unsign_object(token)
        return User.objects.get(pk=pk, is_active=True), Reminder(kind)
    except (signing.BadSignature, ValueError, TypeError, User.DoesNotExist):
        return None

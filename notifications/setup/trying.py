"""Trying it for real: an e-mail and a message to oneself."""

from __future__ import annotations

import smtplib
import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import User
from notifications import ledger
from notifications.ledger import Notice
from notifications.models import Channel, Event, Message
from notifications.setup import SECONDS
from notifications.setup.intime import done_in_time

MAIL_SECONDS: Final = 4
# Between two test messages: a double click is one message.
WAIT: Final = timedelta(minutes=1)
# Backends that keep or print what they are given; nobody gets it.
NOWHERE: Final = ("console", "dummy", "locmem", "filebased")


class NotTried(Exception):
    """No test message is sent; ``str(error)`` says why."""


# --- E-mail --------------------------------------------------------------------------------------
def mail_leaves() -> bool:
    """Whether e-mail goes to a mail server at all."""
    return not any(name in settings.EMAIL_BACKEND for name in NOWHERE)


def mail_to(address: str) -> dict[str, str]:
    """Send a test e-mail; ``{"outcome": …}`` is "ok", "address", "login", "unreachable", "refused"
    or "too slow"."""
    mail = EmailMessage(
        _("A test e-mail"),
        _("This is a test, from the page where messages are set up. E-mail works."),
        settings.DEFAULT_FROM_EMAIL,
        [address],
    )
    answers = done_in_time(_send, [mail], seconds=SECONDS)
    return answers.get(mail, {"outcome": "too slow"})


def _send(mail: EmailMessage) -> dict[str, str]:
    try:
        get_connection(timeout=MAIL_SECONDS).send_messages([mail])
    except TimeoutError:
        return {"outcome": "too slow"}
    except smtplib.SMTPAuthenticationError:
        return {"outcome": "login"}
    except (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused):
        return {"outcome": "address"}
    except smtplib.SMTPResponseException as error:
        return {"outcome": "refused", "code": str(error.smtp_code)}
    except (OSError, smtplib.SMTPException):
        return {"outcome": "unreachable"}
    return {"outcome": "ok"}


# --- A message -----------------------------------------------------------------------------------
def message_to(user: User) -> Message:
    """A message to ``user``'s own confirmed number, through the ledger like any other.

    Raises :class:`NotTried` where they have none that takes messages. The one of a minute ago is
    given again.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two clicks are one
        last = last_message(user)
        recent = Message.objects.filter(created_at__gt=Now() - WAIT)
        if last is not None and recent.filter(pk=last.pk).exists():
            return last
        if ledger.route_to(user).channel == Channel.EMAIL:
            raise NotTried(_("You have no confirmed number that takes messages. Add one first."))
        about = f"setup:{uuid.uuid4()}"
        page = reverse("message_setup")
        # Whoever presses the button wants their phone to ring, at night too.
        [message] = ledger.tell(Notice(Event.SETUP_TEST, user, about, page, urgent=True))
        record("messages.tested", actor=user, about=f"message:{message.pk}")
    return message


def last_message(user: User) -> Message | None:
    """The test message they sent last, with what became of it; not its e-mail."""
    tests = user.notices.filter(event=Event.SETUP_TEST).exclude(channel=Channel.EMAIL)
    return tests.exclude(channel=Channel.STAFF).order_by("-created_at").first()

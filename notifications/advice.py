"""Why a message did not get through and what somebody can do about it, in the reader's language."""

from __future__ import annotations

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications import errors
from notifications.models import Channel, Event, Message

State = Message.State
Words = str | Promise

CALL = _("Ask the person for another way to reach them, or tell them yourself.")
OPERATOR = _("Whoever looks after this server has to mend that. Then send it again.")
BY_ITSELF = errors.NOTHING
# Sentences of the ledger that have no code, so that the catalogue knows them.
SENTENCES: tuple[Words, ...] = (
    _("The worker stopped while sending it."),
    _("Twilio never got it."),
    _("The mail server cannot be reached."),
    _("The connection to the mail server broke before its answer."),
    _("Nobody is to be told any more."),
    _("The account was erased."),
    _("It arrived the first way after all."),
)


def reason(message: Message) -> str:
    """Why it is where it is; "" where nothing went wrong."""
    if message.error_code in errors.WAITS:
        return _of_a_wait(message)
    if message.error_code:
        return str(_known(message).reason)
    return gettext(message.error) if message.error else ""


def what_to_do(message: Message) -> str:
    """What somebody of the clinic can do now; "" where nothing is to be done."""
    if message.channel == Channel.STAFF:
        return _of_a_task(message)
    if message.state == State.FAILED:
        ours = bool(message.error_code) and _known(message).is_ours
        return str(OPERATOR if ours else CALL)
    if message.state == State.UNKNOWN and message.run_after is None:
        return gettext("Ask the person whether they have it. Sent again, they may get it twice.")
    if message.state == State.UNKNOWN:
        return gettext("Nothing yet: the portal is asking what became of it.")
    if message.state != State.PENDING or not message.error:
        return ""
    return str(_known(message).to_do) if message.error_code in errors.WAITS else str(BY_ITSELF)


def _of_a_wait(message: Message) -> str:
    """Only while it waits; of what has been taken back since it says nothing."""
    if message.state != State.PENDING:
        return ""
    if message.error_code == errors.NIGHT and message.run_after is not None:
        at = date_format(timezone.localtime(message.run_after), "H:i")
        return gettext("It is night there: it leaves at %(time)s.") % {"time": at}
    return str(_known(message).reason)


def _known(message: Message) -> errors.Known:
    return errors.known(message.error_code, mail=message.channel == Channel.EMAIL)


def _of_a_task(message: Message) -> str:
    if message.state != State.PENDING:
        return ""
    if message.event == Event.URGENT_CALL:
        return gettext(
            "Call the patient: they have not opened a doctor’s urgent answer. "
            "Ask them to log in and read it today."
        )
    return gettext("Call them or write to them: none of our messages arrived.")

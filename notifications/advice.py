"""Why a message did not get through and what somebody can do about it, in the reader's language."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications.models import Channel, Event, Message

State = Message.State
Words = str | Promise

CALL = _("Ask the person for another way to reach them, or tell them yourself.")
OPERATOR = _("Whoever looks after this server has to mend that. Then send it again.")
BY_ITSELF = _("Nothing: it is tried again by itself.")
# Twilio's codes, and our own where a message never came so far: why, and what to do.
CODES: dict[str, tuple[Words, Words]] = {
    "20003": (_("Twilio does not accept the credentials of this portal."), OPERATOR),
    "20429": (_("Twilio asks us to slow down."), BY_ITSELF),
    "21211": (_("This is not a phone number."), CALL),
    "21608": (
        _("A trial account may only write to numbers that are confirmed with Twilio."),
        OPERATOR,
    ),
    "21610": (_("The person has asked Twilio to get no messages from us."), CALL),
    "21614": (_("This number cannot get messages."), CALL),
    "21635": (_("This number is a landline."), CALL),
    "63003": (_("This number is not on WhatsApp."), CALL),
    "63007": (_("The portal’s sender is no WhatsApp sender of its Twilio account."), OPERATOR),
    "63012": (_("WhatsApp had a fault of its own."), BY_ITSELF),
    "63013": (_("WhatsApp’s rules refuse this message."), OPERATOR),
    "63014": (_("The person has blocked us on WhatsApp."), CALL),
    "63015": (_("The person has not joined the WhatsApp sandbox."), CALL),
    "63016": (
        _("WhatsApp takes only approved templates from us, and this message has none."),
        OPERATOR,
    ),
    "63018": (_("WhatsApp asks us to slow down."), BY_ITSELF),
    "63024": (_("WhatsApp does not know this number."), CALL),
    "63038": (_("The day’s limit of messages is reached."), BY_ITSELF),
    "63040": (_("WhatsApp has rejected the template of this message."), OPERATOR),
    "63041": (_("WhatsApp has paused the template of this message."), OPERATOR),
    "63042": (_("WhatsApp has switched off the template of this message."), OPERATOR),
    "not-configured": (_("This portal is not set up to send such messages."), OPERATOR),
    "opted-out": (_("The person does not want messages on this number."), CALL),
}
# Sentences of the ledger that have no code, so that the catalogue knows them.
SENTENCES: tuple[Words, ...] = (
    _("The worker stopped while sending it."),
    _("Twilio never got it."),
    _("Twilio had a fault of its own."),
    _("The mail server cannot be reached."),
    _("The mail server asks us to wait."),
    _("The mail server refuses this message."),
    _("The connection to the mail server broke before its answer."),
    _("Nobody is to be told any more."),
    _("The account was erased."),
)


def reason(message: Message) -> str:
    """Why it is where it is; "" where nothing went wrong."""
    known = CODES.get(message.error_code)
    if known is not None:
        return str(known[0])
    return gettext(message.error) if message.error else ""


def what_to_do(message: Message) -> str:
    """What somebody of the clinic can do now; "" where nothing is to be done."""
    if message.channel == Channel.STAFF:
        return _of_a_task(message)
    known = CODES.get(message.error_code)
    if message.state == State.FAILED:
        return str(known[1] if known else CALL)
    if message.state == State.UNKNOWN and message.run_after is None:
        return gettext("Ask the person whether they have it. Sent again, they may get it twice.")
    if message.state == State.UNKNOWN:
        return gettext("Nothing yet: the portal is asking what became of it.")
    return str(BY_ITSELF) if message.state == State.PENDING and message.error else ""


def _of_a_task(message: Message) -> str:
    if message.state != State.PENDING:
        return ""
    if message.event == Event.URGENT_CALL:
        return gettext(
            "Call the patient: they have not opened a doctor’s urgent answer. "
            "Ask them to log in and read it today."
        )
    return gettext("Call them or write to them: none of our messages arrived.")

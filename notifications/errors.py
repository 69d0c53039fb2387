"""Why a message did not get through, and what that means: try again, give up, or find out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise  # which exists for the type checker only


class Kind(Enum):
    RETRY = "certainly not sent; a later try may work"
    FINAL = "certainly not sent, and another try would not change it"
    UNKNOWN = "it may have been sent; only a look-up or a callback can tell"


class DeliveryError(Exception):
    """A try that did not end in an acceptance. ``reason`` is a sentence for staff, without data."""

    def __init__(self, kind: Kind, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.code = code


@dataclass(frozen=True)
class Known:
    """What a code means, and what to do about it, each a sentence for staff."""

    kind: Kind
    reason: str | _StrPromise
    to_do: str | _StrPromise

    @property
    def is_ours(self) -> bool:
        """Whether the portal or its account is to be mended, and nobody's phone."""
        return self.kind is Kind.FINAL and self.to_do not in (NOTHING, _THEIRS, _NUMBER)


NOTHING = _("Nothing: it is tried again by itself.")
_THEIRS = _("Nothing: news goes to this person another way.")
_NUMBER = _("Ask the person for their right number; until then news goes another way.")
_TEMPLATE = _(
    "Look the template up in Twilio’s Content Template Builder, mend what WhatsApp minds and have "
    "it approved again; then press “Ask Twilio about the templates” above."
)

_SENDER = _("Copy the sender for text messages anew from Twilio’s console, under Messaging.")

# Twilio's error codes: https://www.twilio.com/docs/api/errors. A 429 was never processed.
CODES: dict[int, Known] = {
    20429: Known(Kind.RETRY, _("Twilio asks us to slow down."), NOTHING),
    21611: Known(
        Kind.RETRY, _("Too many messages wait at Twilio to be sent from this number."), NOTHING
    ),
    30001: Known(Kind.RETRY, _("Too many messages wait at Twilio."), NOTHING),
    63012: Known(Kind.RETRY, _("WhatsApp had a fault of its own."), NOTHING),
    63018: Known(Kind.RETRY, _("WhatsApp asks us to slow down."), NOTHING),
    63038: Known(
        Kind.RETRY,
        _("The account's daily limit of messages is reached."),
        _("If it happens again, ask Twilio for a higher limit. What waits leaves tomorrow."),
    ),
    20003: Known(
        Kind.FINAL,
        _("Twilio does not accept our credentials: check TWILIO_ACCOUNT_SID and the token."),
        _("Copy both anew from Twilio’s console and start the portal again."),
    ),
    20404: Known(
        Kind.FINAL,
        _("Twilio does not know what we asked for."),
        _("Check TWILIO_ACCOUNT_SID, and the templates in TWILIO_CONTENT_SIDS."),
    ),
    21211: Known(Kind.FINAL, _("This is not a phone number."), _NUMBER),
    21408: Known(
        Kind.FINAL,
        _("The account may not send text messages to this country."),
        _("Switch the country on in Twilio’s console, under Messaging, Geo permissions."),
    ),
    21606: Known(
        Kind.FINAL,
        _("TWILIO_SMS_FROM is not a number of this account that can send SMS."),
        _SENDER,
    ),
    21608: Known(
        Kind.FINAL,
        _("A trial account may only write to numbers verified with Twilio."),
        _("Pay for the account, or verify the number in Twilio’s console."),
    ),
    21609: Known(
        Kind.FINAL,
        _("Twilio does not take the address it is to report to."),
        _("Set PUBLIC_URL to the https address the world sees, then try the webhook above."),
    ),
    21610: Known(
        Kind.FINAL, _("The person has asked Twilio not to get messages from us."), _THEIRS
    ),
    21612: Known(
        Kind.FINAL,
        _("Our number cannot send to this one."),
        _("Check TWILIO_SMS_FROM and TWILIO_WHATSAPP_FROM against the senders of the account."),
    ),
    21614: Known(Kind.FINAL, _("This number cannot get messages."), _NUMBER),
    21635: Known(Kind.FINAL, _("This is a landline."), _NUMBER),
    21655: Known(Kind.FINAL, _("There is no such template: check TWILIO_CONTENT_SIDS."), _TEMPLATE),
    21656: Known(
        Kind.FINAL,
        _("The template's variables do not fit it."),
        _("The template must have the variable 1, and 2 if it carries an answer, and no other."),
    ),
    21701: Known(
        Kind.FINAL, _("TWILIO_SMS_FROM is not a messaging service of this account."), _SENDER
    ),
    21703: Known(Kind.FINAL, _("The messaging service has no number that can send this."), _SENDER),
    30003: Known(Kind.FINAL, _("The phone is off or out of reach."), _THEIRS),
    30004: Known(Kind.FINAL, _("The phone or its company blocks our messages."), _THEIRS),
    30005: Known(Kind.FINAL, _("This number does not exist any more."), _NUMBER),
    30006: Known(Kind.FINAL, _("This number cannot get text messages."), _NUMBER),
    30007: Known(
        Kind.FINAL,
        _("The phone company took the message for spam."),
        _("Register the sender with Twilio for your country; ask Twilio’s support why."),
    ),
    30008: Known(Kind.FINAL, _("The phone company does not say why it failed."), _THEIRS),
    30034: Known(
        Kind.FINAL,
        _("The sender is not registered for text messages to the United States."),
        _("Register it in Twilio’s console, under Trust Hub, A2P 10DLC."),
    ),
    63003: Known(Kind.FINAL, _("This number is not on WhatsApp."), _NUMBER),
    63007: Known(
        Kind.FINAL,
        _("TWILIO_WHATSAPP_FROM is not a WhatsApp sender of this account."),
        _("Copy the number from Twilio’s console, under Messaging, Senders, WhatsApp senders."),
    ),
    63013: Known(
        Kind.FINAL,
        _("WhatsApp's rules refuse this message: check the template's variables."),
        _TEMPLATE,
    ),
    63014: Known(Kind.FINAL, _("The person has blocked us on WhatsApp."), _THEIRS),
    63015: Known(
        Kind.FINAL,
        _("The person has not joined the WhatsApp sandbox."),
        _("Have them send the sandbox’s join word once, or register a sender of your own."),
    ),
    63016: Known(
        Kind.FINAL,
        _("Outside 24 hours WhatsApp takes only approved templates: set TWILIO_CONTENT_SIDS."),
        _("Make a template for this event and language, have it approved, and set its ContentSid."),
    ),
    63024: Known(Kind.FINAL, _("WhatsApp does not know this number."), _NUMBER),
    63040: Known(Kind.FINAL, _("The template was rejected by WhatsApp."), _TEMPLATE),
    63041: Known(Kind.FINAL, _("The template is paused by WhatsApp."), _TEMPLATE),
    63042: Known(Kind.FINAL, _("The template is switched off by WhatsApp."), _TEMPLATE),
}

# The limit is lifted when the day is over, not in a moment.
DAILY_LIMIT = "63038"
# What their owner said to us or to Twilio: no message, on whatever channel, until they say START.
STOPPED = frozenset({"21610", "opted-out"})
# It would fail by SMS as well, or is not to be tried: the account's own fault, a number that is
# nobody's or a landline, an owner who stopped messages, or blocked us on WhatsApp.
NOT_BY_SMS = STOPPED | {DAILY_LIMIT, "20003", "21211", "21614", "21635", "63014"}
# The number has no WhatsApp.
NOT_ON_WHATSAPP = ("63003", "63024")

# In place of a code, why a message has not left yet: nothing went wrong.
NIGHT, TURN = "quiet-hours", "pace"
WAITS = frozenset({NIGHT, TURN})
_BY_ITSELF = _("Nothing: it leaves by itself.")

# Our own words for what no provider said.
OURS: dict[str, Known] = {
    NIGHT: Known(Kind.RETRY, _("It is night there: it leaves in the morning."), _BY_ITSELF),
    TURN: Known(
        Kind.RETRY, _("It waits its turn: its sender sends as fast as it may."), _BY_ITSELF
    ),
    "not-configured": Known(
        Kind.FINAL,
        _("This way of sending is not set up."),
        _("Set the credentials and the sender: the list above says which are missing."),
    ),
    "opted-out": Known(Kind.FINAL, _("The person does not want messages here."), _THEIRS),
}
_TWILIOS_FAULT = Known(Kind.UNKNOWN, _("Twilio had a fault of its own."), NOTHING)
_MAIL_LATER = Known(Kind.RETRY, _("The mail server asks us to wait."), NOTHING)
_MAIL_NEVER = Known(
    Kind.FINAL,
    _("The mail server refuses this message."),
    _("Send yourself a test e-mail above. If it arrives, the person’s address is wrong."),
)
_UNLISTED = Known(
    Kind.FINAL,
    _("Twilio refused it: look its code up in Twilio's list."),
    _("Look it up at twilio.com/docs/api/errors."),
)


def known(code: str, *, mail: bool = False) -> Known:
    """What a code kept in the ledger means; of any code something."""
    if code in OURS:
        return OURS[code]
    number = int(code) if code.isascii() and code.isdigit() else 0
    if mail:
        return _MAIL_NEVER if number >= 500 else _MAIL_LATER
    if number in CODES:
        return CODES[number]
    if number in (401, 403):
        return CODES[20003]
    if number == 429:
        return CODES[20429]
    return _TWILIOS_FAULT if 500 <= number < 600 else _UNLISTED


def from_code(code: int | None, status: int = 400) -> DeliveryError:
    """Judge a refusal by Twilio's code, and by the HTTP status where the code says nothing.

    Twilio's own words are not kept: they repeat the phone number.
    """
    meant = CODES.get(code or 0) or (_UNLISTED if status == 400 else known(str(status)))
    return DeliveryError(meant.kind, as_written(meant), str(code or status))


def as_written(meant: Known) -> str:
    """The reason in the language of the ledger, whoever's turn it is to write."""
    with override(settings.LANGUAGE_CODE):
        return str(meant.reason)

"""Why a message did not get through, and what that means: try again, give up, or find out."""

from __future__ import annotations

from enum import Enum


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


# Twilio's error codes: https://www.twilio.com/docs/api/errors. A 429 was never processed.
RETRIED = {
    20429: "Twilio asks us to slow down.",
    21611: "Too many messages wait at Twilio to be sent from this number.",
    30001: "Too many messages wait at Twilio.",
    63012: "WhatsApp had a fault of its own.",
    63018: "WhatsApp asks us to slow down.",
    63038: "The account's daily limit of messages is reached.",
}
FINAL = {
    20003: "Twilio does not accept our credentials: check TWILIO_ACCOUNT_SID and the token.",
    21211: "This is not a phone number.",
    21408: "The account may not send SMS to this country: see Twilio's messaging permissions.",
    21606: "TWILIO_SMS_FROM is not a number of this account that can send SMS.",
    21608: "A trial account may only write to numbers verified with Twilio.",
    21610: "The person has asked Twilio not to get messages from us.",
    21614: "This number cannot get messages.",
    21635: "This is a landline.",
    21655: "There is no such template: check TWILIO_CONTENT_SIDS.",
    21656: "The template's variables are not as Twilio wants them.",
    21701: "TWILIO_SMS_FROM is not a messaging service of this account.",
    21703: "The messaging service has no number that can send this.",
    30003: "The phone is off or out of reach.",
    30004: "The phone's owner or network blocks messages from us.",
    30005: "The phone's network does not know this number.",
    30006: "This is a landline, or its network cannot be reached.",
    30007: "The phone's network took the message for spam.",
    30008: "The phone's network did not deliver it and does not say why.",
    30034: "The sender is not registered for SMS to the United States (A2P 10DLC).",
    63003: "This number is not on WhatsApp.",
    63007: "TWILIO_WHATSAPP_FROM is not a WhatsApp sender of this account.",
    63013: "WhatsApp's rules refuse this message: check the template's variables.",
    63014: "The person has blocked us on WhatsApp.",
    63015: "The person has not joined the WhatsApp sandbox.",
    63016: "Outside 24 hours WhatsApp takes only approved templates: set TWILIO_CONTENT_SIDS.",
    63024: "WhatsApp does not know this number.",
    63040: "The template was rejected by WhatsApp.",
    63041: "The template is paused by WhatsApp.",
    63042: "The template is switched off by WhatsApp.",
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


def from_code(code: int | None, status: int = 400) -> DeliveryError:
    """Judge a refusal by Twilio's code, and by the HTTP status where the code says nothing.

    Twilio's own words are not kept: they repeat the phone number.
    """
    name = str(code or status)
    if code in RETRIED:
        return DeliveryError(Kind.RETRY, RETRIED[code], name)
    if code in FINAL:
        return DeliveryError(Kind.FINAL, FINAL[code], name)
    if status == 429:
        return DeliveryError(Kind.RETRY, RETRIED[20429], name)
    if status >= 500:
        return DeliveryError(Kind.UNKNOWN, "Twilio had a fault of its own.", name)
    if status in (401, 403):
        return DeliveryError(Kind.FINAL, FINAL[20003], name)
    return DeliveryError(Kind.FINAL, "Twilio refused it: look its code up in Twilio's list.", name)

"""The ways a message can travel: small classes with one method, ``send``."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from email.utils import make_msgid
from typing import Final, Protocol

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from notifications import twilio_api
from notifications.errors import DAILY_LIMIT, DeliveryError, Kind
from notifications.models import Channel, Message
from notifications.texts import Words
from notifications.waits import FIRST_RETRY, FOR_TOMORROW, LAST_RETRY, MAIL_SECONDS


class Sender(Protocol):
    """What every channel is. ``attempts`` is how often a try that certainly failed is repeated."""

    attempts: int
    # Whether the provider can be asked later what became of a message.
    looks_up: bool

    def send(self, message: Message, words: Words) -> str:
        """Hand the message over; return the provider's id. Raises ``DeliveryError``."""
        ...


class WhatsAppChannel:
    attempts = 8  # with the waits between them, about twenty minutes; then SMS
    looks_up = True

    def send(self, message: Message, words: Words) -> str:
        if not twilio_api.configured():
            reason = "WhatsApp is not configured: TWILIO_ACCOUNT_SID, _AUTH_TOKEN, _WHATSAPP_FROM."
            raise DeliveryError(Kind.FINAL, reason, "not-configured")
        return twilio_api.by_whatsapp(message, words.text, words.variable, words.whole)


class SmsChannel:
    attempts = 8
    looks_up = True

    def send(self, message: Message, words: Words) -> str:
        if not twilio_api.configured(Channel.SMS):
            reason = "SMS is not configured: TWILIO_ACCOUNT_SID, _AUTH_TOKEN, _SMS_FROM."
            raise DeliveryError(Kind.FINAL, reason, "not-configured")
        return twilio_api.by_sms(message, words.sms)


class EmailChannel:
    attempts = 30  # with the waits between them, about six hours; then a staff task
    looks_up = False

    def send(self, message: Message, words: Words) -> str:
        """Send through Django's own backend. Only what follows the connection can be in doubt."""
        # The same id for every try, so that a mail program can drop a second copy.
        message_id = f"<{message.pk}@{make_msgid().rpartition('@')[2]}"
        mail = EmailMessage(
            words.subject,
            words.email,
            settings.DEFAULT_FROM_EMAIL,
            [message.address],
            headers={"Message-ID": message_id} | _may_be_stopped(words),
        )
        connection = get_connection(timeout=MAIL_SECONDS)
        try:
            connection.open()
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(Kind.RETRY, "The mail server cannot be reached.") from error
        try:
            connection.send_messages([mail])
        except (OSError, smtplib.SMTPException) as error:
            raise _judged(error) from error
        finally:
            connection.close()
        return message_id


def _may_be_stopped(words: Words) -> dict[str, str]:
    """For mail programs, which stop it with one press (RFC 8058): only what is optional."""
    if not words.stop:
        return {}
    return {
        "List-Unsubscribe": f"<{words.stop}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _judged(error: OSError | smtplib.SMTPException) -> DeliveryError:
    """SMTP's 4xx means later, 5xx never; anything else broke off with the mail perhaps sent."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    elif isinstance(error, smtplib.SMTPResponseException):
        codes = [error.smtp_code]
    else:
        reason = "The connection to the mail server broke before its answer."
        return DeliveryError(Kind.UNKNOWN, reason)
    if all(code < 500 for code in codes):
        return DeliveryError(Kind.RETRY, "The mail server asks us to wait.", str(codes[0]))
    return DeliveryError(Kind.FINAL, "The mail server refuses this message.", str(codes[0]))


SENDERS: Final[dict[str, Sender]] = {
    Channel.WHATSAPP: WhatsAppChannel(),
    Channel.SMS: SmsChannel(),
    Channel.EMAIL: EmailChannel(),
}
# A limit of the whole day: after so many tries news comes another way all the same.
TRIES_OF_A_DAY: Final = 3


def wait_before(message: Message, error: DeliveryError) -> timedelta | None:
    """How long to wait after a try that may be repeated: 10 s, 20 s, … 15 minutes. None: the
    channel has been tried often enough."""
    tried = message.attempts
    if error.code == DAILY_LIMIT:
        often_enough = message.urgent or tried >= TRIES_OF_A_DAY
        return None if often_enough else FOR_TOMORROW
    if tried >= SENDERS[message.channel].attempts:
        return None
    return min(FIRST_RETRY * 2.0 ** (min(tried, 10) - 1), LAST_RETRY)

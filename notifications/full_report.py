"""The doctor's answer itself on WhatsApp: off unless the clinic and whoever reads it both want it.

The words come with the notice, wait in the message's row, and are blanked once it has left. They
travel by WhatsApp only: an e-mail, a text message and a message sent once more carry the link and
nothing else.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from accounts import people
from accounts.models import Consent, User
from notifications import twilio_api
from notifications.models import Channel, Inbound, Message

# WhatsApp takes a text of ours for so long after the person last wrote.
WINDOW = timedelta(hours=24)


def wanted(reader: User) -> bool:
    """Whether answers of ``reader``'s clinic may be sent to them whole, as things stand now."""
    allowed = reader.clinic is not None and reader.clinic.full_report
    return allowed and people.has_consent(reader, Consent.Kind.FULL_REPORT)


def words_of(message: Message) -> str:
    """The words that ``message`` may carry at this moment; "" where it is to be the usual one.

    By an approved template of their own, or as text while WhatsApp takes one. Asked when it leaves:
    a consent taken back while it waited counts.
    """
    if not message.words or message.channel != Channel.WHATSAPP or message.recipient is None:
        return ""
    if not wanted(message.recipient):
        return ""
    template = twilio_api.content_sid(message, whole=True)
    return message.words if template or _wrote_lately(message.address) else ""


def blank(recipient: User) -> int:
    """Forget every word that still waits for ``recipient``; the messages leave without them."""
    return Message.objects.filter(~Q(words=""), recipient=recipient).update(words="")


def _wrote_lately(e164: str) -> bool:
    return Inbound.objects.filter(e164=e164, received_at__gt=Now() - WINDOW).exists()

"""The words people agree to, each with the version that is kept with their consent.

Whoever changes a text gives it a new version: consent to the old wording is then no longer enough,
and the person is asked again. A translation is the same wording: with a consent stands the version,
and the language it was read in.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from accounts.models import Consent

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise  # which exists for the type checker only


@dataclass(frozen=True)
class Wording:
    """One thing to agree to: ``text`` is what stands beside the box, ``meaning`` what follows."""

    version: str
    title: str | _StrPromise
    text: str | _StrPromise
    meaning: str | _StrPromise
    without: str | _StrPromise


WORDING: Final = MappingProxyType(
    {
        Consent.Kind.CARE: Wording(
            version="2026-11",
            title=_("Care"),
            text=_("A doctor of the clinic may look at my photos and answers and reply to me."),
            meaning=_("We keep your photos and answers in your clinic's records."),
            without=_(
                "Without it you cannot send new photos. What was already sent stays on record."
            ),
        ),
        Consent.Kind.COMPUTER_CHECK: Wording(
            version="2026-11",
            title=_("Computer check"),
            text=_("A computer may check my photos before a doctor looks at them."),
            meaning=_("It helps the doctors to see urgent cases first. A doctor always looks too."),
            without=_("Without it a doctor looks at your photos and no computer does."),
        ),
        Consent.Kind.MESSAGES: Wording(
            version="2026-12",
            title=_("Messages"),
            text=_(
                "You may send me messages by WhatsApp or SMS when there is news about my cases."
            ),
            meaning=_("A message only says that there is news. It never says what we found."),
            without=_("Without it we send the news to your e-mail address instead."),
        ),
        Consent.Kind.RESEARCH: Wording(
            version="2026-11",
            title=_("Learning"),
            text=_("My photos may help to train and test the computer."),
            meaning=_(
                "Your name and your numbers never go with them. It changes nothing about your care."
            ),
            without=_("Without it your photos are used for your own care only."),
        ),
        Consent.Kind.FULL_REPORT: Wording(
            version="2026-11",
            title=_("The answer itself on WhatsApp"),
            text=_(
                "You may send me the doctor’s answer itself by WhatsApp, not only a link to it."
            ),
            meaning=_(
                "The message has initials in place of a name, and the doctor’s words: they may say "
                "what was found. It passes through WhatsApp and Twilio and stays on your phone, "
                "where others may read it. It also goes for the people you look after."
            ),
            without=_("Without it the message has a link only, and you read the answer here."),
        ),
    }
)

# Agreed to before text messages were in the words: good for WhatsApp, and for nothing else.
WHATSAPP_ALONE: Final = frozenset({"2026-11"})

# What is asked on the way to sending a case. Learning is not: nobody shall think it is needed.
ASKED_ON_SENDING: Final = (
    Consent.Kind.CARE,
    Consent.Kind.COMPUTER_CHECK,
    Consent.Kind.MESSAGES,
)


def as_read(kind: Consent.Kind, language: str) -> str:
    """Today's words beside the box, in one language."""
    with override(language):
        return str(WORDING[kind].text)


def version(kind: Consent.Kind) -> str:
    """The version now in use."""
    return WORDING[kind].version

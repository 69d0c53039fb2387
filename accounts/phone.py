"""Phone numbers, as people write them and as we keep them: E.164."""

from __future__ import annotations

import re

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# Ofcom keeps these free for drama, so examples and demonstrations ring nobody's phone. The
# numbering plan, rightly, does not know them as anyone's.
_FICTION = re.compile(r"\+447700900\d{3}")

# What a number of ours looks like.
E164 = r"\+[1-9][0-9]{6,14}"

_TYPED = re.compile(r"[\d\s()+.-]{6,25}")

UNREADABLE = _("This does not look like a phone number. Write it like +44 7700 900123.")
NOBODYS = _("No phone can have this number. Check it, and start with + and the country code.")
EXTENSION = _("We cannot send messages to an extension. Give a number without one.")


def to_e164(raw: str, region: str | None = None) -> str:
    """``+447700900123`` for whatever someone typed; ``region`` for numbers without a country code.

    ``region`` is an ISO 3166 code, by default ``settings.PHONE_REGION``. Raises a
    ``ValidationError`` whose message is one sentence a person can act on.
    """
    try:
        number = phonenumbers.parse(raw, region or settings.PHONE_REGION)
    except phonenumbers.NumberParseException as error:
        raise ValidationError(UNREADABLE, code="unreadable") from error
    if number.extension:
        raise ValidationError(EXTENSION, code="extension")
    e164 = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    if not phonenumbers.is_valid_number(number) and not _FICTION.fullmatch(e164):
        raise ValidationError(NOBODYS, code="nobodys")
    return e164


def looked_for(raw: str) -> str:
    """The number somebody searches, as we keep it; "" where it is not a whole one.

    Numbers rest sealed, so they are found whole or not at all.
    """
    if not _TYPED.fullmatch(raw):
        return ""
    try:
        return to_e164(raw)
    except ValidationError:
        return ""


def masked(e164: str) -> str:
    """Enough to recognise one's own number, too little to ring it; for pages and logs."""
    return f"{e164[:3]}…{e164[-2:]}"


def spoken(e164: str) -> str:
    """A number written with spaces, for its owner."""
    number = phonenumbers.parse(e164)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))

"""How fast a sender may send: a token bucket per sender, in the database, for all workers together.

One statement takes a token, by the database's clock: two workers that ask at once wait for each
other on the row, and the second sees what the first left. It needs nothing but the database, which
a message needs anyway.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from notifications.models import Channel

# Of a rate, so much may be saved up: a tenth of a second's worth, and one message at least.
SAVED = 0.1

_TAKE = """
INSERT INTO notifications_pace AS pace (sender, tokens, at)
VALUES (%(sender)s, %(most)s - 1, clock_timestamp())
ON CONFLICT (sender) DO UPDATE SET
    tokens = least(%(most)s, pace.tokens + %(rate)s * greatest(
        0, extract(epoch FROM clock_timestamp() - pace.at)::float8)) - 1,
    at = clock_timestamp()
WHERE least(%(most)s, pace.tokens + %(rate)s * greatest(
        0, extract(epoch FROM clock_timestamp() - pace.at)::float8)) >= 1
RETURNING tokens
"""


def wait_for(channel: str) -> float:
    """Take a token of the channel's sender; 0.0, or in how many seconds to ask again."""
    sender, rate = _sender(channel)
    return 0.0 if rate <= 0 or take(sender, rate) else 1 / rate


def take(sender: str, rate: float) -> bool:
    """Whether ``sender`` may send one more message now, at ``rate`` messages a second."""
    values: dict[str, str | float] = {"sender": sender, "rate": rate, "most": most(rate)}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        return cursor.fetchone() is not None


def most(rate: float) -> float:
    """What may leave in one moment, after a rest."""
    return max(1.0, rate * SAVED)


def _sender(channel: str) -> tuple[str, float]:
    if channel == Channel.WHATSAPP:
        return f"whatsapp:{settings.TWILIO_WHATSAPP_FROM}", settings.TWILIO_WHATSAPP_RATE
    if channel == Channel.SMS:
        return settings.TWILIO_SMS_FROM, settings.TWILIO_SMS_RATE
    return "", 0.0

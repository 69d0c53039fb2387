"""How long a message waits for what: all of it in one place.

That nothing is sent twice rests on the order of these spans: a request ends while its worker may
still act, the worker may act while its claim lasts, and "not there" is believed only long after the
last request can have reached anyone. So they are shortened together, by one number, and only where
somebody measures (``MESSAGE_WAITS``): no setting can put them out of order.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings


def _span(**wait: float) -> timedelta:
    factor: float = settings.MESSAGE_WAITS
    return timedelta(**wait) * factor


# Until a request to the provider is given up.
CONNECT_SECONDS: Final = _span(seconds=4).total_seconds()
READ_SECONDS: Final = _span(seconds=15).total_seconds()
# The same for each step of a mail server's, of which a mail takes half a dozen. One that outlasts
# its claim is in doubt until it ends; and as mail in doubt is never sent again, none goes twice.
MAIL_SECONDS: Final = _span(seconds=20).total_seconds()
# A claim older than this is not acted on: the request itself may take what remains of the lease.
ACT_WITHIN: Final = _span(seconds=30)
LEASE: Final = _span(seconds=60)
# How long after a doubtful try "not there" is believed, and the message sent again. Longer than
# any request can linger between us and the provider.
GRACE: Final = _span(minutes=5)
# What is in doubt is asked after at 10, 20, 40 … seconds, what is sent at 1, 10 and 100 minutes.
# After that only a callback brings news; what is still in doubt stays on the staff's list.
FIRST_DOUBT: Final = _span(seconds=10)
FIRST_LOOK: Final = _span(minutes=1)
DOUBTED_FOR: Final = _span(days=1)
ASKED_AFTER_FOR: Final = _span(hours=3)
# What certainly was not sent is sent again after 10 s, 20 s, … 15 minutes.
FIRST_RETRY: Final = _span(seconds=10)
LAST_RETRY: Final = _span(minutes=15)
# Where the account may send no more today.
FOR_TOMORROW: Final = _span(hours=1)

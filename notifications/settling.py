"""What becomes of a message, and nothing else changes its state once it has been claimed.

States move forward only, and each move is a compare-and-set: reports come late, twice, out of
order, and race with the worker that is still sending. Whoever comes second changes no row.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from accounts import people
from notifications.again import fall_back, hold, is_overtaken, take_back_next
from notifications.channels import SENDERS, wait_before
from notifications.errors import DeliveryError, Kind, from_code
from notifications.models import Inbound, Link, Message
from notifications.twilio_api import Fate
from notifications.waits import FIRST_DOUBT, FIRST_LOOK

logger = logging.getLogger(__name__)
State = Message.State

# Which states a message may come from. Delivery proven overrules a failure assumed.
FORWARD: Final = {
    State.SENT: (State.PENDING, State.UNKNOWN),
    State.UNKNOWN: (State.PENDING,),
    State.FAILED: (State.PENDING, State.UNKNOWN, State.SENT),
    State.DELIVERED: (State.PENDING, State.UNKNOWN, State.SENT, State.FAILED),
    State.READ: (State.PENDING, State.UNKNOWN, State.SENT, State.FAILED, State.DELIVERED),
    State.CANCELLED: (State.PENDING,),
    # Only for what certainly did not arrive: refused, or looked up and not there.
    State.PENDING: (State.PENDING, State.UNKNOWN, State.SENT),
}
# Twilio's words for where a message is.
STATUS: Final = {
    "accepted": State.SENT,
    "scheduled": State.SENT,
    "queued": State.SENT,
    "sending": State.SENT,
    "sent": State.SENT,
    "delivered": State.DELIVERED,
    "read": State.READ,
    "undelivered": State.FAILED,
    "failed": State.FAILED,
    "partially_delivered": State.SENT,
    "canceled": State.FAILED,
}
# Only while a message may still have to leave are the words kept that it was to carry.
WAITING: Final = (State.PENDING, State.UNKNOWN)
SAID_STOP: Final = "21610"
FREE: Final = {"token": None, "lease_until": None}


def accepted(message: Message, provider_id: str, *, token: uuid.UUID | None) -> bool:
    """The provider took it. A channel that cannot be asked later is done with it."""
    more = Now() + FIRST_LOOK if SENDERS[message.channel].looks_up else None
    moved = _move(
        message, State.SENT, token=token, provider_id=provider_id, run_after=more, sent_at=Now()
    )
    if moved and more is None:
        forget(message)
    return moved


def reported(message: Message, fate: Fate, *, attempt: int | None = None) -> bool:
    """The provider says where the message is. Returns whether that was news.

    ``attempt`` is the try a callback speaks of; None for a look-up, which speaks of the last. Of
    an earlier try only an arrival counts.
    """
    state = STATUS.get(fate.status)
    arrived = state in (State.DELIVERED, State.READ)
    if state is None or (attempt not in (None, message.attempts) and not arrived):
        return False
    if state == State.FAILED:
        return failed(message, _definite(fate.code), token=None)
    fields: dict[str, Any] = {"sent_at": Coalesce("sent_at", Now()), "provider_id": fate.sid}
    if not arrived:
        return _move(message, state, token=None, run_after=Now() + FIRST_LOOK, **fields)
    fields |= {"run_after": None, "settled_at": Now(), "error": "", "error_code": ""}
    with transaction.atomic():
        hold(message)
        moved = _move(message, state, token=None, **fields)
        if moved:
            forget(message)
            take_back_next(message)
    return moved


def _definite(code: int | None) -> DeliveryError:
    """Reported as failed, it did not arrive, whatever the code says."""
    error = from_code(code)
    if error.kind is Kind.UNKNOWN:
        return DeliveryError(Kind.FINAL, error.reason, error.code)
    return error


def failed(message: Message, error: DeliveryError, *, token: uuid.UUID | None) -> bool:
    """It certainly did not arrive: try again later, or give up and tell them another way; neither
    where they have it another way, or somebody has sent it again meanwhile."""
    with transaction.atomic():
        hold(message)
        overtaken = is_overtaken(message)
        wait = wait_before(message, error) if error.kind is Kind.RETRY else None
        if wait is not None and not overtaken:
            return try_again(message, error, wait, token=token)
        moved = _move(
            message, State.FAILED, token=token, run_after=None, settled_at=Now(),
            error=error.reason, error_code=error.code,
        )  # fmt: skip
        if moved:
            if error.code == SAID_STOP:
                _stop(message.address)
            if not overtaken:
                fall_back(message, error.code)
            forget(message)
    return moved


def _stop(e164: str) -> None:
    """Twilio knows of a STOP from this phone. Of one that we did not hear, or not yet: if START is
    the last we heard, it is WhatsApp that its owner wants back, and only SMS that Twilio blocks."""
    words = Inbound.objects.filter(e164=e164).exclude(word=Inbound.Word.OTHER)
    last = words.order_by("received_at", "pk").last()
    if not people.stopped(e164) and (last is None or last.word == Inbound.Word.STOP):
        people.opt_out(e164)


def try_again(
    message: Message, error: DeliveryError, wait: timedelta, *, token: uuid.UUID | None
) -> bool:
    """Back into the queue, for something that certainly did not arrive."""
    return _move(
        message, State.PENDING, token=token, provider_id="", run_after=Now() + wait,
        error=error.reason, error_code=error.code,
    )  # fmt: skip


def in_doubt(message: Message, error: DeliveryError, *, token: uuid.UUID | None) -> bool:
    """It may have left. Looked up later where that is possible, else left for staff to see."""
    first = Now() + FIRST_DOUBT if SENDERS[message.channel].looks_up else None
    return _move(
        message, State.UNKNOWN, token=token, run_after=first,
        error=error.reason, error_code=error.code,
    )  # fmt: skip


def cancelled(message: Message, reason: str, *, token: uuid.UUID | None) -> bool:
    """It must not leave any more."""
    moved = _move(message, State.CANCELLED, token=token, run_after=None, error=reason)
    if moved:
        forget(message)
    return moved


def look_again(message: Message, when: datetime | None, *, token: uuid.UUID | None) -> None:
    """Put a look-up off, or end the looking (None). Changes no state."""
    Message.objects.filter(pk=message.pk, token=token).update(run_after=when, **FREE)


def forget(message: Message) -> None:
    """Nothing more is to be sent: keep only the digest of the link's token."""
    if message.link_id is not None:
        Link.objects.filter(pk=message.link_id).update(token="")


def _move(message: Message, to: str, *, token: uuid.UUID | None, **fields: Any) -> bool:
    """Change the state if it still may. With a ``token``, only while that claim still holds.

    Without one a report is speaking. What it reports of a message that waits in nobody's hands
    belongs to an earlier try, unless it is an arrival. Whatever is no arrival speaks of the try
    that ``message`` was read at, and of no later one.
    """
    rows = Message.objects.filter(pk=message.pk, state__in=FORWARD[State(to)])
    if to not in (State.DELIVERED, State.READ):
        rows = rows.filter(attempts=message.attempts)
    if token is not None:
        rows = rows.filter(token=token)
    elif to not in (State.DELIVERED, State.READ):
        rows = rows.exclude(state=State.PENDING, token=None)
    if to not in WAITING:
        fields["words"] = ""
    moved = rows.update(state=to, **FREE, **fields) == 1
    if moved:
        logger.info(
            "message %s (%s by %s): %s %s",
            message.pk, message.event, message.channel, to, fields.get("error_code", ""),
            extra={"message_id": str(message.pk), "attempt": message.attempts},
        )  # fmt: skip
    return moved

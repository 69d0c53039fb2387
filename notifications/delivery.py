"""Delivering what is due: claim a row, act outside any transaction, settle it.

A claim is a lease with a token, by the database's clock. Of two workers one gets the row; a worker
that comes back after its lease ran out settles nothing, because the token is no longer its own.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts import people
from notifications import (
    errors,
    ledger,
    links,
    pace,
    quiet,
    settling,
    twilio_api,
)
from notifications.channels import SENDERS
from notifications.errors import NIGHT, TURN, WAITS, DeliveryError, Kind
from notifications.models import PHONES, Channel, Message, NumberCode
from notifications.over import is_over
from notifications.texts import render
from notifications.waits import (
    ACT_WITHIN,
    ASKED_AFTER_FOR,
    DOUBTED_FOR,
    FIRST_DOUBT,
    GRACE,
    LEASE,
)

State = Message.State
LOOKED_FOR = {State.UNKNOWN: DOUBTED_FOR, State.SENT: ASKED_AFTER_FOR}
# Channels whose sender has sent as much as it may, and in how many seconds to ask again.
Dry = dict[str, float]


def deliver_due(limit: int = 20, dry: Dry | None = None) -> int:
    """Act on up to ``limit`` rows that are due; return how many. Safe to run doubled.

    ``dry`` is filled with the channels that may send no more at this moment.
    """
    dry = {} if dry is None else dry
    for done in range(limit):
        claimed_at = time.monotonic()
        message = claim(dry)
        if message is None:
            return done
        if time.monotonic() - claimed_at > ACT_WITHIN.total_seconds():
            continue  # the machine slept meanwhile: the lease runs out, and the row is looked up
        if message.state == State.PENDING:
            _send(message)
        else:
            _look_up(message)
    return limit


def claim(dry: Dry | None = None) -> Message | None:
    """Take the row that is urgent, else due longest, for ``LEASE``; None if there is none.

    What may not leave at this moment stays unclaimed and says why: at night it waits until the
    morning, and while its sender has sent as much as it may (``dry``) it keeps its place in line.
    """
    dry = {} if dry is None else dry
    while True:
        with transaction.atomic():
            row = _first_due(dry)
            if row is None:
                return None
            if row.state != State.PENDING or row.token is not None or not _has_to_wait(row, dry):
                _take(row)
                break
    return Message.objects.select_related("link", "invitation", "recipient").get(pk=row.pk)


def _first_due(dry: Dry) -> Message | None:
    waits = Q(channel__in=dry, state=State.PENDING, token=None)
    due = Message.objects.due().exclude(waits) if dry else Message.objects.due()
    whose = due.select_related("link", "recipient__clinic", "invitation__clinic")
    whose = whose.annotate(now=Now())
    return whose.select_for_update(skip_locked=True, of=("self",)).first()


def _take(row: Message) -> None:
    claimed: Any = row
    changes: dict[str, object] = {"token": uuid.uuid4(), "lease_until": Now() + LEASE}
    if row.state == State.PENDING and row.token is not None:
        # Its worker died with it in hand, before or after the sending: nobody knows.
        changes |= {"state": State.UNKNOWN, "error": "The worker stopped while sending it."}
    elif row.state == State.PENDING:
        # Another try has another id at the provider: the last one's fate is not its own.
        changes |= {"attempts": F("attempts") + 1, "tried_at": Now(), "provider_id": ""}
        if row.error_code in WAITS:
            changes |= {"error": "", "error_code": ""}
        if row.link is not None:
            links.begin(row.link, claimed.now)
    Message.objects.filter(pk=row.pk).update(**changes)


def _has_to_wait(row: Message, dry: Dry) -> bool:
    """Whether it may not leave now; the row then says why, and when it may."""
    claimed: Any = row
    if (until := quiet.morning(row, claimed.now)) is not None:
        reason = f"It is night there: it leaves at {until:%H:%M} UTC."
        Message.objects.filter(pk=row.pk).update(run_after=until, error_code=NIGHT, error=reason)
        return True
    if wait := pace.wait_for(row.channel):
        dry[row.channel] = wait
        if row.error_code != TURN:
            reason = errors.as_written(errors.known(TURN))
            Message.objects.filter(pk=row.pk).update(error_code=TURN, error=reason)
        return True
    return False


def _send(message: Message) -> None:
    token = message.token
    if _is_void(message):
        settling.cancelled(message, "Nobody is to be told any more.", token=token)
        return
    try:
        _mind_stop(message)
        provider_id = SENDERS[message.channel].send(message, render(message))
    except DeliveryError as error:
        settle = settling.in_doubt if error.kind is Kind.UNKNOWN else settling.failed
        settle(message, error, token=token)
    else:
        if settling.accepted(message, provider_id, token=token):
            return
        # A callback was faster than our own answer: it knew the state, we know the id. Or the
        # answer came after the lease, and the row was held to be in doubt: it is not any more.
        if not settling.accepted(message, provider_id, token=None):
            same_try = Message.objects.filter(pk=message.pk, attempts=message.attempts)
            same_try.filter(provider_id="").update(provider_id=provider_id)


def _is_void(message: Message) -> bool:
    """Whether the reason to tell has gone since: a suspended person, a revoked link."""
    if message.code_id is not None and not NumberCode.objects.open().filter(pk=message.code_id):
        return True
    revoked = message.link is not None and message.link.revoked_at is not None
    return revoked or is_over(message)


def _mind_stop(message: Message) -> None:
    """Raise ``DeliveryError`` if the phone's owner has stopped messages since this was written."""
    if message.channel not in PHONES:
        return
    if message.channel == Channel.SMS:
        stopped = ledger.may_text(message) != message.address
    elif message.recipient is None or message.code_id is not None:
        stopped = people.stopped(message.address)
    else:
        stopped = ledger.route_to(message.recipient).address != message.address
    if stopped:
        raise DeliveryError(Kind.FINAL, "The person does not want messages here.", "opted-out")


def _look_up(message: Message) -> None:
    token = message.token
    if not SENDERS[message.channel].looks_up:
        settling.look_again(message, None, token=token)
        return
    try:
        fate = twilio_api.look_up(message)
    except DeliveryError:
        settling.look_again(message, _next_look(message), token=token)
        return
    if fate is None and message.state == State.UNKNOWN and _age(message) > GRACE:
        # A code is not sent again minutes later: who waited has asked for a new one.
        kind = Kind.RETRY if message.code_id is None else Kind.FINAL
        lost = DeliveryError(kind, "Twilio never got it.")
        settling.failed(message, lost, token=token)
    elif fate is None or not settling.reported(message, fate):
        settling.look_again(message, _next_look(message), token=token)


def _next_look(message: Message) -> datetime | None:
    """When to ask again: soon while in doubt, rarely once accepted, and one day not any more."""
    age = max(_age(message), FIRST_DOUBT)
    wait = age if message.state == State.UNKNOWN else 9 * age
    return None if age + wait > LOOKED_FOR[State(message.state)] else timezone.now() + wait


def _age(message: Message) -> timedelta:
    return timezone.now() - (message.tried_at or message.created_at)

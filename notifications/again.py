"""Telling someone another way after a failure, or once more because staff ask for it."""

from __future__ import annotations

from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import User
from notifications import links, twilio_api
from notifications.errors import NOT_BY_SMS
from notifications.ledger import DELIVER, Route, may_text, route_to, take_back
from notifications.models import Channel, Event, Link, Message, MessageQuerySet
from notifications.over import is_over
from notifications.wake import wake

# WhatsApp, then a text message, then e-mail, then a person of the clinic.
FALLBACK: Final[dict[str, Channel]] = {
    Channel.WHATSAPP: Channel.SMS,
    Channel.SMS: Channel.EMAIL,
    Channel.EMAIL: Channel.STAFF,
}
State = Message.State
# What may be sent once more: what failed, and what may never have arrived.
AGAIN: Final = (State.FAILED, State.UNKNOWN)
ARRIVED: Final = (State.DELIVERED, State.READ)


class NotAgain(Exception):
    """This message is not to be sent again; ``str(error)`` says why."""


def hold(message: Message) -> list[Message]:
    """Every row of the same telling, held in one order until the transaction ends.

    Whoever settles one way or sends it again comes before all who do so with another, or after.
    Read once more when they are held: the way that was written while one waited for the others is
    seen by a new statement only. Oldest first, so that nobody waits with a newer one in hand.
    """
    rows = _same_telling(message).select_for_update().order_by("created_at", "pk")
    list(rows)
    return list(rows.all())


def is_overtaken(message: Message) -> bool:
    """Whether they have it by another way, or somebody has sent it again: this row tells no more.

    Whoever decides by it is to :func:`hold` the telling.
    """
    others = _same_telling(message).exclude(pk=message.pk)
    has_it = Q(state__in=ARRIVED)
    return others.filter(has_it | Q(resend__gt=message.resend)).exists()


def fall_back(message: Message, code: str = "") -> Message | None:
    """Write the row for the next channel after a failure with ``code``; None after the last, or if
    it is there already. What there is no address for is passed over."""
    channel = FALLBACK.get(message.channel)
    while channel is not None:
        address = _address(message, channel, code)
        if address is not None:
            return _write(message, Route(channel, address), message.resend)
        channel = FALLBACK.get(channel)
    return None


def take_back_next(message: Message) -> None:
    """It arrived: what has not left by another way, or was sent again and waits, stays here."""
    others = _same_telling(message).exclude(pk=message.pk).filter(resend__gte=message.resend)
    take_back(others, why="It arrived the first way after all.")


def _address(message: Message, channel: Channel, code: str) -> str | None:
    """Where it may go by ``channel``; None for nowhere."""
    if channel == Channel.SMS:
        return None if code in NOT_BY_SMS else _number_to_text(message, code)
    if message.code_id is not None:
        return None  # a code proves whose phone it is only by arriving there
    if channel == Channel.STAFF:
        # The sun is not worth a person's call.
        return None if message.event == Event.REMIND_SUN else ""
    who = message.recipient or message.invitation
    return (who.email or None) if who is not None else None


def _number_to_text(message: Message, code: str) -> str | None:
    if message.code_id is not None and not code:
        return None  # it was in doubt for minutes: who waited has asked for another one
    if not twilio_api.configured(Channel.SMS):
        return None
    return may_text(message)


def may_be_asked(message: Message) -> bool:
    """Whether sending it again is offered; :func:`resend` may still refuse, and says why."""
    return message.state in AGAIN and message.code_id is None and not is_over(message)


def resend(message: Message, by: User) -> Message:
    """Send once more what failed, or may never have arrived, by the way that is right today.

    The old row stays: it is the history, and what becomes of it is still asked, but it is never
    sent again itself. Raises ``NotAgain`` if the person has it, if another way is still being
    tried, if it was withdrawn with its reason, or if nobody is to be told any more.
    """
    if message.code_id is not None:
        raise NotAgain(_("They ask for a new code themselves, on their account page."))
    with transaction.atomic():
        rows = hold(message)
        message = next(row for row in rows if row.pk == message.pk)
        if is_over(message):
            raise NotAgain(
                _(
                    "Nobody is to be told any more: the invitation has ended, or they get no "
                    "messages."
                )
            )
        if message.state not in AGAIN or any(row.state in ARRIVED for row in rows):
            raise NotAgain(_("They have the message, it is on its way, or it was withdrawn."))
        _must_be_alone(message, rows)
        last = max(row.resend for row in rows)
        written = _write(message, _route(message), last + 1)
        if written is None:
            raise NotAgain(_("Somebody else has just sent it again."))
        record("message.resent", actor=by, about=f"message:{message.pk}", as_=str(written.pk))
    return written


def _must_be_alone(message: Message, rows: list[Message]) -> None:
    """Another way may be leaving, or may have arrived; of that, staff are asked before it is sent
    again, and here they were not."""
    others = [row for row in rows if row.pk != message.pk and row.channel != Channel.STAFF]
    doubted = [row for row in others if row.state == State.UNKNOWN]
    leaving = any(row.state in (State.PENDING, State.SENT) for row in others)
    if leaving or any(row.run_after for row in doubted):
        raise NotAgain(_("Another message about this is on its way to them."))
    if message.state == State.FAILED and doubted:
        raise NotAgain(
            _("Another message about this may have arrived. If it has not, send that one again.")
        )


def done_by_hand(message: Message, by: User) -> None:
    """A person has told them. Raises ``NotAgain`` if that was no staff task, or is done."""
    waiting = Message.objects.filter(pk=message.pk, channel=Channel.STAFF, state=State.PENDING)
    with transaction.atomic():
        if not waiting.update(state=State.DELIVERED, sent_at=Now(), settled_at=Now()):
            raise NotAgain(_("This message is not waiting for a person."))
        record("message.told_by_hand", actor=by, about=f"message:{message.pk}")


def _same_telling(message: Message) -> MessageQuerySet:
    same = Message.objects.filter(event=message.event, about=message.about)
    return same.filter(recipient=message.recipient_id, invitation=message.invitation_id)


def _route(message: Message) -> Route:
    if message.recipient is not None:
        return route_to(message.recipient)
    return Route(Channel(message.channel), message.address)


def _write(message: Message, route: Route, resend: int) -> Message | None:
    """A row like ``message`` by another way, with a link of its own; None if there is one."""
    try:
        with transaction.atomic():
            written = Message.objects.create(
                event=message.event,
                about=message.about,
                recipient=message.recipient,
                channel=route.channel,
                address=route.address,
                link=_new_link(message),
                invitation=message.invitation,
                code=message.code,
                urgent=message.urgent,
                language=message.language,
                resend=resend,
                **({"run_after": None} if route.channel == Channel.STAFF else {}),
            )
    except IntegrityError:
        return None
    wake(DELIVER)
    return written


def _new_link(message: Message) -> Link | None:
    if message.link is None or message.recipient is None:
        return None
    return links.make(message.recipient, message.link.path)

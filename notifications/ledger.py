"""Writing into the ledger: what is to be said to whom, in the transaction that caused it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import Consent, User
from accounts.people import has_consent, reachable_number
from notifications import links
from notifications.models import Channel, Event, Invitation, Message
from notifications.wake import wake

DELIVER = "notifications.deliver_due"


@dataclass(frozen=True)
class Route:
    """A channel, and the number or e-mail address on it ("" for a staff task)."""

    channel: Channel
    address: str


def tell(
    event: Event,
    *,
    recipient: User,
    about: str,
    path: str,
    not_before: datetime | None = None,
) -> Message:
    """Tell ``recipient`` once that ``event`` happened to ``about``, with a link to ``path``.

    Writes in the caller's transaction, so that the message exists exactly if what it tells about
    does; must be called inside one. By WhatsApp where they agreed to it and have a number that
    takes it, else by e-mail. Called again for the same event, person and ``about``, it returns the
    row there is, whatever became of it: something that happens again needs another ``about``
    ("case:<id>#<n>"). Nothing leaves before ``not_before``.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("tell() belongs into the transaction of what it tells about")
    told = Message.objects.filter(event=event, about=about, recipient=recipient)
    earlier = told.order_by("created_at").first()
    if earlier is not None:
        return earlier
    try:
        with transaction.atomic():
            message = _write(event, recipient, about, path, not_before)
    except IntegrityError:  # somebody told them at the same moment
        return told.get()
    wake(DELIVER)
    return message


def _write(
    event: Event, recipient: User, about: str, path: str, not_before: datetime | None
) -> Message:
    route = route_to(recipient)
    message = Message(
        event=event,
        about=about,
        recipient=recipient,
        channel=route.channel,
        address=route.address,
        link=links.make(recipient, path, sent_at=not_before),
    )
    if not_before is not None:
        message.run_after = not_before
    message.save(force_insert=True)
    return message


def tell_invited(invitation: Invitation) -> Message:
    """Send an invitation, once: by WhatsApp to a number, else by e-mail.

    The one message that may go to a number before its owner has agreed to anything.
    """
    channel = Channel.WHATSAPP if invitation.e164 else Channel.EMAIL
    message = Message.objects.create(
        event=Event.INVITATION,
        about=f"invitation:{invitation.pk}",
        invitation=invitation,
        channel=channel,
        address=invitation.e164 or invitation.email,
    )
    wake(DELIVER)
    return message


def withdraw(event: Event, about: str) -> int:
    """Take back what has not left yet; its links end. Returns how many messages that was.

    A message in a worker's hands at this moment is not taken back: it may be leaving.
    """
    with transaction.atomic():
        waiting = Message.objects.unclaimed().filter(event=event, about=about)
        rows = list(waiting.select_for_update(of=("self",)).values_list("pk", "link_id"))
        links.revoke(link for _, link in rows if link is not None)
        return Message.objects.filter(pk__in=[pk for pk, _ in rows]).update(
            state=Message.State.CANCELLED, run_after=None
        )


def route_to(person: User) -> Route:
    """Where ``person`` is told: WhatsApp if they agreed and can be reached there, else e-mail."""
    number = reachable_number(person)
    if number is not None and has_consent(person, Consent.Kind.MESSAGES):
        return Route(Channel.WHATSAPP, number.e164)
    return Route(Channel.EMAIL, person.email)

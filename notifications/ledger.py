"""Writing into the ledger: what is to be said to whom, in the transaction that caused it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts.agreements import agreed_to_messages
from accounts.languages import language_of
from accounts.models import User
from accounts.people import numbers_to_tell, stopped
from notifications import links, twilio_api
from notifications.errors import NOT_ON_WHATSAPP
from notifications.models import (
    Channel,
    Event,
    Invitation,
    Link,
    Message,
    MessageQuerySet,
    NumberCode,
)
from notifications.wake import wake

DELIVER = "notifications.deliver_due"
# People get WhatsApp, too: after so long a number that had none is tried there again.
ASKED_AGAIN = timedelta(days=30)
Key = tuple[str, str, int | None]  # event, about, recipient


@dataclass(frozen=True)
class Route:
    """A channel, and the number or e-mail address on it ("" for a staff task)."""

    channel: Channel
    address: str


@dataclass(frozen=True)
class Notice:
    """``recipient`` is to be told that ``event`` happened to ``about``, with a link to ``path``.

    For who has no login their carer is told.

    Once for an event, person and ``about``: something that happens again needs another ``about``
    ("case:<id>#<n>"). Nothing leaves before ``not_before``. What is ``urgent`` goes before
    everything else, and rings at night. ``channel`` asks for one that is not the first choice; as a
    staff task it is about ``recipient``, and waits for a person of the clinic. ``words`` are an
    answer for who wants it whole (``full_report``): one line, kept for WhatsApp alone and until it
    has left.
    """

    event: Event
    recipient: User
    about: str
    path: str
    not_before: datetime | None = None
    urgent: bool = False
    channel: Channel | None = None
    words: str = field(default="", repr=False)

    @property
    def key(self) -> Key:
        """Of two notices with the same one, only the first is told."""
        return self.event, self.about, self.recipient.pk


def tell(*notices: Notice) -> list[Message]:
    """Tell everybody what is to be told, once; as many messages as notices, in their order.

    Writes in the caller's transaction, so that a message exists exactly if what it tells about
    does; must be called inside one. By WhatsApp, or by SMS, where they agreed to it and have a
    confirmed number that takes it, else by e-mail. What was told before is the row there is,
    whatever became of it. The number of statements does not grow with the number of notices.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("tell() belongs into the transaction of what it tells about")
    notices = tuple(replace(notice, recipient=notice.recipient.reader) for notice in notices)
    told = _told(notices)
    wanted = {notice.key: notice for notice in reversed(notices) if notice.key not in told}
    if wanted:
        # In one order everywhere: two who tell the same people wait for each other, once.
        new = [wanted[key] for key in sorted(wanted, key=str)]
        try:
            with transaction.atomic():
                told |= _write(new)
        except IntegrityError:  # somebody told one of them at the same moment
            told |= _told(notices)
            told |= _write([notice for notice in new if notice.key not in told])
        wake(DELIVER)
    return [told[notice.key] for notice in notices]


def _told(notices: Sequence[Notice]) -> dict[Key, Message]:
    """What was said of these already; of a message sent again, the first."""
    rows = Message.objects.filter(
        event__in={notice.event for notice in notices},
        about__in={notice.about for notice in notices},
        recipient__in={notice.recipient.pk for notice in notices},
    )
    return {
        (row.event, row.about, row.recipient_id): row for row in rows.order_by("-created_at", "-pk")
    }


def _write(notices: Sequence[Notice]) -> dict[Key, Message]:
    routes = routes_to([notice.recipient for notice in notices])
    texting = _phones_to_text([one.recipient for one in notices if one.channel == Channel.SMS])
    links_to = Link.objects.bulk_create(
        links.drawn(notice.recipient, notice.path, sent_at=notice.not_before) for notice in notices
    )
    messages = []
    for notice, link in zip(notices, links_to, strict=True):
        route = _asked_for(notice, routes[notice.recipient.pk], texting)
        message = Message(
            event=notice.event,
            about=notice.about,
            recipient=notice.recipient,
            channel=route.channel,
            address=route.address,
            link=link,
            urgent=notice.urgent,
            language=_short(language_of(notice.recipient)),
            words=notice.words if route.channel == Channel.WHATSAPP else "",
        )
        if notice.not_before is not None:
            message.run_after = notice.not_before
        if route.channel == Channel.STAFF:
            message.run_after = None
        messages.append(message)
    Message.objects.bulk_create(messages)
    return {notice.key: message for notice, message in zip(notices, messages, strict=True)}


def _asked_for(notice: Notice, first: Route, texting: Mapping[int, str]) -> Route:
    """By the channel it names, where the person can be told by that.

    Without one by the ``first``; where no SMS may go to them, by e-mail.
    """
    by_mail = Route(Channel.EMAIL, notice.recipient.email)
    match notice.channel:
        case Channel.STAFF:
            return Route(Channel.STAFF, "")
        case Channel.EMAIL:
            return by_mail
        case Channel.SMS:
            phone = texting.get(notice.recipient.pk)
            return Route(Channel.SMS, phone) if phone else by_mail
        case _:
            return first


def tell_invited(invitation: Invitation, *, resend: int = 0) -> Message:
    """Send an invitation, once: by WhatsApp to a number, else by e-mail. ``resend`` counts the
    times that staff asked for it again.

    The one message that may go to a number before its owner has agreed to anything. What they read
    nobody knows; whoever invites them writes to them as they would speak.
    """
    channel = Channel.WHATSAPP if invitation.e164 else Channel.EMAIL
    message = Message.objects.create(
        event=Event.INVITATION,
        about=f"invitation:{invitation.pk}",
        invitation=invitation,
        channel=channel,
        address=invitation.e164 or invitation.email,
        language=_short(language_of(invitation.invited_by)),
        resend=resend,
    )
    wake(DELIVER)
    return message


def tell_code(code: NumberCode) -> Message:
    """Send a code to the phone it is for, and nowhere else: they wait for it.

    Like an invitation it may go to a number before its owner has agreed to anything: they asked.
    """
    by_sms = bool(without_whatsapp([code.e164])) or not twilio_api.configured()
    message = Message.objects.create(
        event=Event.NUMBER_CODE,
        about=f"number-code:{code.pk}",
        recipient=code.user,
        code=code,
        channel=Channel.SMS if by_sms and twilio_api.configured(Channel.SMS) else Channel.WHATSAPP,
        address=code.e164,
        urgent=True,
        language=_short(language_of(code.user)),
    )
    wake(DELIVER)
    return message


def withdraw(event: Event, about: str) -> int:
    """Take back what has not left yet; its links end. Returns how many messages that was.

    A message in a worker's hands at this moment is not taken back: it may be leaving.
    """
    return take_back(Message.objects.filter(event=event, about=about))


def take_back(rows: MessageQuerySet, *, why: str = "") -> int:
    """:func:`withdraw` those of ``rows`` that wait; ``why`` is a sentence for staff."""
    said = {"error": why, "error_code": ""} if why else {}
    with transaction.atomic():
        waiting = rows.unclaimed().select_for_update(of=("self",))
        held = list(waiting.values_list("pk", "link_id"))
        links.revoke(link for _, link in held if link is not None)
        return Message.objects.filter(pk__in=[pk for pk, _ in held]).update(
            state=Message.State.CANCELLED, run_after=None, words="", **said
        )


def route_to(person: User) -> Route:
    """Where ``person`` is told: by WhatsApp if they agreed and have confirmed a number that takes
    it, by SMS if it is known not to, else by e-mail."""
    return routes_to([person])[person.pk]


def routes_to(persons: Sequence[User]) -> dict[int, Route]:
    """:func:`route_to` of each of ``persons``, by primary key."""
    numbers = numbers_to_tell(person.pk for person in persons)
    agreed = agreed_to_messages(numbers) if numbers else {}
    phones = {pk: numbers[pk].e164 for pk in agreed}
    to_text = without_whatsapp(phones[pk] for pk, sms_too in agreed.items() if sms_too)
    routes = {}
    for person in persons:
        phone = phones.get(person.pk)
        if phone is None:
            routes[person.pk] = Route(Channel.EMAIL, person.email)
        else:
            by_sms = agreed[person.pk] and phone in to_text
            routes[person.pk] = Route(Channel.SMS if by_sms else Channel.WHATSAPP, phone)
    return routes


def without_whatsapp(phones: Iterable[str]) -> set[str]:
    """Those of ``phones`` that WhatsApp said lately it does not know; none where no SMS could be
    sent instead. One query."""
    phones = list(phones)
    if not phones or not twilio_api.configured(Channel.SMS):
        return set()
    told = Message.objects.filter(
        channel=Channel.WHATSAPP, address__in=phones, error_code__in=NOT_ON_WHATSAPP
    )
    return set(told.filter(created_at__gt=Now() - ASKED_AGAIN).values_list("address", flat=True))


def _phones_to_text(persons: Sequence[User]) -> dict[int, str]:
    """The confirmed numbers of those who agreed to text messages, by primary key."""
    if not persons or not twilio_api.configured(Channel.SMS):
        return {}
    numbers = numbers_to_tell(person.pk for person in persons)
    return {pk: numbers[pk].e164 for pk, sms_too in agreed_to_messages(numbers).items() if sms_too}


def may_text(message: Message) -> str | None:
    """The number that may get ``message`` as an SMS, None if there is none.

    An invitation and a code go to the phone they are for, if it has not said STOP. All else wants a
    confirmed number and a consent with text messages in its words.
    """
    if message.recipient is None or message.code_id is not None:
        return None if stopped(message.address) else message.address
    number = numbers_to_tell([message.recipient.pk]).get(message.recipient.pk)
    sms_too = agreed_to_messages([message.recipient.pk]).get(message.recipient.pk, False)
    return number.e164 if number is not None and sms_too else None


def _short(code: str) -> str:
    """As the folders of the texts are called, and the approved templates: "en", "es"."""
    return code.partition("-")[0]

"""Where people were told, forgotten after a time: the ledger keeps that they were."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from notifications.models import Inbound, Message

WAITING = (Message.State.PENDING, Message.State.UNKNOWN)


def messages_before(moment: datetime) -> QuerySet[Message]:
    """Settled ones that still say to which number or address they went."""
    old = Message.objects.filter(created_at__lt=moment, token=None).exclude(state__in=WAITING)
    return old.exclude(Q(address="") & Q(provider_id=""))


def words_before(moment: datetime) -> QuerySet[Inbound]:
    """Of what people wrote to us: that a phone did. Who said STOP is on a list of its own."""
    return Inbound.objects.filter(received_at__lt=moment).exclude(e164="")

"""Forgetting where somebody was told: the ledger keeps that messages were sent, and to nobody."""

from __future__ import annotations

from django.db import transaction

from accounts.models import ContactNumber, User
from notifications import links
from notifications.models import Inbound, Message, NumberCode

State = Message.State


def in_hand(person: User) -> bool:
    """Whether a worker is sending ``person`` something, or asking after it, this moment."""
    return person.notices.filter(token__isnull=False).exists()


@transaction.atomic
def forget(person: User) -> None:
    """Nothing more is sent to ``person``; numbers, addresses, codes and open links are gone.

    Their numbers must still be there: which phones wrote to us is forgotten too, unless somebody
    else has the phone as well. That something came stays, so that no word of theirs counts twice.
    """
    numbers = set(person.numbers.values_list("e164", flat=True))
    shared = ContactNumber.objects.filter(e164__in=numbers).exclude(user=person)
    only_theirs = numbers - set(shared.values_list("e164", flat=True))
    Inbound.objects.filter(e164__in=only_theirs).update(e164="")
    NumberCode.objects.filter(user=person).delete()  # and the messages that carried them
    waiting = Message.objects.unclaimed().filter(recipient=person)
    waiting.update(state=State.CANCELLED, error="The account was erased.", words="")
    links.revoke(person.links.values_list("pk", flat=True))
    person.notices.update(address="", provider_id="", run_after=None, words="")

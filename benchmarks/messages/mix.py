"""What goes wrong with messages, and how often. No Django here: options and stand-in need it."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping

# Files the stand-in writes: what it did, and what it has accepted.
NOTES, STATE = "mischief.jsonl", "phones.jsonl"

# Of a hundred requests to send one …
REQUESTS = {
    "answered": 57,
    "thought_about": 16,  # answered, but late enough to be in a worker's hands when it is killed
    "told_to_wait": 5,  # 429
    "broken_before": 4,  # a 5xx, and not accepted
    "broken_after": 5,  # a 5xx, and accepted
    "too_slow": 1,  # accepted, and answered after we have given up
    "answer_lost": 5,  # accepted, and the connection closed
    "reset": 4,  # the connection closed, and not accepted
    "refused": 3,  # for good
}
# … of a hundred that were accepted …
FATES = {"arrives": 94, "fails_for_now": 3, "fails_for_good": 3}
# (an invitation to a number has two ways; after both of them staff send it again)
INVITED = {"arrives": 1, "fails_for_good": 1}
REPORTS = {"in_order": 40, "never": 12, "twice": 12, "shuffled": 12, "backwards": 12, "late": 12}
# … and beside them: callbacks that somebody else makes up, and what people write back.
FORGED = {
    "": 75,
    "unsigned": 5,
    "another_key": 5,
    "another_status": 5,  # a true signature, over other words
    "another_try": 5,  # a true signature, for another address
    "somebodys_stop": 5,
}
WRITTEN = {"": 93, "STOP": 1, "STOP, then START": 4, "thank you": 2}
# … by SMS, where Twilio heeds STOP and START too, and sooner than we do.
TEXTED = {"": 7, "STOP, then START": 2, "thank you": 1}
# What is told, of a hundred messages.
TOLD = {"news": 78, "twice": 10, "invitation": 5, "code_awaited": 4, "code_asked_for": 3}

# Phones whose number ends so have no WhatsApp, which shows once a message to them has failed.
WITHOUT_WHATSAPP = "7"
NOT_ON_WHATSAPP = (63003, 63024)
# Of the patients, one of so many lives where it is night while the first half is told.
ABROAD = 2
# What each sender may send in a second: little enough that it is often at its limit.
RATES = {"TWILIO_WHATSAPP_RATE": 30, "TWILIO_SMS_RATE": 10}
RATES_OF_FEW = {"TWILIO_WHATSAPP_RATE": 10, "TWILIO_SMS_RATE": 5}
WHATSAPP_SENDER, SMS_SENDER = "+15005550006", "+15005550007"

REFUSED_FOR_GOOD = (21211, 21614, 63003)
FAILED_FOR_GOOD = (63003, 63016, 63024)
FAILED_FOR_NOW = (63012, 63018, 63038)  # the last one until tomorrow


class Deck:
    """Cards in exact shares, shuffled, dealt until none is left, and shuffled again: whatever the
    seed, everything happens, and as often as it says. Threads may draw at once."""

    def __init__(self, shares: Mapping[str, int], dice: random.Random) -> None:
        self._cards = [name for name, times in shares.items() for _ in range(times)]
        self._dice = dice
        self._left: list[str] = []
        self._lock = threading.Lock()

    def draw(self) -> str:
        with self._lock:
            if not self._left:
                self._left = self._dice.sample(self._cards, len(self._cards))
            return self._left.pop()

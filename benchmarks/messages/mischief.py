"""``python -m benchmarks.messages.mischief``: the stand-in with everything going wrong at random.

A process of its own, apart from the portal and its database: what it has accepted is what the
benchmark counts. It notes what it did in ``mischief.jsonl``, a line each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import requests
from twilio.request_validator import RequestValidator

from benchmarks.messages import mix
from benchmarks.messages.mix import NOTES, STATE, Deck
from portal.standin.api import Account
from portal.standin.callbacks import DEAD_END, JOURNEY, SECONDS, Portal
from portal.standin.faults import Fault, Faults
from portal.standin.server import StandIn
from portal.standin.store import Message

HANDS = 6  # reports travel side by side, as Twilio's do
READ_SECONDS = 15  # how long the portal waits for an answer, at its usual pace
_TRY = re.compile(r"/(\d+)/$")


class Notes:
    """What happened, as JSON lines that the benchmark reads afterwards."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, **note: Any) -> None:
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")


class Dealt(Faults):
    """A fault for each request, drawn."""

    def __init__(self, dice: random.Random, pace: float, notes: Notes) -> None:
        super().__init__()
        self._dice, self._pace, self._notes = dice, pace, notes
        self._deck = Deck(mix.REQUESTS, dice)

    def take(self) -> Fault | None:
        drawn = self._deck.draw()
        self._notes.write(request=drawn)
        return self._made(drawn)

    def _made(self, drawn: str) -> Fault | None:
        dice = self._dice
        made: dict[str, Callable[[], Fault]] = {
            "thought_about": lambda: Fault("slow", seconds=dice.uniform(0.02, 0.25)),
            "told_to_wait": lambda: Fault("refuse", 429, 20429),
            "broken_before": lambda: Fault("refuse", dice.choice((500, 502, 503))),
            "broken_after": lambda: Fault("break", dice.choice((500, 502, 503))),
            "too_slow": lambda: Fault("slow", seconds=READ_SECONDS * self._pace * 1.2),
            "answer_lost": lambda: Fault("drop"),
            "reset": lambda: Fault("reset"),
            "refused": lambda: Fault("refuse", 400, dice.choice(mix.REFUSED_FOR_GOOD)),
        }
        return made[drawn]() if drawn in made else None


class Mischief(Portal):
    """Reports as it pleases, lets others report, and has people write back."""

    @classmethod
    def of(cls, portal: Portal, dice: random.Random, pace: float, notes: Notes) -> Mischief:
        """In the place of ``portal``."""
        found = cls.__new__(cls)
        vars(found).update(vars(portal))
        found.prepare(dice, pace, notes)
        return found

    def prepare(self, dice: random.Random, pace: float, notes: Notes) -> None:
        self._dice, self._pace, self._notes = dice, pace, notes
        self._fates, self._reports = Deck(mix.FATES, dice), Deck(mix.REPORTS, dice)
        self._fates_of_invitations = {way: Deck(mix.INVITED, dice) for way in (True, False)}
        self._forgeries, self._answers = Deck(mix.FORGED, dice), Deck(mix.WRITTEN, dice)
        self._texted = Deck(mix.TEXTED, dice)
        self._hands = ThreadPoolExecutor(HANDS)

    def follow(self, message: Message) -> None:
        code, journey = self._fate(message)
        for status, after in journey:
            error = code if status == "failed" else None
            moved = partial(self._store.report, message.sid, status, error)
            self._timetable.add(after * self._pace, moved)
        order = self._reports.draw()
        self._notes.write(reports=order)
        for status, after in self._told_in(order, journey):
            error = code if status == "failed" else None
            self._later(after * self._pace, partial(self._tell, message, status, error))
        if forgery := self._forgeries.draw():
            after = self._dice.uniform(0.1, 6) * self._pace
            self._later(after, partial(self._forge, message, forgery))
        if code is None:
            self._write_back(message)

    def _fate(self, message: Message) -> tuple[int | None, Sequence[tuple[str, float]]]:
        invited = "/invitations/" in message.body
        if message.by_whatsapp and message.number.endswith(mix.WITHOUT_WHATSAPP):
            self._notes.write(fate="not_on_whatsapp")
            return self._dice.choice(mix.NOT_ON_WHATSAPP), DEAD_END
        deck = self._fates_of_invitations[message.by_whatsapp] if invited else self._fates
        fate = deck.draw()
        self._notes.write(fate=fate)
        if fate == "arrives":
            return None, JOURNEY
        codes = mix.FAILED_FOR_NOW if fate == "fails_for_now" else mix.FAILED_FOR_GOOD
        return self._dice.choice(codes), DEAD_END

    def _told_in(self, order: str, journey: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
        """Which report is sent when, in seconds at the usual pace."""
        names, times = [name for name, _ in journey], [after for _, after in journey]
        if order == "never":
            return []
        if order == "late":
            times = [after + self._dice.uniform(5, 40) for after in times]
        elif order == "backwards":
            names.reverse()
        elif order == "shuffled":
            self._dice.shuffle(names)
        return list(zip(names, times, strict=True)) * (2 if order == "twice" else 1)

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        self._timetable.add(seconds, partial(self._hands.submit, action))

    def _tell(self, message: Message, status: str, error: int | None) -> None:
        self._notes.write(report=status, answer=self.report(message, status, error))

    # --- What others make up ----------------------------------------------------------------------
    def _forge(self, message: Message, how: str) -> None:
        """A report that it failed, which would have the person told again; or a STOP."""
        url, phone = message.callback, _phone(message)
        fields = self._fields(message) | {"To": phone, "From": message.sender}
        fields |= {"MessageStatus": "failed", "SmsStatus": "failed", "ErrorCode": "63016"}
        signed, words, key = url, fields, self.account.token
        if how == "another_key":
            key = "not-the-key"
        elif how == "another_status":
            words = fields | {"MessageStatus": "sent", "SmsStatus": "sent"}
        elif how == "another_try":
            url = _TRY.sub(lambda found: f"/{int(found[1]) + 1}/", url)
        elif how == "somebodys_stop":
            signed = url = f"{self._base}/twilio/inbound/"
            fields = self._fields(message) | {"From": phone, "To": message.sender, "Body": "STOP"}
            fields["MessageSid"] = f"SM{self._dice.getrandbits(128):032x}"
            words, key = fields, "not-the-key"
        signature = RequestValidator(key).compute_signature(signed, words)
        answer = _posted(url, fields, "" if how == "unsigned" else signature)
        self._notes.write(forged=how, answer=answer)

    # --- What people write back -------------------------------------------------------------------
    def _write_back(self, message: Message) -> None:
        written = (self._answers if message.by_whatsapp else self._texted).draw()
        after = self._dice.uniform(1.5, 4) * self._pace
        for word in written.split(", then ") if written else ():
            self._later(after, partial(self._write, message.number, word, message.sender))
            after += self._dice.uniform(5, 30) * max(self._pace, 0.1)

    def _write(self, number: str, word: str, to: str) -> None:
        """Handed to the portal twice, as Twilio does where an answer is late."""
        said = Message(number=number, body=word, inbound=True, sender=to, status="received")
        self._store.add(said)
        fields = self._fields(said) | {"From": _phone(said), "To": to, "Body": word}
        began = time.time()
        url = f"{self._base}/twilio/inbound/"
        answers = [answer for _ in range(2) if (answer := self._post(url, fields)) is not None]
        self._notes.write(
            written=word,
            by_sms=not said.by_whatsapp,
            number=number,
            began=began,
            ended=time.time(),
            answers=[answer.status_code for answer in answers],
            said=[answer.text.count("<Message>") for answer in answers],
        )


def _phone(message: Message) -> str:
    """The phone, as it is called on the channel the message went by."""
    return ("whatsapp:" if message.sender.startswith("whatsapp:") else "") + message.number


def _posted(url: str, fields: dict[str, str], signature: str) -> int:
    """The portal's answer to what it must not believe; 0 if there was none."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            headers = {"X-Twilio-Signature": signature} if signature else {}
            return session.post(url, fields, headers=headers, timeout=SECONDS).status_code
        except requests.RequestException:
            return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.messages.mischief")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--pace", type=float, required=True)
    parser.add_argument("--control", action="store_true", help="as the stand-in; always so here")
    options = parser.parse_args()
    account = Account(
        os.environ["TWILIO_ACCOUNT_SID"],
        os.environ["TWILIO_AUTH_TOKEN"],
        os.environ["TWILIO_WHATSAPP_FROM"],
        os.environ["TWILIO_SMS_FROM"],
    )
    portal = os.environ["PUBLIC_URL"]
    dice, notes = random.Random(options.seed), Notes(options.folder / NOTES)  # noqa: S311 - dice
    stand_in = StandIn(
        account, portal=portal, port=options.port, state=options.folder / STATE, control=True
    )
    stand_in.faults = Dealt(dice, options.pace, notes)
    stand_in.portal = Mischief.of(stand_in.portal, dice, options.pace, notes)
    stand_in.serve()


if __name__ == "__main__":
    main()

"""What Twilio tells the portal, each request signed: where a message is, and what was replied."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import partial

import requests
from twilio.request_validator import RequestValidator

from portal.standin import keywords
from portal.standin.api import Account
from portal.standin.content import NOT_TEMPLATED, Contents
from portal.standin.faults import Faults
from portal.standin.store import Message, Store

logger = logging.getLogger(__name__)

SECONDS = 10
# When a message is where, in seconds after it was accepted.
JOURNEY = (("queued", 0.1), ("sent", 0.4), ("delivered", 1.0), ("read", 4.0))
DEAD_END = (("queued", 0.1), ("sent", 0.4), ("failed", 1.0))


class Timetable:
    """Runs things at their time, one after the other, on a thread of its own."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="callbacks", daemon=True).start()

    def add(self, seconds: float, action: Callable[[], object]) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._count), action))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                _, _, action = heapq.heappop(self._due)
            action()


class Portal:
    """The portal as the stand-in sees it: an address to report to, and a token to sign with."""

    def __init__(
        self, account: Account, store: Store, contents: Contents, faults: Faults, base: str
    ) -> None:
        self.account = account
        self._contents = contents
        self._store = store
        self._faults = faults
        self._base = base.rstrip("/")
        self._timetable = Timetable()

    def follow(self, message: Message) -> None:
        """Let a message travel, and report on it as the faults say."""
        code = self._faults.fails_with or message.doom
        if (
            self._faults.window
            and message.by_whatsapp
            and not self._contents.opens(message.template)
        ):
            code = code or (0 if self._store.wrote_lately(message.number) else NOT_TEMPLATED)
        journey = DEAD_END if code else JOURNEY
        pace = self._faults.pace
        for status, after in journey:
            error = code if status == "failed" else None
            self._timetable.add(
                after * pace, partial(self._store.report, message.sid, status, error)
            )
        for status, after in self._order(journey):
            error = code if status == "failed" else None
            self._timetable.add(after * pace, partial(self.report, message, status, error))

    def _order(self, journey: tuple[tuple[str, float], ...]) -> list[tuple[str, float]]:
        order = self._faults.callbacks
        names, times = [name for name, _ in journey], [after for _, after in journey]
        if order == "none":
            return []
        if order == "reversed":
            names.reverse()
        if order == "shuffled":
            random.shuffle(names)
        twice = 2 if order == "doubled" else 1
        return list(zip(names, times, strict=True)) * twice

    def report(self, message: Message, status: str, error_code: int | None = None) -> int:
        """Send one status callback now; return the portal's answer, 0 if it gave none."""
        if not message.callback:
            return 0
        fields = self._fields(message) | {
            "To": _phone(message),
            "From": message.sender,
            "MessageStatus": status,
            "SmsStatus": status,
        }
        if error_code is not None:
            fields["ErrorCode"] = str(error_code)
        answer = self._post(message.callback, fields)
        return answer.status_code if answer is not None else 0

    def reply(self, number: str, body: str, to: str) -> None:
        """Somebody answers on their phone; what the portal says to that appears there too."""
        message = self._store.add(
            Message(number=number, body=body, inbound=True, sender=to, status="received")
        )
        fields = self._fields(message) | {
            "From": _phone(message),
            "To": to,
            "Body": body,
            "NumMedia": "0",
        }
        answer = self._post(f"{self._base}/twilio/inbound/", fields)
        self._answer_itself(message)
        if not message.by_whatsapp and number in self._store.stopped:
            return  # whatever the portal says, Twilio delivers no text message to this phone
        for words in _said(answer.text if answer is not None and answer.ok else ""):
            self._store.add(Message(number=number, body=words, sender=to, status="read"))

    def _answer_itself(self, message: Message) -> None:
        """What Twilio says to a STOP or START in a text message, whatever the portal says."""
        word = keywords.said(message.body)
        if message.by_whatsapp or word not in keywords.STOP | keywords.START:
            return
        words = keywords.STOPPED if word in keywords.STOP else keywords.STARTED
        self._store.add(
            Message(number=message.number, body=words, sender=message.sender, status="read")
        )

    def _fields(self, message: Message) -> dict[str, str]:
        return {
            "AccountSid": self.account.sid,
            "ApiVersion": "2010-04-01",
            "MessageSid": message.sid,
            "SmsSid": message.sid,
        }

    def _post(self, url: str, fields: dict[str, str]) -> requests.Response | None:
        signature = RequestValidator(self.account.token).compute_signature(url, fields)
        try:
            with requests.Session() as session:
                session.trust_env = False  # the portal is beside us, behind no proxy
                return session.post(
                    url, data=fields, headers={"X-Twilio-Signature": signature}, timeout=SECONDS
                )
        except requests.RequestException as error:
            logger.warning("the portal did not take a callback: %s", type(error).__name__)
            return None


def _phone(message: Message) -> str:
    return f"whatsapp:{message.number}" if message.by_whatsapp else message.number


def _said(twiml: str) -> list[str]:
    """The messages in a TwiML answer."""
    if not twiml:
        return []
    try:
        root = ET.fromstring(twiml)  # noqa: S314 - from the portal beside us
    except ET.ParseError:
        return []
    return ["".join(message.itertext()).strip() for message in root.iter("Message")]

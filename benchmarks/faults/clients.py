"""Patients who keep sending cases, whatever happens, and write down what they were told.

They are threads of the benchmark's own process and share the portal's cores.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

import requests

from benchmarks.faults.journal import TAKEN, Entry, Journal, Try
from benchmarks.rig import Sender

TIMEOUT = 15.0  # seconds
GIVES_UP = 60.0  # seconds after which a sender stops repeating a request
PAUSE = 0.3  # seconds before a third and any further request
THREADS = 4


class Clients:
    """``begin`` and ``end`` a load of ``rate`` cases a second; ``send`` sends one more."""

    def __init__(
        self,
        addresses: Sequence[str],
        senders: Sequence[Sender],
        pictures: Sequence[bytes],
        spare: Sequence[bytes],
        rate: float,
    ) -> None:
        """``spare`` are pictures that are sent only when somebody asks for it."""
        self.addresses = addresses
        self.spare = spare
        self.journal = Journal()
        self._senders = itertools.cycle(senders)
        self._pictures = itertools.cycle(pictures)
        self._turn = itertools.count()
        self._gap = 1 / rate
        self._next_at = 0.0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, fault: str) -> None:
        """Send from now on, in the name of ``fault``."""
        self._ending.clear()
        self._next_at = time.monotonic()
        self._threads = [
            threading.Thread(target=self._keep_sending, args=[fault], daemon=True)
            for _ in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Begin no new case; see ``idle`` for when the last ones are through."""
        self._ending.set()

    @property
    def idle(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def send(self, fault: str, picture: bytes | None = None, *, poison: bool = False) -> Entry:
        """One case, repeated with the same key until it is acknowledged."""
        with requests.Session() as session:
            return self._send(session, fault, picture, poison=poison)

    def _keep_sending(self, fault: str) -> None:
        with requests.Session() as session:
            while not self._ending.wait(max(0.0, self._my_turn() - time.monotonic())):
                self._send(session, fault)

    def _my_turn(self) -> float:
        """When the next case is due; a standstill is not made up for by a rush."""
        with self._lock:
            self._next_at = max(self._next_at + self._gap, time.monotonic() - 1)
            return self._next_at

    def _send(
        self,
        session: requests.Session,
        fault: str,
        picture: bytes | None = None,
        *,
        poison: bool = False,
    ) -> Entry:
        with self._lock:
            sender, own = next(self._senders), next(self._pictures)
            first = next(self._turn)
        entry = self.journal.open(sender.email, fault, poison=poison)
        gives_up = time.monotonic() + GIVES_UP
        for number in itertools.count():
            address = self.addresses[(first + number) % len(self.addresses)]
            self._try(session, entry, sender, picture or own, address)
            if entry.case or time.monotonic() > gives_up:
                return entry
            if number:  # both servers refused: a person would not hammer them
                time.sleep(PAUSE)
        raise AssertionError("unreachable")

    def _try(
        self,
        session: requests.Session,
        entry: Entry,
        sender: Sender,
        picture: bytes,
        address: str,
    ) -> None:
        began = time.time()
        try:
            answer = session.post(
                f"{address}/api/v1/cases",
                data={"site": "back", "kind": "dermoscopic"},
                files={"photo": ("photo.jpg", picture, "image/jpeg")},
                headers=sender.headers | {"Idempotency-Key": entry.key},
                timeout=TIMEOUT,
            )
        except requests.RequestException as error:
            entry.tries.append(Try(address, began, time.time(), 0, why=type(error).__name__))
            return
        retry_after = answer.headers.get("Retry-After", "")
        taken = answer.status_code in TAKEN
        why = "" if taken else answer.text[:200]
        done = Try(address, began, time.time(), answer.status_code, retry_after, why)
        entry.tries.append(done)
        if taken:
            entry.case = str(answer.json()["id"])

"""What the stand-in has accepted. Kept as JSON lines, so that a restarted demo shows it again."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portal.standin import keywords

FINAL = ("delivered", "read", "undelivered", "failed")


def _now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass
class Message:
    """One message, out to a phone or in from it. ``number`` is the phone's, in E.164."""

    number: str
    body: str
    inbound: bool = False
    sender: str = ""
    callback: str = ""
    template: str = ""
    # The code it will fail with, known as soon as it was taken; 0 for none.
    doom: int = 0
    sid: str = field(default_factory=lambda: "SM" + secrets.token_hex(16))
    status: str = "queued"
    error_code: int | None = None
    at: str = field(default_factory=_now)

    @property
    def by_whatsapp(self) -> bool:
        """Else it is a text message."""
        return not self.sender.startswith("+")

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


class Store:
    """All messages in the order they came; safe to use from many threads."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._by_sid: dict[str, Message] = {}
        # Phones that stopped text messages: Twilio refuses to send them any (21610).
        self.stopped: set[str] = set()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._load(path)

    def add(self, message: Message) -> Message:
        with self._lock:
            self._by_sid[message.sid] = message
            self._heed(message)
            self._append({"message": asdict(message)})
        return message

    def _heed(self, message: Message) -> None:
        """Twilio's own STOP and START, which it knows in text messages only."""
        if not message.inbound or message.by_whatsapp:
            return
        word = keywords.said(message.body)
        if word in keywords.STOP:
            self.stopped.add(message.number)
        elif word in keywords.START:
            self.stopped.discard(message.number)

    def report(self, sid: str, status: str, error_code: int | None = None) -> None:
        """A message is somewhere else now."""
        with self._lock:
            message = self._by_sid[sid]
            message.status, message.error_code = status, error_code
            self._append({"status": [sid, status, error_code]})

    def get(self, sid: str) -> Message | None:
        return self._by_sid.get(sid)

    def messages(self, wanted: Callable[[Message], bool] = lambda _: True) -> list[Message]:
        with self._lock:
            return [message for message in self._by_sid.values() if wanted(message)]

    def accepted(self) -> list[Message]:
        """What was taken from the portal: the number a test of "once" counts."""
        return self.messages(lambda message: not message.inbound)

    def wrote_lately(self, number: str, hours: float = 24) -> bool:
        """Whether the phone has written to us within WhatsApp's window."""
        now = datetime.now(UTC)
        return any(
            (now - message.moment).total_seconds() < hours * 3600
            for message in self.messages(lambda one: one.inbound and one.number == number)
            if message.by_whatsapp
        )

    def _append(self, line: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _load(self, path: Path) -> None:
        for line in _lines(path):
            if "message" in line:
                message = Message(**line["message"])
                self._by_sid[message.sid] = message
                self._heed(message)
            else:
                sid, status, code = line["status"]
                self._by_sid[sid].status, self._by_sid[sid].error_code = status, code
        for message in self._by_sid.values():
            # Whoever should have reported this went down with the last run.
            if not message.inbound and message.status not in FINAL:
                message.status = "delivered"


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        return
    for raw in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(raw)
        except json.JSONDecodeError:
            continue  # the line a kill cut short

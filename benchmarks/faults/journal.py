"""What the client knows: which cases were acknowledged to it, and how. Never read from the portal.

At the end it is compared with a final read of the database (``benchmarks.faults.audit``).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus

TAKEN = (HTTPStatus.OK, HTTPStatus.CREATED)


@dataclass(frozen=True, slots=True)
class Try:
    """One request. ``status`` is 0 where no answer came; times are seconds since 1970."""

    address: str
    began: float
    ended: float
    status: int
    retry_after: str = ""
    why: str = ""


@dataclass
class Entry:
    """One case as its sender sees it, under its ``Idempotency-Key``."""

    key: str
    sender: str  # e-mail address
    fault: str  # during which it was sent
    poison: bool = False
    tries: list[Try] = field(default_factory=list)
    case: str = ""  # its id, once acknowledged

    @property
    def acknowledged(self) -> float | None:
        return self.tries[-1].ended if self.case else None

    @property
    def failed_after_retry(self) -> bool:
        """Whether the first request and one retry on the other web server were not enough."""
        return not any(one.status in TAKEN for one in self.tries[:2])


class Journal:
    """Every entry in the order it was begun; appended to by the clients' threads."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def open(self, sender: str, fault: str, *, poison: bool = False) -> Entry:
        """A new entry with a key of its own, noted before anything is sent."""
        with self._lock:
            key = f"case-{len(self._entries)}"
            self._entries.append(Entry(key, sender, fault, poison))
            return self._entries[-1]

    def of(self, fault: str) -> list[Entry]:
        with self._lock:
            return [entry for entry in self._entries if entry.fault == fault]

    def acknowledged(self, fault: str) -> list[Entry]:
        return [entry for entry in self.of(fault) if entry.case]

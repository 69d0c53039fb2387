"""How the stand-in may be told to misbehave."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

# What may happen to a request that sends a message:
#   refuse   answered with ``status`` and Twilio's ``code``, not accepted
#   slow     accepted, answered after ``seconds``
#   drop     accepted, and the connection closed without an answer
#   reset    the connection closed, not accepted
#   break    accepted, and answered with ``status`` (a 5xx)
Kind = Literal["refuse", "slow", "drop", "reset", "break"]
Order = Literal["normal", "none", "doubled", "shuffled", "reversed"]


@dataclass(frozen=True)
class Fault:
    kind: Kind
    status: int = 500
    code: int | None = None
    seconds: float = 0


@dataclass
class Faults:
    """What goes wrong: ``next`` for the coming requests one each, ``always`` for all others."""

    next: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    # How status callbacks travel, and how fast: 0.01 makes a second ten milliseconds.
    callbacks: Order = "normal"
    pace: float = 1.0
    # The code every accepted message fails with afterwards; 0 for none.
    fails_with: int = 0
    # WhatsApp's rule: outside 24 hours of the person's last message only templates pass (63016).
    window: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Fault | None:
        """What happens to this request."""
        with self._lock:
            return self.next.popleft() if self.next else self.always

    def set(self, wishes: dict[str, Any]) -> None:
        """Take orders as JSON: the names of the fields, and faults as objects."""
        with self._lock:
            for name, value in wishes.items():
                if name == "next":
                    self.next = deque(Fault(**one) for one in value)
                elif name == "always":
                    self.always = Fault(**value) if value else None
                elif name in ("callbacks", "pace", "fails_with", "window"):
                    setattr(self, name, value)
                else:
                    raise KeyError(name)

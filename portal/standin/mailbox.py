"""The e-mails Django's file backend has written into a folder."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

# What the backend writes after each mail.
_RULE = re.compile(rb"\n-{79}\n")
SHOWN = 40


@dataclass(frozen=True)
class Mail:
    to: str
    subject: str
    body: str
    at: datetime


def read(folder: Path | None) -> list[Mail]:
    """Return the newest mails, newest first; none where there is no folder."""
    if folder is None or not folder.is_dir():
        return []
    newest = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    mails = [
        _parsed(raw, path) for path in newest[:SHOWN] for raw in _RULE.split(path.read_bytes())
        if raw.strip()
    ]  # fmt: skip
    return sorted(mails, key=lambda mail: mail.at, reverse=True)[:SHOWN]


def _parsed(raw: bytes, path: Path) -> Mail:
    message = email.message_from_bytes(raw.lstrip(), policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError("the default policy makes an EmailMessage")
    part = message.get_body(preferencelist=("plain",))
    date = message["Date"]
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Mail(
        to=str(message["To"]),
        subject=str(message["Subject"]),
        body=str(part.get_content()) if part is not None else "",
        at=parsedate_to_datetime(str(date)) if date else written,
    )

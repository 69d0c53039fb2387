"""Log lines that name nobody. What we write into logs ourselves holds no personal data; this is for
what libraries and errors add: PostgreSQL quotes the values of a row it refuses, an HTTP client the
address it asked, Django the path that was not found.
"""

from __future__ import annotations

import logging
import re

# What PostgreSQL adds to an error: the whole row, over as many lines as its texts have.
_QUOTED_ROW = re.compile(
    r"^(DETAIL|CONTEXT): .*?(?=\n\n(?:The above exception|During handling)|\Z)", re.DOTALL | re.M
)
_NUMBER = re.compile(r"(\+|%2B)\d[\d ]{5,16}\d", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.%+-]+@(?=[\w-]+\.\w)")
# A link, an invitation, a new password: whoever reads the log must not be able to open it.
_TOKEN = re.compile(r"/(l|invitations|key)/[\w=-]{8,}")


def discreet(text: str) -> str:
    """``text`` without phone numbers, e-mail addresses, the tokens of links, and quoted rows."""
    text = _QUOTED_ROW.sub(r"\1: left out", text)
    text = _TOKEN.sub(r"/\1/…", text)
    text = _NUMBER.sub(lambda found: f"{found[0][:3]}…{found[0][-2:]}", text)
    return _ADDRESS.sub("…@", text)


class Discreet(logging.Formatter):
    """Formats as its parent does, and leaves out what names somebody."""

    def format(self, record: logging.LogRecord) -> str:
        return discreet(super().format(record))

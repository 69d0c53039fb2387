"""Log lines that name nobody. What we write into logs ourselves holds no personal data; this is for
what libraries and errors add: PostgreSQL quotes the values of a row it refuses, an HTTP client the
address it asked, Django the path that was not found.
"""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

# What PostgreSQL adds to an error: the whole row, over as many lines as its texts have.
_QUOTED_ROW = re.compile(
    r"^(DETAIL|CONTEXT): .*?(?=\n\n(?:The above exception|During handling)|\Z)", re.DOTALL | re.M
)
_NUMBER = re.compile(r"(\+|%2B)\d[\d ]{5,16}\d", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.%+-]+@(?=[\w-]+\.\w)")
# A link, an invitation, a new password: whoever reads the log must not be able to open it.
_TOKEN = re.compile(r"/(l|invitations|key|stop)/[\w=:-]{8,}")
# What a line may say beside its words: keys and codes, given as ``extra=``.
EXTRAS = (
    *("scoring_id", "message_id", "attempt"),
    *("method", "route", "status", "ms", "role"),
)

FORMATS = ("json", "text")

# Of the request that is being answered; empty outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")


def logging_as(form: str, level: str) -> dict[str, Any]:
    """Django's ``LOGGING``: everything to standard error, ``form`` being one of :data:`FORMATS`."""
    if form not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT is {form!r}, and none of {', '.join(FORMATS)}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {
                "class": "portal.discretion.Discreet",
                "format": "{asctime} {levelname} {name} {message}",
                "style": "{",
            },
            "json": {"class": "portal.discretion.DiscreetJson"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Two lines for every wake-up call would bury what the workers themselves say.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            # It brings a handler of its own, whose lines would look otherwise.
            "gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
    }


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


class DiscreetJson(logging.Formatter):
    """One JSON object a line, and nothing in it that names somebody.

    Always ``time`` (UTC), ``level``, ``logger`` and ``message``; where there is one ``request_id``,
    what :data:`EXTRAS` names, and ``error`` with the whole traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        # Field by field: in the finished line a quoted row would have no end.
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": discreet(record.getMessage()),
        }
        if asked := _request_of(record):
            line["request_id"] = asked
        for name in EXTRAS:
            if (value := getattr(record, name, None)) is not None:
                line[name] = value if isinstance(value, int | float) else discreet(str(value))
        if record.exc_info:
            line["error"] = discreet(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = discreet(self.formatStack(record.stack_info))
        return json.dumps(line, ensure_ascii=False)


def _request_of(record: logging.LogRecord) -> str:
    """Django speaks of a refused request when it has been answered already, and names it."""
    named = getattr(getattr(record, "request", None), "request_id", "")
    return str(named or request_id.get())

"""Twilio's Messages resource: what it checks, what it answers, and its error codes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from portal.standin.store import Message, Store

E164 = re.compile(r"whatsapp:\+[1-9]\d{6,14}")
LONGEST = 1600


@dataclass(frozen=True)
class Account:
    """The account that may use the stand-in, and its WhatsApp sender (in E.164)."""

    sid: str
    token: str
    sender: str = ""


class Refused(Exception):
    """A request Twilio would refuse, with its HTTP status and its own code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def read(form: Mapping[str, str], account: Account) -> Message:
    """Check a request to send as Twilio does and return its message. Raises ``Refused``."""
    to, sender = form.get("To", ""), form.get("From", "")
    if not to:
        raise Refused(400, 21604, "A 'To' phone number is required.")
    if not sender:
        raise Refused(400, 21603, "A 'From' phone number is required.")
    if not E164.fullmatch(to):
        raise Refused(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    if account.sender and sender != f"whatsapp:{account.sender}":
        raise Refused(400, 63007, "Twilio could not find a Channel with the specified From address")
    callback = form.get("StatusCallback", "")
    if callback and urlsplit(callback).scheme not in ("http", "https"):
        raise Refused(400, 21609, "The 'StatusCallback' URL is not a valid URL.")
    return Message(
        number=to.removeprefix("whatsapp:"),
        body=_body(form),
        sender=sender,
        callback=callback,
        template=form.get("ContentSid", ""),
    )


def _body(form: Mapping[str, str]) -> str:
    if form.get("ContentSid"):
        try:
            variables = json.loads(form.get("ContentVariables") or "{}")
        except json.JSONDecodeError as error:
            raise Refused(400, 21656, "The ContentVariables Parameter is invalid.") from error
        # The template's own words are with Twilio; here its variables stand for it.
        return f"[{form['ContentSid']}] " + " ".join(str(value) for value in variables.values())
    body = form.get("Body", "")
    if not body:
        raise Refused(400, 21602, "Message body is required.")
    if len(body) > LONGEST:
        raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    return body


def show(message: Message, account: Account) -> dict[str, Any]:
    """A message as Twilio's JSON."""
    at = format_datetime(message.moment)
    phone = f"whatsapp:{message.number}"
    uri = f"/2010-04-01/Accounts/{account.sid}/Messages/{message.sid}.json"
    return {
        "account_sid": account.sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": at,
        "date_sent": None if message.status == "queued" else at,
        "date_updated": at,
        "direction": "inbound" if message.inbound else "outbound-api",
        "error_code": message.error_code,
        "error_message": None,
        "from": phone if message.inbound else message.sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": uri.replace(".json", "/Media.json")},
        "to": message.sender if message.inbound else phone,
        "uri": uri,
    }


def listing(store: Store, query: Mapping[str, str], account: Account) -> dict[str, Any]:
    """The messages to a number, newest first, as Twilio lists them.

    Like there, a filter by DateSent leaves out what is still queued.
    """
    number = query.get("To", "").removeprefix("whatsapp:")
    since = query.get("DateSent>", "")

    def wanted(message: Message) -> bool:
        if message.inbound or (number and message.number != number):
            return False
        if not since:
            return True
        return message.status != "queued" and message.moment >= datetime.fromisoformat(since)

    size, page = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
    found = list(reversed(store.messages(wanted)))
    shown = found[page * size : (page + 1) * size]
    uri = f"/2010-04-01/Accounts/{account.sid}/Messages.json"
    more = len(found) > (page + 1) * size
    return {
        "first_page_uri": f"{uri}?{urlencode(dict(query) | {'Page': 0})}",
        "next_page_uri": f"{uri}?{urlencode(dict(query) | {'Page': page + 1})}" if more else None,
        "previous_page_uri": None,
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + len(shown),
        "uri": uri,
        "messages": [show(message, account) for message in shown],
    }

"""Twilio's Messages resource: what it checks, what it answers, and its error codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import phonenumbers

from portal.standin.content import Contents
from portal.standin.refusals import Refused
from portal.standin.store import Message, Store

PHONE = re.compile(r"\+[1-9]\d{6,14}")
SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
WHATSAPP = "whatsapp:"
LONGEST = 1600
# Twilio picks a number of the messaging service; here it has only this one.
SERVICE_NUMBER = "+15005550008"
FIXED = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.TOLL_FREE)


@dataclass(frozen=True)
class Account:
    """The account that may use the stand-in, its WhatsApp sender (in E.164), and its sender of
    text messages: a number in E.164, or a messaging service ("MG…"). Without one, any may send."""

    sid: str
    token: str
    sender: str = ""
    sms: str = ""


def read(form: Mapping[str, str], account: Account, contents: Contents) -> Message:
    """Check a request to send as Twilio does and return its message. Raises ``Refused``."""
    to = form.get("To", "")
    if not to:
        raise Refused(400, 21604, "A 'To' phone number is required.")
    sender = _sender(form, account)
    number = to.removeprefix(WHATSAPP)
    if not PHONE.fullmatch(number):
        raise Refused(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    if sender.startswith(WHATSAPP) != to.startswith(WHATSAPP):
        raise Refused(
            400, 21910, "Invalid From and To pair. From and To should be of the same channel"
        )
    if not to.startswith(WHATSAPP) and _is_fixed(number):
        raise Refused(400, 21614, f"To number: {to}, is not a mobile number")
    callback = form.get("StatusCallback", "")
    if callback and urlsplit(callback).scheme not in ("http", "https"):
        raise Refused(400, 21609, "The 'StatusCallback' URL is not a valid URL.")
    template, variables = form.get("ContentSid", ""), form.get("ContentVariables", "")
    body = contents.render(template, variables) if template else _body(form)
    by_whatsapp = to.startswith(WHATSAPP)
    return Message(
        number=number,
        body=body,
        sender=sender,
        callback=callback,
        template=template,
        doom=contents.fails_with(template, variables) if template and by_whatsapp else 0,
    )


def _sender(form: Mapping[str, str], account: Account) -> str:
    """Who sends: the account's own WhatsApp sender, number, or messaging service."""
    sender, service = form.get("From", ""), form.get("MessagingServiceSid", "")
    if not (sender or service):
        raise Refused(400, 21603, "A 'From' phone number is required.")
    if sender.startswith(WHATSAPP):
        if account.sender and sender != f"{WHATSAPP}{account.sender}":
            raise Refused(
                400, 63007, "Twilio could not find a Channel with the specified From address"
            )
        return sender
    if account.sms and account.sms not in (sender, service):
        if service and not sender:
            raise Refused(404, 21701, "The Messaging Service does not exist.")
        raise Refused(400, 21606, f"The From phone number {sender} is not an SMS-capable number.")
    return sender or SERVICE_NUMBER


def _is_fixed(number: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(number)) in FIXED


def _body(form: Mapping[str, str]) -> str:
    if form.get("ContentVariables"):
        raise Refused(400, 21654, "ContentSid Required")
    body = form.get("Body", "")
    if not body:
        raise Refused(400, 21602, "Message body is required.")
    if len(body) > LONGEST:
        raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    return body


def show(message: Message, account: Account) -> dict[str, Any]:
    """A message as Twilio's JSON."""
    at = format_datetime(message.moment)
    phone = f"{WHATSAPP}{message.number}" if message.by_whatsapp else message.number
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
    to = query.get("To", "")
    number, by_whatsapp = to.removeprefix(WHATSAPP), to.startswith(WHATSAPP)
    since = query.get("DateSent>", "")

    def wanted(message: Message) -> bool:
        if message.inbound or (number and message.number != number):
            return False
        if number and message.by_whatsapp != by_whatsapp:
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

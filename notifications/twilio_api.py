"""Speaking to Twilio through its own client, at a settable address, with errors we can act on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.urls import reverse
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance
from urllib3.exceptions import MaxRetryError, NewConnectionError

from notifications import tokens
from notifications.errors import DeliveryError, Kind, from_code
from notifications.models import Channel, Message
from notifications.waits import CONNECT_SECONDS, READ_SECONDS

# How far Twilio's clock and ours may differ when a look-up asks for "sent since".
CLOCKS_DIFFER = timedelta(hours=1)
PAGE = 100
READ_AT_MOST = 2000

_TOKEN_IN_BODY = re.compile(r"/(?:l|invitations)/([A-Za-z0-9_-]+)/")
_CODE_IN_BODY = re.compile(r"\b[0-9]{6}\b")


@dataclass(frozen=True)
class Fate:
    """What Twilio says became of a message: its id, its status, its error code or None."""

    sid: str
    status: str
    code: int | None


def configured(channel: str = Channel.WHATSAPP) -> bool:
    """Whether the environment names an account, and a sender of the channel."""
    by_sms = channel == Channel.SMS
    sender = settings.TWILIO_SMS_FROM if by_sms else settings.TWILIO_WHATSAPP_FROM
    return bool(settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN and sender)


def by_whatsapp(message: Message, body: str, variable: str, whole: str = "") -> str:
    """Hand a WhatsApp message to Twilio; return its id. Raises ``DeliveryError``.

    With an approved template for the event only the link, or the code, travels, as its variable 1,
    and a doctor's words (``whole``) as its variable 2; without one the text is sent as it is, which
    WhatsApp takes within 24 hours of the person's last message (and in Twilio's sandbox), and
    refuses with 63016 otherwise.
    """
    template = content_sid(message, whole=bool(whole))
    variables = {"1": variable} | ({"2": whole} if whole else {})
    words = (
        {"content_sid": template, "content_variables": json.dumps(variables)}
        if template
        else {"body": body}
    )
    return _create(message, from_=_whatsapp(settings.TWILIO_WHATSAPP_FROM), **words)


def by_sms(message: Message, body: str) -> str:
    """Hand a text message to Twilio, which picks the number if the sender is a messaging service;
    return its id. Raises ``DeliveryError``."""
    sender = settings.TWILIO_SMS_FROM
    name = "messaging_service_sid" if sender.startswith("MG") else "from_"
    return _create(message, body=body, **{name: sender})


def _create(message: Message, **fields: str) -> str:
    callback = status_callback(message)
    if callback:
        fields["status_callback"] = callback
    try:
        sent = client().messages.create(to=_address(message), **fields)
    except (TwilioException, requests.RequestException, ValueError) as error:
        raise _judged(error) from error
    if not sent.sid:
        raise DeliveryError(Kind.UNKNOWN, "Twilio's answer carried no id.")
    return str(sent.sid)


def look_up(message: Message) -> Fate | None:
    """Ask Twilio what became of a message; None if it does not have it. Raises ``DeliveryError``.

    By its id where we have one, else among the last messages to the number: ours is the one whose
    text carries the token of our link, or our code.
    """
    try:
        if message.provider_id:
            return _fate(client().messages(message.provider_id).fetch())
        return _find(message)
    except (TwilioException, requests.RequestException, ValueError) as error:
        raise _judged(error) from error


def _find(message: Message) -> Fate | None:
    to = _address(message)
    since = (message.tried_at or message.created_at) - CLOCKS_DIFFER
    messages = client().messages
    # A message Twilio still holds in its queue has no DateSent yet: the second list has it, newest
    # first, and is read back to the moment of our try.
    for rows in (
        messages.stream(to=to, date_sent_after=since, page_size=PAGE),
        takewhile(
            lambda row: row.date_created is None or row.date_created >= since,
            messages.stream(to=to, page_size=PAGE),
        ),
    ):
        for read, row in enumerate(rows):
            if _is_ours(row, message):
                return _fate(row)
            if read == READ_AT_MOST:
                # "Not among these" would not mean "not there", and would be sent twice.
                raise DeliveryError(Kind.UNKNOWN, "Twilio's list is too long to be read.")
    return None


def _is_ours(row: MessageInstance, message: Message) -> bool:
    if not _carries_ours(row.body or "", message):
        return False
    # An invitation sent again carries the same link: the earlier message is not this one.
    return not Message.objects.filter(provider_id=row.sid).exclude(pk=message.pk).exists()


def _carries_ours(body: str, message: Message) -> bool:
    if message.code_id is not None:
        return tokens.digits(message.code_id) in _CODE_IN_BODY.findall(body)
    target = message.link or message.invitation
    found = _TOKEN_IN_BODY.search(body)
    return bool(found and target and tokens.sha256(found[1]) == target.token_sha256)


def _fate(row: MessageInstance) -> Fate:
    return Fate(str(row.sid), str(row.status), int(row.error_code) if row.error_code else None)


def content_sid(message: Message, *, whole: bool = False) -> str:
    """The approved template for the event, in the message's language if there is one; else "".

    ``whole``: the one that has a second variable, for the doctor's words.
    """
    sids: dict[str, str] = settings.TWILIO_CONTENT_SIDS
    name = f"{message.event}.full" if whole else message.event
    return sids.get(f"{name}.{message.language}") or sids.get(name, "")


def status_callback(message: Message) -> str:
    """Where Twilio reports on this try; "" if it could not reach us there, and would refuse."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not settings.TWILIO_API_BASE and host in ("localhost", "127.0.0.1", "::1"):
        return ""
    return f"{settings.PUBLIC_URL}{reverse('twilio_status', args=[message.pk, message.attempts])}"


def client(limits: tuple[float, float] | None = None) -> Client:
    """Twilio's own client with our credentials.

    ``limits`` are the seconds it may take to connect, and to be answered; else those of sending.
    """
    return Client(
        settings.TWILIO_ACCOUNT_SID,
        settings.TWILIO_AUTH_TOKEN,
        http_client=_SettableAddress(limits or (CONNECT_SECONDS, READ_SECONDS)),
    )


def _address(message: Message) -> str:
    """The phone as Twilio writes it on the message's channel."""
    return message.address if message.channel == Channel.SMS else _whatsapp(message.address)


def _whatsapp(number: str) -> str:
    return number if number.startswith("whatsapp:") else f"whatsapp:{number}"


class _SettableAddress(HttpClient):  # type: ignore[misc]  # twilio ships no types
    """Sends what Twilio's client made to ``TWILIO_API_BASE``, if set; logs nothing.

    Twilio's own HTTP client logs addresses, which hold phone numbers. No connection is kept: one
    that died while idle would look like an answer lost, and cost minutes of finding out.
    """

    def __init__(self, limits: tuple[float, float]) -> None:
        """No connection to keep: one is made for each request."""
        self._limits = limits

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - ours tells connecting from reading
        allow_redirects: bool = False,
    ) -> Response:
        base = settings.TWILIO_API_BASE.rstrip("/")
        if base:
            parts = urlsplit(uri)
            uri = base + parts.path + (f"?{parts.query}" if parts.query else "")
        with requests.Session() as session:
            session.trust_env = not base  # a proxy is for Twilio, not for a server beside us
            answer = session.request(
                method,
                uri,
                params=_plain(params),
                data=data,
                headers=headers,
                auth=auth,
                timeout=self._limits,
                allow_redirects=allow_redirects,
            )
        return Response(answer.status_code, answer.text, answer.headers)


def _plain(params: dict[str, object] | None) -> dict[str, Any] | None:
    return None if params is None else dict(params)


def _judged(error: Exception) -> DeliveryError:
    """What an error says about whether the message left."""
    if isinstance(error, TwilioRestException | TwilioServiceException):
        code = error.code if error.code != error.status else None
        return from_code(code, error.status)
    if _never_connected(error):
        return DeliveryError(Kind.RETRY, "Twilio cannot be reached.")
    if isinstance(error, requests.Timeout):
        return DeliveryError(Kind.UNKNOWN, "Twilio took too long to answer.")
    return DeliveryError(Kind.UNKNOWN, "The connection to Twilio broke before its answer.")


def _never_connected(error: Exception) -> bool:
    """Whether not one byte of the request can have left: refused, no such host, no route."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if isinstance(error, requests.ConnectionError) and error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)

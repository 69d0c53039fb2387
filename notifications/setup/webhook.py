"""Trying our own webhook from outside: a signed word to the public address, as Twilio sends it.

It goes out to ``PUBLIC_URL`` and comes back through whatever stands in front of us, so a proxy that
drops the path, redirects, or shows another address to us is found before the first message is lost.
"""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from twilio.request_validator import RequestValidator

from notifications.setup import SECONDS
from notifications.setup.intime import done_in_time

CONNECT, READ = 2.0, 2.5
HERE: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Tried:
    """``outcome`` is a word of :data:`OUTCOMES`; ``status`` HTTP's, 0 without an answer."""

    outcome: str
    status: int = 0
    milliseconds: int = 0

    def kept(self) -> dict[str, object]:
        return asdict(self)


OUTCOMES: Final = (
    *("ok", "no token", "no host", "refused", "certificate", "too slow", "broken"),
    *("redirected", "not signed", "not found", "another", "failing"),
)


def echo_of(nonce: str) -> str:
    """What only this portal can say to a nonce: proof that the answer is its own."""
    return salted_hmac("notifications.setup.webhook", nonce, algorithm="sha256").hexdigest()


def only_here() -> bool:
    """Whether the public address leads nowhere but to this machine, where Twilio cannot call."""
    return (urlsplit(settings.PUBLIC_URL).hostname or "") in HERE


def try_it() -> Tried:
    """Post a signed nonce to our own webhook through the public address; never longer than
    ``SECONDS``, and it raises nothing."""
    if not settings.TWILIO_AUTH_TOKEN:
        return Tried("no token")
    nonce = secrets.token_urlsafe(16)
    answers = done_in_time(_post, [nonce], seconds=SECONDS)
    return answers.get(nonce, Tried("too slow"))


def _post(nonce: str) -> Tried:
    url = settings.PUBLIC_URL + reverse("twilio_check")
    fields = {"Nonce": nonce}
    signature = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(url, fields)
    began = time.monotonic()
    try:
        with requests.Session() as session:
            session.trust_env = not only_here()
            answer = session.post(
                url,
                data=fields,
                headers={"X-Twilio-Signature": signature},
                timeout=(CONNECT, READ),
                allow_redirects=False,
            )
    except requests.RequestException as error:
        return Tried(_without_answer(error))
    took = round((time.monotonic() - began) * 1000)
    return Tried(_judged(answer, nonce), answer.status_code, took)


def _judged(answer: requests.Response, nonce: str) -> str:
    if answer.status_code == 200:
        return "ok" if constant_time_compare(answer.text, echo_of(nonce)) else "another"
    if answer.is_redirect:
        return "redirected"
    return {403: "not signed", 404: "not found", 405: "not found"}.get(
        answer.status_code, "failing" if answer.status_code >= 500 else "another"
    )


def _without_answer(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "certificate"
    if isinstance(error, requests.Timeout):
        return "too slow"
    if _caused_by(error, socket.gaierror):
        return "no host"
    return "refused" if _caused_by(error, ConnectionRefusedError) else "broken"


def _caused_by(error: BaseException, kind: type[OSError]) -> bool:
    """Whether ``kind`` stands anywhere in what led to ``error``; urllib3 wraps it several times."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, kind):
            return True
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None)]
        waiting += [arg for arg in one.args if isinstance(arg, BaseException)]
    return False

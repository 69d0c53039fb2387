"""What really goes over the wire: every HTTP request that leaves this process, with its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests


@dataclass(frozen=True)
class Exchange:
    """One request as it was sent, and the answer to it."""

    request: requests.PreparedRequest
    response: requests.Response

    @property
    def path(self) -> str:
        return urlsplit(str(self.request.url)).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(str(self.request.url)).query))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form. One that came twice, or none at all, is an error."""
        raw = self.request.body or b""
        body = raw.decode() if isinstance(raw, bytes) else str(raw)
        pairs = parse_qsl(body, strict_parsing=True)
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.response.text)
        return found


class Wire:
    """The exchanges so far, oldest first."""

    def __init__(self) -> None:
        self.all: list[Exchange] = []

    def sent(self) -> Iterator[Exchange]:
        """Requests to send a message."""
        for one in list(self.all):
            if one.request.method == "POST" and one.path.endswith("/Messages.json"):
                yield one

    def asked(self, part: str) -> Iterator[Exchange]:
        """Requests that read something, whose path has ``part`` in it."""
        for one in list(self.all):
            if one.request.method == "GET" and part in one.path:
                yield one

    def told(self, path: str) -> Iterator[Exchange]:
        """What was posted to a webhook of ours."""
        for one in list(self.all):
            if one.request.method == "POST" and one.path.startswith(path):
                yield one

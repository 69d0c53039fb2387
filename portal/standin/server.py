"""The stand-in's HTTP server."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from portal.standin import api, content, mailbox
from portal.standin.api import Account
from portal.standin.callbacks import Portal
from portal.standin.content import Contents
from portal.standin.faults import Faults
from portal.standin.page import page
from portal.standin.refusals import Refused, not_found
from portal.standin.store import Store

STATIC = Path(__file__).parent / "static"
ASSETS = {"/phones.css": "text/css; charset=utf-8", "/phones.js": "text/javascript; charset=utf-8"}
BIGGEST = 64 * 1024
CSP = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
CSP += "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


class StandIn:
    """Twilio, on this machine. ``start`` serves in the background, ``url`` says where."""

    def __init__(
        self,
        account: Account,
        *,
        portal: str,
        host: str = "127.0.0.1",
        port: int = 0,
        state: Path | None = None,
        mail: Path | None = None,
        names: dict[str, str] | None = None,
        control: bool = False,
    ) -> None:
        self.account = account
        self.store = Store(state)
        self.contents = Contents()
        self.faults = Faults()
        self.portal = Portal(account, self.store, self.contents, self.faults, portal)
        self.mail = mail
        self.names = names or {}
        self.control = control
        self.requests = 0
        self._server = _Server((host, port), _Handler)
        self._server.stand_in = self

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def serve(self) -> None:
        """Serve until interrupted."""
        self._server.serve_forever()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stand_in: StandIn


class _Gone(Exception):
    """The connection is to end without an answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "TwilioStandIn"
    server: _Server

    def do_GET(self) -> None:
        self._handle(self._get)

    def do_POST(self) -> None:
        self._handle(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Keep quiet: a line per look at the page says nothing."""

    def _handle(self, route: Callable[[str, dict[str, str]], None]) -> None:
        parts = urlsplit(self.path)
        try:
            route(parts.path, dict(parse_qsl(parts.query)))
        except Refused as refusal:
            self._json(refusal.status, refusal.body())
        except _Gone:
            self.close_connection = True
        except BrokenPipeError:
            self.close_connection = True

    # --- What may be asked --------------------------------------------------------------------
    def _get(self, path: str, query: dict[str, str]) -> None:
        mine = self.server.stand_in
        if path == "/":
            mails = mailbox.read(mine.mail)
            html = page(mine.store.messages(), mails, mine.names)
            self._send(200, "text/html; charset=utf-8", html.encode())
        elif path in ASSETS:
            self._send(200, ASSETS[path], (STATIC / path[1:]).read_bytes())
        elif path == "/_control" and mine.control:
            accepted = [asdict(message) for message in mine.store.accepted()]
            self._json(200, {"requests": mine.requests, "accepted": accepted})
        elif path == self._resource():
            self._authorise()
            self._json(200, api.listing(mine.store, query, mine.account))
        elif path.startswith((content.PATH, content.WITH_APPROVALS)):
            self._authorise()
            self._json(200, mine.contents.get(path, query, mine.account.sid))
        else:
            self._one(path)

    def _one(self, path: str) -> None:
        mine = self.server.stand_in
        self._authorise()
        prefix = self._resource().removesuffix(".json") + "/"
        sid = path.removeprefix(prefix).removesuffix(".json")
        message = mine.store.get(sid) if path.startswith(prefix) else None
        if message is None:
            raise not_found()
        self._json(200, api.show(message, mine.account))

    def _post(self, path: str, _query: dict[str, str]) -> None:
        mine = self.server.stand_in
        body = self._body()
        if path == self._resource():
            self._create(dict(parse_qsl(body, keep_blank_values=True)))
        elif path.startswith(content.PATH):
            self._authorise()
            self._json(*mine.contents.post(path, body, mine.account.sid))
        elif path == "/reply":
            self._reply(dict(parse_qsl(body)))
        elif path == "/_control" and mine.control:
            self._order(json.loads(body))
            self._json(200, {})
        else:
            raise not_found()

    def _order(self, wishes: dict[str, Any]) -> None:
        """What tests wish for: faults, and under "templates" what WhatsApp thinks of which."""
        mine = self.server.stand_in
        for sid, status in wishes.pop("templates", {}).items():
            mine.contents.set_status(sid, status)
        mine.faults.set(wishes)

    def _create(self, form: dict[str, str]) -> None:
        """Somebody sends a message, and what the faults say happens to it."""
        mine = self.server.stand_in
        mine.requests += 1
        self._authorise()
        fault = mine.faults.take()
        if fault is not None and fault.kind == "refuse":
            raise Refused(fault.status, fault.code or fault.status, "Told to refuse this one.")
        if fault is not None and fault.kind == "reset":
            raise _Gone
        message = api.read(form, mine.account, mine.contents)
        if not message.by_whatsapp and message.number in mine.store.stopped:
            raise Refused(400, 21610, "Attempt to send to unsubscribed recipient")
        mine.store.add(message)
        answer = api.show(message, mine.account)
        mine.portal.follow(message)
        if fault is not None and fault.kind == "drop":
            raise _Gone
        if fault is not None and fault.kind == "break":
            raise Refused(fault.status, 20500, "Told to break after accepting this one.")
        if fault is not None:
            time.sleep(fault.seconds)
        self._json(201, answer)

    def _reply(self, form: dict[str, str]) -> None:
        mine = self.server.stand_in
        number, words = form.get("number", ""), form.get("body", "").strip()
        known = mine.store.messages(lambda one: one.number == number and not one.inbound)
        if words and known:
            senders = {one.sender for one in known}
            to = form.get("to", "")
            mine.portal.reply(number, words, to if to in senders else known[-1].sender)
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/#p{number.lstrip('+')}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    # --- How it is asked and answered ----------------------------------------------------------
    def _resource(self) -> str:
        return f"/2010-04-01/Accounts/{self.server.stand_in.account.sid}/Messages.json"

    def _authorise(self) -> None:
        account = self.server.stand_in.account
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        try:
            claim = base64.b64decode(given, validate=True) if scheme == "Basic" else b""
        except binascii.Error:
            claim = b""
        if not hmac.compare_digest(claim, f"{account.sid}:{account.token}".encode()):
            raise Refused(401, 20003, "Authenticate")

    def _body(self) -> str:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BIGGEST:
            raise Refused(413, 20413, "Too large")
        return self.rfile.read(length).decode()

    def _json(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", CSP)
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(content)

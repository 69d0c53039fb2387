"""Twilio's Content API as it is at its worst: slow, broken, or not Twilio at all."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ContentApi:
    """Answers about templates by their sid, after ``wait`` seconds.

    ``broken``: an HTTP status for everything, with ``words`` as its body where they are given.
    """

    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.wait = 0.0
        self.broken = 0
        self.words = ""
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.api = self  # type: ignore[attr-defined]  # the handler finds us there
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def has(self, sid: str, body: str, state: str = "approved") -> None:
        self.bodies[sid], self.states[sid] = body, state

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        time.sleep(self.wait)
        if self.broken:
            return self.broken, {"code": 20003, "message": "no", "status": self.broken}
        if path.endswith("/Messages.json"):
            return 200, {"messages": [], "next_page_uri": None, "uri": path}
        sid, _, rest = path.removeprefix("/v1/Content/").partition("/")
        if sid not in self.bodies:
            return 404, {"code": 20404, "message": "not found", "status": 404}
        if rest == "ApprovalRequests":
            reason = "TAG_CONTENT_MISMATCH" if self.states[sid] == "rejected" else ""
            whatsapp = {"status": self.states[sid], "rejection_reason": reason}
            return 200, {"sid": sid, "whatsapp": whatsapp}
        kind = "twilio/text" if self.bodies[sid] else "whatsapp/authentication"
        return 200, {"sid": sid, "types": {kind: {"body": self.bodies[sid]}}}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        api: ContentApi = self.server.api  # type: ignore[attr-defined]  # set above
        status, found = api.answer(self.path.partition("?")[0])
        body = (api.words or json.dumps(found)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Keep quiet."""

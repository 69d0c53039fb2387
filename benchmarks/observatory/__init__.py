"""The portal in its production shape, scored by the rules of Mozilla's HTTP Observatory.

By ourselves, on loopback: the real one asks from outside, and nobody's server can be asked from
here. The web process runs as behind a proxy that speaks TLS; we are that proxy.
"""

from __future__ import annotations

import argparse
import http.client
from html.parser import HTMLParser

from benchmarks.measuring import Figure, Report
from benchmarks.observatory.rules import STRANGER, Seen, judged
from benchmarks.rig import Rig

HOST = "portal.example.org"
PAGES = {"the home page": "/", "logging in": "/accounts/login/", "learning": "/learn/"}
WANTED = 100  # an A+


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # nothing to choose


def run(options: argparse.Namespace) -> Report:
    del options
    report = Report("observatory", "self-scored by the rules of Mozilla's HTTP Observatory")
    with Rig(PUBLIC_URL=f"https://{HOST}", BEHIND_PROXY="1") as rig:
        # The rig's processes take their own address for the public one unless they are told.
        rig.stack.start("web", PUBLIC_URL=f"https://{HOST}")
        for name, path in PAGES.items():
            verdict = judged(looked_at(rig.stack.web_port, path))
            report.figures.append(Figure(f"{name}: {verdict.grade}", verdict.score, target="≥ 100"))
            report.notes += [
                f"{name}: {one} ({points:+d})" for one, points in verdict.results.items()
            ]
            report.detail[name] = {"grade": verdict.grade, "results": verdict.results}
            if verdict.score < WANTED:
                report.broken.append(f"{name} has {verdict.score} points")
    return report


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "script" and told.get("src"):
            self.found.append((told["src"] or "", told.get("integrity") or ""))


def looked_at(port: int, path: str) -> Seen:
    """The page as a visitor's browser gets it through the proxy, and what plain HTTP answers."""
    secure = _asked(port, path, {"Host": HOST, "X-Forwarded-Proto": "https", "Origin": STRANGER})
    plain = _asked(port, path, {"Host": HOST, "X-Forwarded-Proto": "http"})
    scripts = _Scripts()
    scripts.feed(secure.body)
    return Seen(
        host=HOST,
        headers={name: value for name, value in secure.headers if name != "set-cookie"},
        cookies=tuple(value for name, value in secure.headers if name == "set-cookie"),
        scripts=tuple(scripts.found),
        plain=dict(plain.headers).get("location", ""),
    )


class _Answer:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.headers = [(name.lower(), value) for name, value in answer.getheaders()]
        self.body = answer.read().decode()


def _asked(port: int, path: str, headers: dict[str, str]) -> _Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return _Answer(connection.getresponse())
    finally:
        connection.close()

"""The load client sends each photo once and believes no failure; a missing rival is a sentence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from benchmarks import batchers, rival, usual_stack
from benchmarks.__main__ import main
from benchmarks.load import LoadError, in_closed_loop, photos_of, post
from benchmarks.rig import drawn
from benchmarks.rival import MissingLibraryError, require
from benchmarks.rivals.settings import Settings

PHOTOS = [bytes([number]) * 3 for number in range(20)]


@pytest.fixture
def server() -> Iterator[SimpleNamespace]:
    """Answers every POST, with 503 where the body holds ``refuse``."""
    seen = SimpleNamespace(bodies=[], url="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.bodies.append(body)
            self.send_response(503 if b"refuse" in body else 200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"said")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        seen.url = f"http://127.0.0.1:{listening.server_port}/"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield seen
        listening.shutdown()


def test_every_photo_is_sent_once_over_so_many_connections() -> None:
    sent: list[bytes] = []
    sessions: set[int] = set()

    def send(session: requests.Session, photo: bytes) -> None:
        sessions.add(id(session))
        sent.append(photo)

    assert in_closed_loop(send, PHOTOS, connections=3) > 0
    assert sorted(sent) == PHOTOS
    assert len(sessions) <= 3


def test_there_are_never_more_requests_at_once_than_connections() -> None:
    under_way, most = 0, 0
    lock = threading.Lock()

    def send(_session: requests.Session, _photo: bytes) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.002)  # lets the others begin
        with lock:
            under_way -= 1

    in_closed_loop(send, PHOTOS, connections=4)
    assert 1 <= most <= 4


def test_fewer_photos_than_connections_are_all_sent() -> None:
    sent: list[bytes] = []
    in_closed_loop(lambda _session, photo: sent.append(photo), PHOTOS[:2], connections=16)
    assert sorted(sent) == PHOTOS[:2]


def test_photos_are_posted_as_a_form_sends_them(server: SimpleNamespace) -> None:
    in_closed_loop(lambda session, photo: post(session, server.url, photo), PHOTOS, connections=2)
    assert len(server.bodies) == len(PHOTOS)
    assert all(b'name="photo"; filename="photo.jpg"' in body for body in server.bodies)


def test_one_refusal_spoils_the_figure(server: SimpleNamespace) -> None:
    with pytest.raises(LoadError, match=r"503 from .*: said"):
        in_closed_loop(
            lambda session, photo: post(session, server.url, photo),
            [*PHOTOS, b"refuse"],
            connections=2,
        )


def test_a_folder_gives_what_a_patient_could_send(tmp_path: Path) -> None:
    [good] = drawn(1)
    (tmp_path / "a.jpg").write_bytes(good)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not looked at")
    assert photos_of(tmp_path, 3, (600, 450)) == [good] * 3


def test_a_folder_without_photos_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no photo that the portal would take"):
        photos_of(tmp_path, 3, (600, 450))


# --- Rivals --------------------------------------------------------------------------------------


def test_settings_reach_the_rival_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(2, 1, batch=8, window_ms=20)
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment() == given
    assert str(given) == "workers 2, batch 8, window_ms 20"


def test_a_missing_library_is_told_in_a_sentence() -> None:
    with pytest.raises(MissingLibraryError, match=r"needs no-such: `make bench NAME=…` installs"):
        require({"pytest": "pytest", "no_such_module": "no-such"})


@pytest.mark.parametrize("name", ["usual_stack", "batchers"])
def test_without_the_rivals_nothing_is_started(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rival, "find_spec", lambda _module: None)
    monkeypatch.setattr(f"benchmarks.{name}.Rig", lambda: pytest.fail("a database was started"))
    with pytest.raises(MissingLibraryError, match="make bench"):
        main([name])


def test_every_candidate_is_another_setting() -> None:
    kinds = [*batchers.KINDS, usual_stack.CELERY, usual_stack.FASTAPI, usual_stack.COLD_MODEL]
    for kind in kinds:
        assert len({str(one) for one in kind.candidates}) == len(kind.candidates), kind.name

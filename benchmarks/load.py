"""A closed loop of senders, as many photos a second as a server will take, and the portal as one.

Each connection sends its next photo when its last was answered. The senders are threads of the
benchmark's own process: their processor time is taken from the same cores as the server's, ours
and the rivals' alike.
"""

from __future__ import annotations

import io
import itertools
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import requests

from benchmarks.rig import Rig, committed, drawn, seconds_until

CONNECTIONS = 16  # enough to fill two batches of eight
TIMEOUT = 120.0  # seconds: for one answer, and for the predictions after the last
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}

Send = Callable[[requests.Session, bytes], object]
"""Sends one photo and raises unless it was accepted."""


class LoadError(Exception):
    """A photo was not answered as it should be: the figure would mean nothing."""


def in_closed_loop(send: Send, photos: Sequence[bytes], connections: int = CONNECTIONS) -> float:
    """Send every photo once over so many connections; seconds from the first to the last answer.

    Raises :class:`LoadError` when a single one fails, after the others came to an end.
    """
    waiting = iter(photos)
    taking, failures = threading.Lock(), list[Exception]()
    start_together = threading.Barrier(min(connections, len(photos)) + 1)

    def sender() -> None:
        with requests.Session() as session:
            start_together.wait()
            while not failures:
                with taking:
                    following = next(waiting, None)
                if following is None:
                    return
                try:
                    send(session, following)
                except Exception as error:  # noqa: BLE001 - told by the thread that waits
                    failures.append(error)

    threads = [threading.Thread(target=sender) for _ in range(start_together.parties - 1)]
    for thread in threads:
        thread.start()
    start_together.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise LoadError(f"A photo was not answered: {failures[0]}") from failures[0]
    return time.perf_counter() - began


def post(
    session: requests.Session,
    url: str,
    photo: bytes,
    *,
    field: str = "photo",
    data: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> None:
    """One photo as a form sends it; raises :class:`LoadError` with what a refusal says."""
    answer = session.post(
        url,
        data=data,
        files={field: ("photo.jpg", photo, "image/jpeg")},
        headers=headers,
        timeout=TIMEOUT,
    )
    if not answer.ok:
        raise LoadError(f"{answer.status_code} from {url}: {answer.text[:300]}")


class Portal:
    """Ours, as the senders meet it. A photo counts when its prediction is committed."""

    def __init__(self, rig: Rig, connections: int = CONNECTIONS, senders: int = 64) -> None:
        """Start the portal's processes on ``rig``: those that do best on two cores."""
        self._connections = connections
        self._senders = itertools.cycle(rig.senders(senders))
        rig.stack.start("web", WEB_WORKERS="2")
        rig.stack.start("inference")
        self._url = f"{rig.stack.url}/api/v1/cases"

    def per_second(self, photos: Sequence[bytes]) -> float:
        """Photos a second, from the first POST to the last committed prediction.

        The database is asked only once every case is acknowledged: until then nobody waits.
        """
        goal = committed() + len(photos)
        began = time.perf_counter()
        in_closed_loop(self._send, photos, self._connections)
        seconds_until(goal, limit=TIMEOUT)
        return len(photos) / (time.perf_counter() - began)

    def _send(self, session: requests.Session, photo: bytes) -> None:
        sender = next(self._senders)
        data = {"site": "unknown", "kind": "dermoscopic"}
        post(session, self._url, photo, data=data, headers=sender.headers)


def add_photo_arguments(parser: ArgumentParser, count: int) -> None:
    """``--count`` and ``--photos``, alike for every benchmark that sends photos."""
    parser.add_argument("--count", type=int, default=count, help="photos in one turn")
    parser.add_argument("--photos", type=Path, help="a folder of real ones, instead of drawn ones")


def photos_of(folder: Path | None, count: int, size: tuple[int, int]) -> list[bytes]:
    """``count`` photos: drawn ones of ``size`` pixels, or the folder's that a patient could send.

    A folder with fewer is gone through again from its start.
    """
    if folder is None:
        return drawn(count, size)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
    found = list(_good_enough((path.read_bytes() for path in paths), count))
    if not found:
        raise SystemExit(f"{folder} holds no photo that the portal would take.")
    return [found[number % len(found)] for number in range(count)]


def _good_enough(photos: Iterable[bytes], count: int) -> Iterable[bytes]:
    """Without those that the portal sends back to be taken again; the rivals would take them."""
    from diagnoses import intake
    from mlservice.packs import load_pack

    for photo in photos:
        try:
            refused = bool(
                intake.clean(io.BytesIO(photo), load_pack("skin").glance).quality.reasons
            )
        except intake.Refusal:
            refused = True
        if not refused:
            yield photo
            count -= 1
        if not count:
            return

"""The files sent to a running portal, and what is watched meanwhile."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle

import psutil
import requests
from PIL import Image

from benchmarks.hostile.catalogue import TAKEN
from benchmarks.hostile.crafted import MARKER
from benchmarks.load import TIMEOUT
from benchmarks.rig import Rig, Sender
from portal.machine.child import Child

MB = 1 << 20
_LOOK = 0.05  # seconds between two looks at the memory
# What a picture holds that was made from pixels alone, as Pillow names it.
_PLAIN = {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One file to send. ``codes`` are those it may be refused with; empty: any that we know."""

    name: str
    content: bytes
    codes: tuple[str, ...] = ()


@dataclass
class Found:
    """What became of all of them."""

    codes: Counter[str] = field(default_factory=Counter)  # TAKEN counts what was accepted
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # in words, what must not be
    errors: int = 0  # answers of 500 and above
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def add(self, sent: Sent, code: str, seconds: float, wrong: str, error: bool) -> None:
        with self._telling:
            self.codes[code] += 1
            self.seconds.append(seconds)
            self.errors += error
            if not wrong and sent.codes and code not in sent.codes:
                wrong = f"answered {code or 'taken'!r}, not {sent.codes}"
            if wrong:
                self.wrong.append(f"{sent.name}: {wrong}")


class Door:
    """The API as a program meets it: a file goes in, and what is kept of it comes out again."""

    def __init__(self, rig: Rig, known: Iterable[str], senders: int = 16) -> None:
        self._url = f"{rig.stack.url}/api/v1/cases"
        self._known = set(known)
        self._senders = cycle(rig.senders(senders))
        self._drawing = threading.Lock()

    def send_all(self, files: Iterable[Sent], connections: int) -> Found:
        found = Found()
        with ThreadPoolExecutor(connections) as pool:
            for done in [pool.submit(self._send, one, found) for one in files]:
                done.result()
        return found

    def _send(self, sent: Sent, found: Found) -> None:
        with self._drawing:
            sender = next(self._senders)
        began = time.perf_counter()
        try:
            answer = requests.post(
                self._url,
                files={"photo": (sent.name, sent.content, "image/jpeg")},
                data={"site": "unknown", "kind": "dermoscopic", "send_anyway": "true"},
                headers=sender.headers,
                timeout=TIMEOUT,
            )
        except requests.RequestException as error:
            found.add(sent, "unanswered", time.perf_counter() - began, repr(error), error=True)
            return
        seconds = time.perf_counter() - began
        code, wrong = self._read(answer, sender)
        found.add(sent, code, seconds, wrong, error=answer.status_code >= 500)

    def _read(self, answer: requests.Response, sender: Sender) -> tuple[str, str]:
        """The code, and what is wrong with the answer."""
        if answer.status_code == 201:
            return TAKEN, _kept(answer.json(), sender)
        try:
            said = answer.json()
            code, sentence = str(said["code"]), str(said["detail"])
        except (ValueError, KeyError):
            return f"{answer.status_code} without a code", answer.text[:200]
        if code not in self._known or not sentence.endswith("."):
            return code, f"{code} is no refusal of ours: {sentence}"
        return code, ""


def _kept(case: dict[str, object], sender: Sender) -> str:
    """What is wrong with the stored picture; empty where it is nothing but pixels."""
    photos = case["photos"]
    if not isinstance(photos, list) or len(photos) != 1:
        return "the case has no photo"
    content = requests.get(photos[0]["url"], headers=sender.headers, timeout=TIMEOUT).content
    if MARKER in content:
        return "what was hidden in the file is in the stored picture"
    with Image.open(io.BytesIO(content)) as image:
        if image.format != "JPEG" or set(image.info) - _PLAIN:
            return f"the stored picture carries {set(image.info) - _PLAIN}"
        image.load()
    return ""


class Watch(threading.Thread):
    """Reads the memory of the portal's processes, and sees who is gone.

    Only what opens photos may end: it is made to. Web and worker processes may not.
    """

    def __init__(self, children: dict[str, Child]) -> None:
        super().__init__(daemon=True)
        # A web server is a process that looks after those that answer.
        self._roots = {name: psutil.Process(child.pid) for name, child in children.items()}
        self._lasting = self._standing()
        self._stopping = threading.Event()
        self.most: dict[str, int] = {}  # bytes, of one process

    def run(self) -> None:
        while not self._stopping.wait(_LOOK):
            for name, process in self._all():
                try:
                    now = process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                self.most[name] = max(now, self.most.get(name, 0))

    def stop(self) -> int:
        """End; how many processes died that were to last."""
        self._stopping.set()
        self.join()
        return sum(not process.is_running() for process in self._lasting)

    def _standing(self) -> list[psutil.Process]:
        return [*self._roots.values(), *self._roots["web"].children()]

    def _all(self) -> list[tuple[str, psutil.Process]]:
        found = []
        for name, root in self._roots.items():
            try:
                found += [(_named(name, root, one), one) for one in root.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            found.append((name, root))
        return found


def _named(name: str, root: psutil.Process, process: psutil.Process) -> str:
    if name == "web":
        return name if process.ppid() == root.pid else "opens a photo"
    return f"{name}'s decoder"

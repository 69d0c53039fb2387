"""A server that is not ours, as a process of its own, with the best settings found for it."""

from __future__ import annotations

import base64
import signal
import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks.load import CONNECTIONS, Portal, in_closed_loop, photos_of, post
from benchmarks.measuring import ROOT, Figure, in_turn, ratio, say
from benchmarks.rig import SMALL, Rig
from benchmarks.rivals.settings import READY, Settings
from portal.machine.child import Child
from portal.machine.servers import free_port, wait_until
from portal.machine.stack import answers

PORTAL = "the portal"
TRIES = 3  # of each setting, while others use the machine too
_START_SECONDS = 180.0  # TensorFlow twice on two busy cores


class MissingLibraryError(SystemExit):
    """A rival is not installed; the message says how to get it."""


def require(modules: Mapping[str, str]) -> dict[str, str]:
    """The version of each distribution, by the module it brings.

    Raises :class:`MissingLibraryError` when one of them is not installed.
    """
    missing = [package for module, package in modules.items() if find_spec(module) is None]
    if missing:
        raise MissingLibraryError(
            f"This benchmark needs {', '.join(missing)}: "
            "`make bench NAME=…` installs what the rivals are made of, and runs it."
        )
    return {package: version(package) for package in modules.values()}


@dataclass(frozen=True, slots=True)
class Kind:
    """How to start a rival, where it says that it lives, and what to try with it."""

    name: str
    command: Callable[[Settings, int], Sequence[str]]  # settings and port
    candidates: tuple[Settings, ...]  # the first is taken where none is tried
    path: str = "/predict"
    health: str = "/health"
    field: str = "photo"


def module(name: str) -> Callable[[Settings, int], Sequence[str]]:
    """The command of a rival that starts itself."""
    return lambda _settings, _port: [sys.executable, "-m", f"benchmarks.rivals.{name}"]


@dataclass
class Rival:
    """One rival's process, asked over HTTP. A context manager: what was started is stopped."""

    kind: Kind
    logs: Path
    env: Mapping[str, str] = field(default_factory=dict)
    connections: int = CONNECTIONS
    tried: dict[str, float] = field(default_factory=dict)  # photos a second, by settings
    settings: Settings = field(default_factory=Settings)
    _port: int = 0
    _child: Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, settings: Settings) -> None:
        """Stop what runs, start it anew, and wait until every worker's network is warm."""
        self.stop()
        self.settings, self._port = settings, free_port()
        log = self.logs / f"{self.kind.name.replace(' ', '-')}.log"
        log.unlink(missing_ok=True)  # an earlier life's "ready" is not this one's
        self._child = Child(
            self.kind.name,
            self.kind.command(settings, self._port),
            log,
            {
                **self.env,
                **settings.environment(),
                "RIVAL_PORT": str(self._port),
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
                "TMPDIR": str(self.logs),  # BentoML leaves a folder there for each request
                "DO_NOT_TRACK": "1",
                "BENTOML_DO_NOT_TRACK": "True",
            },
            stop_signal=signal.SIGKILL,  # when the benchmark dies: a paused process hears no other
        )
        self._child.start()
        wait_until(lambda: self._ready(log), self._child, seconds=_START_SECONDS)

    def _ready(self, log: Path) -> bool:
        time.sleep(0.2)  # its start is what the cores are for now
        warm = log.exists() and log.read_text(errors="replace").count(READY)
        return bool(warm) and warm >= self.settings.workers and self._answers()

    def _answers(self) -> bool:
        return answers(f"http://127.0.0.1:{self._port}{self.kind.health}")

    def stop(self) -> None:
        """Politely, then whatever is left of its own processes."""
        if self._child is not None:
            self.go_on()
            family = self._family()
            if family:
                family[0].terminate()
            self._child.wait(10)
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._child = None

    def pause(self) -> None:
        """Hold it while others are measured: an idle LitServe takes a core by looking for work."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def go_on(self) -> None:
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _family(self) -> list[psutil.Process]:
        """The process and all that came of it; a group would not hold BentoML's, which leave it."""
        with suppress(psutil.NoSuchProcess):
            if self._child is not None:
                first = psutil.Process(self._child.pid)
                return [first, *first.children(recursive=True)]
        return []

    def turn(self, photos: Sequence[bytes]) -> float:
        """Photos a second, of a rival that was paused and is again afterwards."""
        self.go_on()
        try:
            return self.per_second(photos)
        finally:
            self.pause()

    def per_second(self, photos: Sequence[bytes]) -> float:
        """Photos a second, from the first POST to the last answer."""
        url = f"http://127.0.0.1:{self._port}{self.kind.path}"
        seconds = in_closed_loop(
            lambda session, photo: post(session, url, photo, field=self.kind.field),
            photos,
            self.connections,
        )
        return len(photos) / seconds

    def tune(self, photos: Sequence[bytes]) -> None:
        """Try every candidate with these photos, and settle for the fastest."""
        for settings in self.kind.candidates:
            self.start(settings)
            self.per_second(photos)  # warm
            self.tried[str(settings)] = max(self.per_second(photos) for _ in range(TRIES))
            say(f"{self.kind.name}, {settings}: {self.tried[str(settings)]:.2f}/s")
        best = max(self.kind.candidates, key=lambda settings: self.tried[str(settings)])
        self.stop()
        self.settings = best


class CeleryRival(Rival):
    """Celery takes tasks from Redis, not over HTTP; a result counts when its client has it."""

    def _answers(self) -> bool:
        return True  # its children said so

    def per_second(self, photos: Sequence[bytes]) -> float:
        """Photos a second, from the first task sent to the last result received.

        All tasks wait in Redis at once: the queue, not the client, keeps the workers busy.
        """
        from benchmarks.rivals.celery_predict import TASK, make_app

        with make_app(self.env["RIVAL_REDIS"]) as app:
            began = time.perf_counter()
            results = [app.send_task(TASK, [base64.b64encode(photo).decode()]) for photo in photos]
            for result in results:
                result.get(timeout=_START_SECONDS)
            return len(photos) / (time.perf_counter() - began)


def at_their_best(
    stack: ExitStack, rivals: Sequence[Rival], photos: Sequence[Sequence[bytes]], *, tune: bool
) -> dict[str, Any]:
    """Tune one after the other, then start and pause all; what was tried and what won, as JSON."""
    for rival, some in zip(rivals, photos, strict=True):
        stack.enter_context(rival).settings = rival.kind.candidates[0]
        if tune:
            rival.tune(some)
    for rival, some in zip(rivals, photos, strict=True):
        rival.start(rival.settings)
        rival.per_second(some)
        rival.pause()
    return {rival.kind.name: {"tried": rival.tried, "won": str(rival.settings)} for rival in rivals}


def measured(
    rig: Rig, rivals: Sequence[Rival], shares: Sequence[Sequence[bytes]], options: Namespace
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Photos a second of the portal and of each rival, in turn; and the rivals' settings.

    ``shares`` are the photos each rival gets; the portal gets all of ``options.count``.
    """
    photos = photos_of(options.photos, options.count, SMALL)
    with ExitStack() as stack:
        settings = at_their_best(stack, rivals, shares, tune=not options.no_tuning)
        portal = Portal(rig, options.connections)
        portal.per_second(photos[: options.connections])
        tasks = {PORTAL: partial(portal.per_second, photos)}
        for rival, some in zip(rivals, shares, strict=True):
            tasks[rival.kind.name] = partial(rival.turn, some)
        return in_turn(tasks, options.pairs), settings


def compared(found: Mapping[str, list[float]], targets: Mapping[str, str]) -> list[Figure]:
    """The portal divided by each rival, pair by pair; then everybody's photos a second."""
    ours = found[PORTAL]
    ratios = [
        ratio(f"the portal ÷ {name}", ours, rates, target=targets.get(name, ""))
        for name, rates in found.items()
        if rates is not ours
    ]
    return ratios + [
        Figure(name, statistics.median(rates), (min(rates), max(rates)), "/s", n=len(rates))
        for name, rates in found.items()
    ]


def add_rival_arguments(parser: ArgumentParser) -> None:
    """How they are asked, and whether their settings are tried again."""
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument(
        "--no-tuning",
        action="store_true",
        help="take the first candidate of each, do not try the others",
    )

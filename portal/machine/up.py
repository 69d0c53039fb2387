"""``python -m portal.machine up``: everything one machine needs, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Self

from portal import demo
from portal.machine import house, processes
from portal.machine.child import Child, StartError
from portal.machine.servers import Postgres, Redis
from portal.machine.supervisor import Supervisor

_READY_SECONDS = 60.0
_LOG_BYTES = 5_000_000  # a longer log is set aside at the next start


def say(text: str = "") -> None:
    """A line for the person at the keyboard. A closed terminal is no reason to fail."""
    with suppress(OSError, ValueError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@dataclass
class Machine:
    """One demo: started step by step, then watched, then stopped. A context manager."""

    folder: Path
    addresses: house.Addresses
    photos: Path | None = None
    cases: int | None = None
    supervisor: Supervisor = field(default_factory=lambda: Supervisor(say))
    began: float = field(default_factory=time.monotonic)
    lock: IO[str] | None = None
    env: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, _interrupt)
        self.lock = house.claim(self.folder)
        self.lock.truncate(0)
        self.lock.write(self.addresses.web)
        self.lock.flush()
        return self

    def __exit__(self, *_: object) -> None:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._hurry)
        say("\nStopping …")
        house.forget_manage_py(self.folder)
        self.supervisor.stop()
        if self.lock:
            self.lock.truncate(0)
            self.lock.close()
        say(f"Stopped. The data stays in {_short(self.folder)}.")

    def _hurry(self, _signal: int, _frame: FrameType | None) -> None:
        say("Stopping at once.")
        self.supervisor.hurry()

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def start(self) -> None:
        """Servers, tables, people and cases, then the portal's own processes."""
        self._set_old_logs_aside()
        if self.addresses.note:
            say(self.addresses.note)
        database_url, redis_url = self._servers()
        self.env = house.environment(self.folder, self.addresses, database_url, redis_url)
        self._prepare()
        self._processes()
        self._sign_the_past()
        house.tell_manage_py(self.folder, self.env)

    def _servers(self) -> tuple[str, str]:
        """Start what the environment does not name; the addresses of both."""
        database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
        if database_url is None:
            postgres = Postgres(self.folder / "postgres", self.logs)
            self._start("PostgreSQL", postgres)
            database_url = postgres.url()
        if redis_url is None:
            redis = Redis(self.folder / "redis", self.logs)
            self._start("Redis protocol", redis)
            redis_url = redis.url()
        return database_url, redis_url

    def _start(self, name: str, server: Postgres | Redis) -> None:
        began = time.monotonic()
        try:
            server.start()
        except BaseException:
            server.stop()
            raise
        self.supervisor.add(server.child)
        self._step(name, began)

    def _prepare(self) -> None:
        began = time.monotonic()
        say("  Tables, static files, model, people and cases")
        more = ["--photos", str(self.photos)] if self.photos else []
        more += ["--cases", str(self.cases)] if self.cases is not None else []
        if not self._django("prepare_demo", *more):
            raise StartError("The database could not be prepared; the lines above say why.")
        self._step("Prepared", began)

    def _sign_the_past(self) -> None:
        """At the first start only, once the workers look at the cases."""
        if not (self.folder / demo.PAST_WAITS).exists():
            return
        began = time.monotonic()
        if not self._django("demo_past"):
            say("  The demo's past is not signed; the lines above say why. The rest works.")
        self._step("The past, scored and signed", began)

    def _django(self, *command: str) -> bool:
        """Run one of our own commands; whether it went well."""
        env = {**os.environ, **self.env}
        done = subprocess.run(processes.command(("django", *command)), env=env, check=False)  # noqa: S603 - our own command
        return done.returncode == 0

    def _processes(self) -> None:
        began = time.monotonic()
        if not house.sends_for_real():
            port = str(self.addresses.phones_port)
            bind = ("--port", port, "--host", self.addresses.host)
            self.supervisor.add(self._child("phones", processes.command(processes.STAND_IN, *bind)))
        inference = processes.INFERENCE
        self.supervisor.add(
            self._child("web", processes.command(processes.WEB)),
            # Two: while a dead one starts again the other goes on.
            self._child("inference-1", processes.command(inference, "-n", "inference-1@%h")),
            self._child("inference-2", processes.command(inference, "-n", "inference-2@%h")),
            self._child("io", processes.command(processes.IO, "-n", "io@%h")),
            self._child("beat", processes.command(processes.BEAT)),
        )
        self._wait_for_web()
        self._step("Web and workers", began)

    def _child(self, name: str, command: list[str]) -> Child:
        return Child(name, command, self.logs / f"{name}.log", self.env)

    def _wait_for_web(self) -> None:
        """Until the portal says it is ready; a child that dies meanwhile is started again."""
        deadline, reason = time.monotonic() + _READY_SECONDS, ""
        while time.monotonic() < deadline:
            reason = self._not_ready()
            if not reason:
                return
            self.supervisor.look()
            time.sleep(0.1)
        raise StartError(f"The portal is not ready after {_READY_SECONDS:.0f} s: {reason}")

    def _not_ready(self) -> str:
        """Why the portal is not ready yet; empty when it is."""
        own = "127.0.0.1" if self.addresses.host == "0.0.0.0" else self.addresses.host  # noqa: S104
        try:
            with urllib.request.urlopen(
                f"http://{own}:{self.addresses.port}/health/ready", timeout=5
            ):
                return ""
        except urllib.error.HTTPError as error:
            return error.read(500).decode(errors="replace")
        except OSError as error:
            return str(error)

    def _step(self, name: str, began: float) -> None:
        say(f"  {name:<42} {time.monotonic() - began:5.1f} s")

    def _set_old_logs_aside(self) -> None:
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > _LOG_BYTES:
                log.replace(log.with_suffix(".log.old"))

    def summary(self) -> str:
        """What the person needs now: where to go, as whom, and how to stop."""
        rows = "\n".join(
            f"  {person.what:<26}{person.name:<17}{person.email:<23}{demo.PASSWORD}"
            for person in demo.LOGINS
        )
        phones = (
            "  Messages   are sent for real, with the Twilio credentials of the environment"
            if house.sends_for_real()
            else f"  Phones     {self.addresses.phones}   what WhatsApp and e-mail would show"
        )
        return f"""
Lentigo is running ({time.monotonic() - self.began:.1f} s).

  Open       {self.addresses.web}
{phones}

  {"Log in as":<26}{"name":<17}{"e-mail":<23}password
{rows}

  Data       {_short(self.folder)}
  Logs       {_short(self.logs)}

Ctrl-C stops everything; the next start finds the data as it was.
"""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _short(path: Path) -> str:
    """Relative where that is shorter to read."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def up(machine: Machine) -> int:
    """Run it; the exit status for the shell."""
    try:
        with machine:
            try:
                machine.start()
                say(machine.summary())
                machine.supervisor.watch()
            except KeyboardInterrupt:
                return 0
    except StartError as error:
        say(f"\n{error}")
        return 1
    return 0

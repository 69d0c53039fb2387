"""What one demo is made of: its folder, its ports, its secrets, the environment of its processes.

Everything a variable could say already (``DATABASE_URL``, ``REDIS_URL``, ``TWILIO_…``,
``SECRET_KEY``) is taken as it is; only what is missing is made here. No Django.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from portal import demo
from portal.machine.child import StartError
from portal.standin.content import our_sids

_PORTS_TO_TRY = 50
RUNNING = "running.json"  # manage.py looks for it by this name


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the pages answer. ``note`` says so when it is not where it was asked for."""

    host: str
    port: int
    phones_port: int
    note: str = ""

    @property
    def name(self) -> str:
        """The host name a browser uses: this machine's own on the network where all may come."""
        if self.host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            return (own_addresses() or ["localhost"])[0]
        return "localhost" if self.host == "127.0.0.1" else self.host

    @property
    def web(self) -> str:
        return f"http://{self.name}:{self.port}"

    @property
    def phones(self) -> str:
        return f"http://{self.name}:{self.phones_port}/"


def choose_addresses(host: str, port: int, *, asked: bool) -> Addresses:
    """The first free ports from ``port`` on. ``asked``: the person named that very port."""
    chosen = next_free(host, port)
    note = ""
    if chosen != port:
        note = f"Port {port} is taken by another program, so this uses {chosen}."
        if not asked:
            note += " PORT=… chooses another."
    return Addresses(host, chosen, next_free(host, chosen + 1), note)


def next_free(host: str, port: int) -> int:
    """``port`` or the nearest free one above it."""
    for candidate in range(port, min(port + _PORTS_TO_TRY, 65536)):
        if _is_free(host, candidate):
            return candidate
    raise StartError(f"No port from {port} to {port + _PORTS_TO_TRY} is free. Try PORT=9000.")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise StartError(f"Port {port} needs more rights. Try PORT=8000.") from error
        except OSError as error:
            if isinstance(error, socket.gaierror) or not _is_ours(host):
                raise StartError(f"{host} is not an address of this machine.") from error
            return False
    return True


def _is_ours(host: str) -> bool:
    return host in {"0.0.0.0", "127.0.0.1", "localhost", *own_addresses()}  # noqa: S104 - compared


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses on its networks, without loopback."""
    return [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family is socket.AF_INET and not address.address.startswith("127.")
    ]


def claim(folder: Path) -> IO[str]:
    """Make the data folder and hold it for this process; `StartError` while another demo does.

    The kernel lets go of the lock when the process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "running").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        where = lock.read().strip() or "this folder"
        raise StartError(
            f"A demo with the data in {folder} is running already, at {where}. "
            "Stop it first, or set DATA_DIR to another folder."
        ) from None
    return lock


def _words() -> str:
    return secrets.token_urlsafe(50)


def _data_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def kept_secret(folder: Path, name: str, make: Callable[[], str] = _words) -> str:
    """A random secret, made once and kept in a file only this user can read."""
    path = folder / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text().strip()


def environment(
    folder: Path, addresses: Addresses, database_url: str, redis_url: str
) -> dict[str, str]:
    """The variables the demo's processes add to the ones around them."""
    names = [addresses.name, "localhost", "127.0.0.1", socket.gethostname(), *own_addresses()]
    return {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PYTHONUNBUFFERED": "1",
        "DEMO": "1",
        "DEMO_LOGINS": json.dumps(
            [
                {"who": person.what, "email": person.email, "password": demo.PASSWORD}
                for person in demo.LOGINS
            ]
        ),
        "DATA_DIR": str(folder),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": os.environ.get("SECRET_KEY") or kept_secret(folder, "secret-key"),
        "DATA_KEYS": os.environ.get("DATA_KEYS") or kept_secret(folder, "data-key", _data_key),
        "PUBLIC_URL": addresses.web,
        "ALLOWED_HOSTS": ",".join(dict.fromkeys(names)),
        "WEB_BIND": f"{addresses.host}:{addresses.port}",
        # Somebody reads them here, and no machine.
        "LOG_FORMAT": os.environ.get("LOG_FORMAT", "text"),
        # Two kinds of picture, so that the demo shows how the form asks which.
        "PACKS": os.environ.get("PACKS", "skin,chest"),
        # At whatever hour somebody looks at the demo, the phones ring.
        "QUIET_HOURS": os.environ.get("QUIET_HOURS", ""),
        "EMAIL_URL": os.environ.get("EMAIL_URL") or f"filemail:///{quote(str(folder / 'mail'))}",
        **({} if sends_for_real() else twilio_stand_in(folder, addresses.phones_port)),
    }


def tell_manage_py(folder: Path, env: Mapping[str, str]) -> None:
    """Let ``manage.py`` join this demo: its addresses and secrets, for this account alone."""
    file = folder / RUNNING
    file.touch(mode=0o600)
    file.write_text(json.dumps(dict(env)))


def forget_manage_py(folder: Path) -> None:
    (folder / RUNNING).unlink(missing_ok=True)


def sends_for_real(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment holds Twilio credentials of the person's own."""
    return bool(environ.get("TWILIO_ACCOUNT_SID") and environ.get("TWILIO_AUTH_TOKEN"))


def twilio_stand_in(folder: Path, port: int) -> dict[str, str]:
    """Made-up credentials for the local stand-in, which shows both phones on a page."""
    return {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": kept_secret(folder, "twilio-token"),
        "TWILIO_WHATSAPP_FROM": "+15005550006",
        "TWILIO_SMS_FROM": "+15005550007",
        "TWILIO_CONTENT_SIDS": json.dumps(our_sids()),
        "TWILIO_API_BASE": f"http://127.0.0.1:{port}",
    }

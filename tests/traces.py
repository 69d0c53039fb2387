"""Words planted where people write, and where they are looked for: for ``test_traces.py``."""

from __future__ import annotations

import base64
import binascii
import io
import re
import secrets
import threading
from collections.abc import Iterable
from string import ascii_lowercase
from typing import Any, cast
from urllib.parse import urlsplit

import redis
import requests
from PIL import Image

from tests import factor
from tests.cases import jpeg

# Addresses that lead somewhere: in pages, as forms' targets, as pictures.
_ADDRESS = re.compile(r"""(?:href|action|src|srcset|data-[\w-]*(?:url|href|at))=["']([^"']+)["']""")
WEB = ("", "http", "https")
_BASE64 = re.compile(r'"body": "([A-Za-z0-9+/=]+)"')


class Planted:
    """Random words and numbers, each under the name of the place it was planted in."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        # Above those of the cast.
        self._numbers = iter(secrets.SystemRandom().sample(range(400, 999), 20))

    def word(self, where: str) -> str:
        """One word of letters, so that no two share a part: a part of a name in an answer keeps it
        from being sent whole."""
        drawn = "".join(secrets.choice(ascii_lowercase) for _ in range(12))
        return self.words.setdefault(where, drawn.capitalize())

    def sentence(self, where: str) -> str:
        return f"It {self.word(where)} since May."

    def email(self, where: str) -> str:
        return f"{self.word(where)}@example.org".lower()

    def number(self, where: str) -> str:
        """Of those kept free for drama; what is looked for has no country code."""
        if where not in self.words:
            self.words[where] = f"7700900{next(self._numbers)}"
        return f"+44{self.words[where]}"

    def found_in(self, texts: Iterable[str]) -> set[tuple[str, str]]:
        """Where each found word was planted, and what it was found in."""
        return {
            (where, text[:200])
            for text in texts
            for where, word in self.words.items()
            if word.lower() in text.lower().replace(" ", "")
        }


def photo_that_tells(planted: Planted, where: str, seed: int) -> io.BytesIO:
    """A photo whose name, and whatever a camera may write into it, hold planted words."""
    with Image.open(io.BytesIO(jpeg(seed))) as image:
        exif = image.getexif()
        exif[0x010E] = planted.word(f"{where}: description")
        exif[0x013B] = planted.word(f"{where}: artist")
        exif[0x8298] = planted.word(f"{where}: copyright")
        file = io.BytesIO()
        image.save(file, "JPEG", exif=exif, comment=planted.word(f"{where}: comment").encode())
    file.seek(0)
    file.name = f"{planted.word(f'{where}: file name')}.jpg"
    return file


class Visitor:
    """Somebody with a browser, over HTTP; speaks as Django's test client does.

    Keeps every address it came to, and every address on the pages it was shown.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False
        self.addresses: set[str] = set()

    def get(self, path: str) -> requests.Response:
        return self._seen(self._session.get(self._at(path), timeout=60, allow_redirects=False))

    def post(self, path: str, data: dict[str, Any] | None = None) -> requests.Response:
        if "csrf" not in self._session.cookies:
            self.get("/accounts/login/")
        files = {name: value for name, value in (data or {}).items() if hasattr(value, "read")}
        fields = {name: value for name, value in (data or {}).items() if name not in files}
        return self._seen(
            self._session.post(
                self._at(path),
                data=fields,
                files=files or None,
                headers={"X-CSRFToken": str(self._session.cookies["csrf"])},
                timeout=60,
                allow_redirects=False,
            )
        )

    def log_in(self, email: str, password: str) -> None:
        factor.app_of(email)
        answer = self.post("/accounts/login/", {"login": email, "password": password})
        assert answer.status_code == 302, answer.status_code
        if "/2fa/" in answer.headers["Location"]:
            answer = self.post(answer.headers["Location"], {"code": factor.code_of(email)})
            assert answer.status_code == 302, answer.status_code

    def _at(self, path: str) -> str:
        return path if path.startswith("http") else self._base + path

    def _seen(self, answer: requests.Response) -> requests.Response:
        assert answer.status_code < 500, f"{answer.status_code} at {answer.request.path_url}"
        self.addresses |= {answer.url, answer.headers.get("Location", "")}
        if "html" in answer.headers.get("Content-Type", ""):
            found = _ADDRESS.findall(answer.text)
            # To ring or write to somebody is no address that anything is fetched from.
            self.addresses |= {
                one for one in found if urlsplit(one).scheme in ("", "http", "https")
            }
        return answer


class Overheard:
    """Everything that is said to the Redis-protocol server, from now on, and what it holds."""

    def __init__(self, url: str) -> None:
        # Nobody may say anything for as long as the portal takes to start.
        self._client = redis.Redis.from_url(url, socket_timeout=None)
        self.said: list[str] = []
        self._monitor: Any = self._client.monitor()  # type: ignore[no-untyped-call]
        self._monitor.__enter__()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for one in self._monitor.listen():
            command = str(one["command"])
            if command.endswith("that is all"):
                return
            self.said += [command, *opened(command)]

    def stop(self) -> None:
        self._client.echo("that is all")
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._monitor.__exit__(None, None, None)

    def held(self) -> list[str]:
        """Keys and values, of every kind."""
        readers: dict[str, Any] = {
            "string": self._client.get,
            "list": lambda key: self._client.lrange(key, 0, -1),
            "set": self._client.smembers,
            "hash": self._client.hgetall,
            "zset": lambda key: self._client.zrange(key, 0, -1, withscores=True),
        }
        found = []
        for key in self._client.scan_iter():
            kind = cast("bytes", self._client.type(key)).decode()
            value = str(readers[kind](key))
            found += [str(key), value, *opened(value)]
        return found


def opened(text: str) -> list[str]:
    """The arguments of tasks, which Celery wraps in base64."""
    found = []
    for raw in _BASE64.findall(text.replace('\\\\"', '"').replace('\\"', '"')):
        try:
            found.append(base64.b64decode(raw, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            continue
    return found

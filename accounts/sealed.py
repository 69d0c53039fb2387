"""Small secrets in the database, closed: AES-256-GCM under keys from the environment.

What is sealed reads ``s1.<key>.<nonce and text>``: the first letters of a hash of the key say which
one opens it, so that a new key seals from now on and the old ones go on opening. Each ``context``
has keys of its own: what was sealed as one thing does not open as another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_FORM, _NONCE, _KEY = "s1", 12, 32


class SealError(Exception):
    """This does not open: it was changed, belongs elsewhere, or its key is gone."""


def seal(text: str, *, context: str) -> str:
    """``text`` closed with the first key, for ``context`` alone."""
    master = keys()[0]
    nonce = secrets.token_bytes(_NONCE)
    closed = _cipher(master, context).encrypt(nonce, text.encode(), context.encode())
    body = base64.urlsafe_b64encode(nonce + closed).decode()
    return f"{_FORM}.{_name(master)}.{body}"


def open_sealed(sealed: str, *, context: str) -> str:
    """What :func:`seal` closed for this context; raises :class:`SealError`."""
    form, _, rest = sealed.partition(".")
    name, _, body = rest.partition(".")
    master = next((key for key in keys() if _name(key) == name), None)
    if form != _FORM or master is None:
        raise SealError("No key of DATA_KEYS opens this.")
    try:
        raw = base64.urlsafe_b64decode(body.encode())
        text = _cipher(master, context).decrypt(raw[:_NONCE], raw[_NONCE:], context.encode())
        return text.decode()
    except (InvalidTag, ValueError) as error:
        raise SealError("This was changed, or sealed as something else.") from error


def keys() -> tuple[bytes, ...]:
    """The keys, the one that seals first; from ``SECRET_KEY`` where there is none of its own."""
    return _parsed(tuple(settings.DATA_KEYS), settings.SECRET_KEY)


@lru_cache(maxsize=8)
def _parsed(written: tuple[str, ...], secret: str) -> tuple[bytes, ...]:
    if not written:
        return (hashlib.sha256(b"lentigo data key " + secret.encode()).digest(),)
    try:
        found = tuple(base64.b64decode(one, validate=True) for one in written)
    except binascii.Error as error:
        raise ImproperlyConfigured("DATA_KEYS: a key is not base64.") from error
    if any(len(key) != _KEY for key in found):
        raise ImproperlyConfigured("DATA_KEYS: each key has 32 bytes, in base64.")
    return found


def _name(master: bytes) -> str:
    return hashlib.sha256(b"name of " + master).hexdigest()[:8]


@lru_cache(maxsize=64)
def _cipher(master: bytes, context: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY, None, context.encode()).derive(master))

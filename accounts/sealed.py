"""Words that rest encrypted: sealed with one key, opened with any that we still have.

``DATA_KEYS`` holds 32 bytes each, in base64, with commas: the first seals, all open. A key is
called by the first bytes of its SHA-256, and what is sealed says which key it needs, so a new key
is put in front and the old one dropped once nothing needs it (``manage.py rotate_keys``).

No key is used as it is. Of each, HKDF makes one for every purpose, so that what is sealed for one
opens for no other; and the whole context is authenticated with it, so that it opens in no other
place either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
# What a sealed text begins with: at random, so that the same words twice look different; or always
# alike, so that they can be found.
AT_RANDOM, ALIKE = "s1", "f1"
_MADE_OF = b"lentigo data key"


class SealError(ValueError):
    """It cannot be opened: changed, from another place, or its key is not here."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """One of ``DATA_KEYS``. ``name`` is public, 8 characters; ``secret`` never is."""

    name: str
    secret: bytes

    def __repr__(self) -> str:
        return f"<DataKey {self.name}>"


def data_keys() -> tuple[DataKey, ...]:
    """Every key we have, the sealing one first; made of ``SECRET_KEY`` where none is given."""
    return _keys(tuple(settings.DATA_KEYS), settings.SECRET_KEY)


def read_keys(given: Sequence[str]) -> tuple[DataKey, ...]:
    """Raises ``ValueError`` with a sentence that names no key."""
    found = []
    for number, text in enumerate(given, 1):
        try:
            secret = base64.b64decode(text.strip(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"Key {number} of DATA_KEYS is not base64.") from None
        if len(secret) != KEY_BYTES:
            raise ValueError(f"Key {number} of DATA_KEYS has {len(secret)} bytes and not 32.")
        found.append(_named(secret))
    if len({key.name for key in found}) < len(found):
        raise ValueError("DATA_KEYS names a key twice.")
    return tuple(found)


@lru_cache(maxsize=8)
def _keys(given: tuple[str, ...], secret_key: str) -> tuple[DataKey, ...]:
    if given:
        return read_keys([text.replace("+", "-").replace("/", "_") for text in given])
    return (_named(_derived(secret_key.encode(), _MADE_OF)),)


def _named(secret: bytes) -> DataKey:
    return DataKey(hashlib.sha256(secret).hexdigest()[:8], secret)


@lru_cache(maxsize=256)
def _derived(secret: bytes, purpose: bytes, length: int = KEY_BYTES) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=b"lentigo:" + purpose).derive(secret)


# --- Bytes ---------------------------------------------------------------------------------------


def seal_bytes(content: bytes, *, context: str) -> tuple[str, bytes]:
    """The name of the key and nonce + ciphertext, AES-256-GCM; 28 bytes longer than ``content``.

    ``context`` is "purpose" or "purpose:place": each purpose has a key of its own.
    """
    key = data_keys()[0]
    nonce = os.urandom(NONCE_BYTES)
    return key.name, nonce + _gcm(key, context).encrypt(nonce, content, context.encode())


def open_bytes(name: str, sealed: bytes, *, context: str) -> bytes:
    """What :func:`seal_bytes` sealed in the same context; raises :class:`SealError`."""
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return _gcm(_key(name), context).decrypt(nonce, body, context.encode())
    except (InvalidTag, ValueError) as error:
        if isinstance(error, SealError):
            raise
        raise SealError("It was changed, or belongs to another place.") from None


def _gcm(key: DataKey, context: str) -> AESGCM:
    return AESGCM(_derived(key.secret, _purpose(context)))


def _siv(key: DataKey, context: str) -> AESSIV:
    return AESSIV(_derived(key.secret, b"find:" + _purpose(context), 2 * KEY_BYTES))


def _purpose(context: str) -> bytes:
    return context.partition(":")[0].encode()


def _key(name: str) -> DataKey:
    for key in data_keys():
        if key.name == name:
            return key
    raise SealError(f"It was sealed with the key {name}, which is not in DATA_KEYS.")


# --- Words ---------------------------------------------------------------------------------------


def seal(text: str, *, context: str) -> str:
    """``text`` sealed as plain ASCII, different every time: ``s1.<key>.<base64url>``."""
    name, body = seal_bytes(text.encode(), context=context)
    return f"{AT_RANDOM}.{name}.{_ascii(body)}"


def seal_alike(text: str, *, context: str) -> list[str]:
    """``text`` sealed so that it can be found, by AES-SIV: the same text, the same result.

    One for each key we have; the first is the one to keep, and any may be in the table while keys
    are being changed. Who has the table and no key learns which rows hold the same, nothing else.
    """
    content, place = text.encode(), [context.encode()]
    bodies = [(key.name, _siv(key, context).encrypt(content, place)) for key in data_keys()]
    return [f"{ALIKE}.{name}.{_ascii(body)}" for name, body in bodies]


def open_sealed(sealed: str, *, context: str) -> str:
    """What :func:`seal` or :func:`seal_alike` sealed; raises :class:`SealError`."""
    how, name, body = _parts(sealed)
    if how == AT_RANDOM:
        return open_bytes(name, body, context=context).decode()
    try:
        return _siv(_key(name), context).decrypt(body, [context.encode()]).decode()
    except InvalidTag:
        raise SealError("It was changed, or belongs to another place.") from None


def is_sealed(text: str) -> bool:
    """Whether it looks like something of ours."""
    try:
        _parts(text)
    except SealError:
        return False
    return True


def key_of(sealed: str) -> str:
    """The name of the key it needs; raises :class:`SealError` where it is nothing of ours."""
    return _parts(sealed)[1]


def reseal(sealed: str, *, context: str) -> str:
    """The same words under the first key; as it is where it is sealed with that already."""
    if key_of(sealed) == data_keys()[0].name:
        return sealed
    text = open_sealed(sealed, context=context)
    if sealed.startswith(f"{ALIKE}."):
        return seal_alike(text, context=context)[0]
    return seal(text, context=context)


def _parts(sealed: str) -> tuple[str, str, bytes]:
    how, _, rest = sealed.partition(".")
    name, dot, body = rest.partition(".")
    if how not in (AT_RANDOM, ALIKE) or not dot:
        raise SealError("This is not sealed.")
    try:
        return how, name, base64.b64decode(body, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealError("What is sealed was cut or changed.") from None


def _ascii(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode()

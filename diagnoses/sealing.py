"""How a file lies sealed: a head, and pieces of 64 KiB that open only in their order.

::

    head   8 bytes "LNTGSEAL", 1 byte version, 16 bytes id of the file's key, 7 bytes nonce
    piece  ciphertext of up to 65,536 bytes, 16 bytes tag (AES-256-GCM)
    …

The nonce of piece *n* is the head's 7 bytes, *n* as 4 bytes, and 1 for the last piece, else 0; the
head is authenticated with every piece. So pieces that are changed, left out, doubled, put in
another order or taken from another file do not open, and neither does a file that was cut. (The
construction is known as STREAM, of Hoang, Reyhanitabar, Rogaway and Vizár, 2015.) The key is used
for one file only.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC: Final = b"LNTGSEAL"
VERSION: Final = 1
HEAD: Final = len(MAGIC) + 1 + 16 + 7
PIECE: Final = 64 * 1024
TAG: Final = 16


class BrokenFileError(OSError):
    """The file is not what was sealed. Of ``OSError``, as what a disk makes of a file is."""


# The file is gone, or no longer what it was. Any other ``OSError`` is the storage's and may pass.
LOST: Final = (FileNotFoundError, BrokenFileError)


class AwayError(Exception):
    """The storage gives nothing at this moment; of the pictures that says nothing."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a sealed file."""

    key_id: UUID
    nonce: bytes

    @classmethod
    def new(cls, key_id: UUID) -> Head:
        return cls(key_id, os.urandom(7))

    @classmethod
    def read(cls, raw: bytes) -> Head | None:
        """``None`` where it is no sealed file; raises :class:`BrokenFileError` for half a head."""
        if not raw.startswith(MAGIC):
            return None
        if len(raw) < HEAD or raw[len(MAGIC)] != VERSION:
            raise BrokenFileError("The head of the file is cut, or of a version we do not know.")
        start = len(MAGIC) + 1
        return cls(UUID(bytes=raw[start : start + 16]), raw[start + 16 : HEAD])

    def __bytes__(self) -> bytes:
        return MAGIC + bytes([VERSION]) + self.key_id.bytes + self.nonce

    def piece(self, number: int, *, last: bool) -> bytes:
        """The nonce of one piece: 12 bytes."""
        return self.nonce + number.to_bytes(4, "big") + bytes([last])


def clear_size(sealed_size: int) -> int:
    """How many bytes are inside of a sealed file of ``sealed_size``; never less than 0."""
    body = max(0, sealed_size - HEAD)
    return max(0, body - TAG * max(1, -(-body // (PIECE + TAG))))


class Sealing(io.RawIOBase):
    """A file to write to, once from its start to its end; what arrives in ``target`` is sealed.

    It is whole only after :meth:`finish`: one that is left before does not open.
    """

    def __init__(self, target: IO[bytes], key: bytes, head: Head) -> None:
        super().__init__()
        self._target, self._cipher, self._head = target, AESGCM(key), head
        self._held, self._number, self.size = bytearray(), 0, 0
        target.write(bytes(head))

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._held += content
        while len(self._held) > PIECE:  # never the last: that one is known only at the end
            self._put(bytes(self._held[:PIECE]), last=False)
            del self._held[:PIECE]
        self.size += len(content)
        return len(content)

    def tell(self) -> int:
        return self.size

    def finish(self) -> None:
        """Nothing more comes."""
        self._put(bytes(self._held), last=True)

    def _put(self, content: bytes, *, last: bool) -> None:
        nonce = self._head.piece(self._number, last=last)
        self._target.write(self._cipher.encrypt(nonce, content, bytes(self._head)))
        self._number += 1


class Opening(io.RawIOBase):
    """What is inside of a sealed file, to read from any place of it. Each piece is proved before a
    byte of it is given; :class:`BrokenFileError` where one is not what was sealed."""

    def __init__(
        self,
        source: IO[bytes],
        key: bytes,
        head: Head,
        sealed_size: int,
        refused: Callable[[BrokenFileError], None] = lambda _error: None,
        whole: Callable[[], None] = lambda: None,
    ) -> None:
        """``refused`` hears of a piece that does not open, after the file was found to open;
        ``whole`` is called once every piece has opened."""
        super().__init__()
        self._refused: Callable[[BrokenFileError], None] = lambda _error: None
        self._source, self._cipher, self._head = source, AESGCM(key), head
        self.size = clear_size(sealed_size)
        self._last = max(0, -(-(sealed_size - HEAD) // (PIECE + TAG)) - 1)
        self._at, self._number, self._piece = 0, -1, b""
        self._proved: set[int] = set()
        self._whole = whole
        self._take(self._last)  # a file that was cut is refused before its first byte is read
        self._refused = refused

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, offset = divmod(self._at, PIECE)
        if self._at >= self.size:
            return 0
        self._take(number)
        given = self._piece[offset : offset + len(buffer)]
        buffer[: len(given)] = given
        self._at += len(given)
        return len(given)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

    def _take(self, number: int) -> None:
        if number == self._number:
            return
        self._source.seek(HEAD + number * (PIECE + TAG))
        raw = self._source.read(PIECE + TAG)
        nonce = self._head.piece(number, last=number == self._last)
        try:
            self._piece = self._cipher.decrypt(nonce, raw, bytes(self._head))
        except (InvalidTag, ValueError):
            error = BrokenFileError("The file was changed or cut after it was written.")
            self._refused(error)
            raise error from None
        self._number = number
        if number not in self._proved:
            self._proved.add(number)
            if len(self._proved) == self._last + 1:
                self._whole()

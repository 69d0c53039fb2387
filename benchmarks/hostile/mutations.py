"""Honest pictures, spoilt at random: bits turned, pieces cut out, put in, repeated, mixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.hostile.catalogue import FORMATS, honest

# Where a random place would rarely fall: what stands at a file's beginning decides most.
HEAD = 64


@dataclass(frozen=True, slots=True)
class Change:
    """One deed to a file: ``place`` and ``length`` are shares of 65,536 of it."""

    deed: str
    place: int
    length: int
    value: bytes

    def done(self, file: bytes) -> bytes:
        if not file:
            return file
        start = self.place * len(file) >> 16
        end = min(len(file), start + 1 + (self.length * len(file) >> 18))
        return _DEEDS[self.deed](file, start, end, self.value)


def _flip(file: bytes, start: int, _end: int, value: bytes) -> bytes:
    spoilt = bytearray(file)
    for at, mask in enumerate(value, start):
        spoilt[at % len(file)] ^= mask
    return bytes(spoilt)


def _head(file: bytes, start: int, end: int, value: bytes) -> bytes:
    return _flip(file[:HEAD], start % HEAD, end, value) + file[HEAD:]


def _cut(file: bytes, start: int, _end: int, _value: bytes) -> bytes:
    return file[:start]


def _leave_out(file: bytes, start: int, end: int, _value: bytes) -> bytes:
    return file[:start] + file[end:]


def _put_in(file: bytes, start: int, _end: int, value: bytes) -> bytes:
    return file[:start] + value + file[start:]


def _repeat(file: bytes, start: int, end: int, _value: bytes) -> bytes:
    return file[:end] + file[start:end] + file[end:]


def _splice(file: bytes, start: int, end: int, value: bytes) -> bytes:
    other = honest(FORMATS[sum(value) % len(FORMATS)])
    return file[:start] + other[start:end] + file[end:]


_DEEDS: dict[str, Callable[[bytes, int, int, bytes], bytes]] = {
    "flip": _flip,
    "head": _head,
    "cut": _cut,
    "leave out": _leave_out,
    "put in": _put_in,
    "repeat": _repeat,
    "splice": _splice,
}
DEEDS = tuple(_DEEDS)


def spoilt(file: bytes, changes: Sequence[Change]) -> bytes:
    for change in changes:
        file = change.done(file)
    return file

"""The one audit trail: who did what to what, when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from accounts.models import AuditEntry, User

_held: ContextVar[list[AuditEntry] | None] = ContextVar("audit_held", default=None)


@contextmanager
def together() -> Iterator[None]:
    """What is recorded inside is written in one statement at the end, whatever happens inside.

    For a page that shows several things at once, and not for changes: those have their line in
    their own transaction. Lines have no key before they are written.
    """
    held: list[AuditEntry] = []
    token = _held.set(held)
    try:
        yield
    finally:
        _held.reset(token)
        AuditEntry.objects.bulk_create(held)


def record(action: str, *, actor: User | None, about: str = "", **detail: object) -> AuditEntry:
    """Write one line, in the caller's transaction. ``detail`` holds ids and codes, no free text.

    Whoever has no login is acted for by their carer, and that is who did it.
    """
    hand = actor.reader if actor else None
    entry = AuditEntry(action=action, actor=hand, about=about, detail=detail)
    held = _held.get()
    if held is None:
        entry.save(force_insert=True)
    else:
        held.append(entry)
    return entry

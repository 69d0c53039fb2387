"""The one audit trail: who did what to what, when."""

from __future__ import annotations

from accounts.models import AuditEntry, User


def record(action: str, *, actor: User | None, about: str = "", **detail: object) -> AuditEntry:
    """Write one line, in the caller's transaction. ``detail`` holds ids and codes, no free text.

    Whoever has no login is acted for by their carer, and that is who did it.
    """
    hand = actor.reader if actor else None
    return AuditEntry.objects.create(action=action, actor=hand, about=about, detail=detail)

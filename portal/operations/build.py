"""Which revision of the portal is running."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.conf import settings

_COMMIT = re.compile(r"[0-9a-f]{40}")
UNKNOWN = "unknown"


@cache
def commit() -> str:
    """As the image was built with it, else what the repository says; "unknown" without either."""
    if settings.COMMIT:
        return str(settings.COMMIT)[:40]
    return _of(Path(settings.BASE_DIR) / ".git") or UNKNOWN


def _of(repository: Path) -> str:
    """Read from its files: a web process starts no other programs."""
    try:
        if repository.is_file():  # a worktree: its folder stands elsewhere
            repository = Path(repository.read_text().removeprefix("gitdir:").strip())
        head = (repository / "HEAD").read_text().strip()
        ref = head.removeprefix("ref:").strip()
        if ref != head:
            common = repository / "commondir"
            where = repository / common.read_text().strip() if common.is_file() else repository
            head = _of_ref(where, ref)
    except OSError:
        return ""
    return head if _COMMIT.fullmatch(head) else ""


def _of_ref(repository: Path, ref: str) -> str:
    if (repository / ref).is_file():
        return (repository / ref).read_text().strip()
    packed = (repository / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), "")

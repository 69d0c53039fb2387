"""The audit trail's chain: what shows that a line was changed, taken out, put in or moved.

The database refuses to change a line, and whoever owns the database can make it stop refusing. So
every line gets a place in a chain: a digest of the line, of its place and of the digest before it,
with a key that is not in the database (``AUDIT_KEY``). A line changed afterwards breaks the chain
at its place; whoever has the database and not the key cannot mend it.

Lines are linked after their transaction, in the order in which they are found: transactions that
write them wait for nobody. Between a line and its link lie seconds, and a line that is taken out
within these is missed. A tail that is cut off whole, lines and links, is missed by the chain alone,
and found by the seals: now and then the newest place and its digest are written to the log, and to
a file outside of the database (``AUDIT_SEALS``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import AuditEntry, AuditLink

logger = logging.getLogger(__name__)

MOST: Final = 2000  # lines linked in one transaction
# Keys are given out before a transaction ends: a line may appear below those linked already. So
# many keys back it is looked for each time, and once an hour everywhere.
WINDOW: Final = 20_000
# Lines are linked in the order of their keys, and so of their moments, but for transactions that
# last. One that says it is of so much earlier than a line before it was put in afterwards.
OUT_OF_ORDER: Final = timedelta(minutes=10)
_LOCK: Final = 0x1E47A0D1
_START: Final = "0" * 64
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seal:
    """The chain's newest place at a moment, kept outside of the database."""

    position: int
    digest: str
    at: str

    def written(self) -> str:
        return json.dumps({"position": self.position, "digest": self.digest, "at": self.at})

    @classmethod
    def read(cls, line: str) -> Seal:
        """Raises ``ValueError`` for anything that :meth:`written` does not write."""
        try:
            raw = json.loads(line)
            return cls(int(raw["position"]), str(raw["digest"]), str(raw["at"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"Not a seal: {line[:80]!r}") from error


@dataclass(frozen=True, slots=True)
class Verdict:
    """What :func:`verify` found: ``faults`` are sentences, one for each thing that is wrong."""

    linked: int
    waiting: int  # not linked yet: for seconds, or for as long as no io worker runs
    faults: list[str]


def seal(*, everywhere: bool = False) -> int:
    """Link up to ``MOST`` lines that have no place yet; how many. One process at a time."""
    with transaction.atomic():
        if not _alone():
            return 0
        head = AuditLink.objects.order_by("-position").first()
        rows = AuditEntry.objects.filter(link=None)
        if head and not everywhere:
            newest = AuditLink.objects.aggregate(newest=Max("entry"))["newest"]
            rows = rows.filter(pk__gt=newest - WINDOW)
        last, before = (head.position, head.digest) if head else (0, _START)
        links, now = [], timezone.now()
        for position, entry in enumerate(rows.order_by("pk")[:MOST], last + 1):
            before = digest(entry, position, before, now)
            links.append(AuditLink(position=position, entry=entry, sealed_at=now, digest=before))
        AuditLink.objects.bulk_create(links)
    return len(links)


def keep_seal() -> Seal | None:
    """Link everything, and write the newest place to the log and to the file of the settings."""
    while seal(everywhere=True) == MOST:
        pass
    head = AuditLink.objects.order_by("-position").first()
    if head is None:
        return None
    kept = Seal(head.position, head.digest, timezone.now().isoformat())
    logger.info("audit trail sealed at %s: %s", kept.position, kept.digest)
    if settings.AUDIT_SEALS:
        with Path(settings.AUDIT_SEALS).open("a", encoding="utf-8") as file:
            file.write(kept.written() + "\n")
    return kept


def verify(seals: Iterable[Seal] = ()) -> Verdict:
    """Go through the whole chain; compare it with ``seals``."""
    kept: dict[int, list[Seal]] = {}
    for one in seals:
        kept.setdefault(one.position, []).append(one)
    faults, last, before, newest = [], 0, _START, _LONG_AGO
    for link in _links():
        if link.position != last + 1:
            faults.append(f"Places {last + 1} to {link.position - 1} are gone.")
        if link.digest != digest(link.entry, link.position, before, link.sealed_at):
            faults.append(f"Place {link.position} (line {link.entry_id}) is not as it was linked.")
        if link.entry.at < newest - OUT_OF_ORDER:
            faults.append(f"Place {link.position} (line {link.entry_id}) was put in afterwards.")
        for one in kept.pop(link.position, ()):
            if not constant_time_compare(one.digest, link.digest):
                faults.append(f"Place {link.position} is not what was sealed at {one.at}.")
        last, before, newest = link.position, link.digest, max(newest, link.entry.at)
    faults += [
        f"Place {one.position}, sealed at {one.at}, is gone."
        for ones in kept.values()
        for one in ones
    ]
    free = dict(AuditEntry.objects.filter(link=None).values_list("pk", "at"))
    faults += [
        f"Line {pk} was put in afterwards." for pk, at in free.items() if at < newest - OUT_OF_ORDER
    ]
    return Verdict(last, len(free), faults)


def digest(entry: AuditEntry, position: int, before: str, sealed_at: datetime) -> str:
    """Of everything that is said of a line, in one writing; 64 hexadecimal digits."""
    said = [
        *(position, before, sealed_at.isoformat()),
        *(entry.pk, entry.at.isoformat(), entry.actor_id, entry.action, entry.about, entry.detail),
    ]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    key = settings.AUDIT_KEY or settings.SECRET_KEY
    return salted_hmac(__name__, text, secret=key, algorithm="sha256").hexdigest()


def read_seals(path: Path) -> list[Seal]:
    """The file's; raises ``OSError`` or ``ValueError`` where it cannot be read."""
    with path.open(encoding="utf-8") as file:
        return [Seal.read(line) for line in file if line.strip()]


def _links() -> Iterator[AuditLink]:
    rows = AuditLink.objects.select_related("entry").order_by("position")
    return rows.iterator(chunk_size=5000)


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])

"""Second factors under another key: allauth keeps their secrets in a column of JSON."""

from __future__ import annotations

from collections.abc import Iterator

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts import sealed
from accounts.factor_adapter import CONTEXT
from accounts.resealing import ROWS, Batch

# An app's secret; what recovery codes are made of. A passkey keeps none here.
SEALED = ("secret", "seed")


def reseal() -> Iterator[Batch]:
    """Under the first data key. Like a column's ``reseal``."""
    last = 0
    while True:
        with transaction.atomic():
            rows = Authenticator.objects.filter(pk__gt=last).order_by("pk")
            # Held: who logs in meanwhile changes the same column.
            batch = list(rows.select_for_update()[:ROWS])
            done = [_sealed_anew(row) for row in batch]
        if not batch:
            return
        last = batch[-1].pk
        yield Batch(len(batch), done.count(True), done.count(None))


def _sealed_anew(row: Authenticator) -> bool | None:
    """Whether it changed; ``None`` where no key opens it."""
    kept = {name: row.data[name] for name in SEALED if name in row.data}
    try:
        new = {name: sealed.reseal(text, context=CONTEXT) for name, text in kept.items()}
    except sealed.SealError:
        return None
    if new == kept:
        return False
    row.data |= new
    row.save(update_fields=["data"])
    return True

"""``manage.py rotate_keys``: everything that rests sealed, under the first of ``DATA_KEYS``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import audit, resealing, sealed


class Command(BaseCommand):
    help = (
        "Seal with the first of DATA_KEYS what is sealed with another. Rows change and no file "
        "does; it may run beside the portal, be stopped, and be run again."
    )

    def handle(self, *_args: Any, verbosity: int, **_options: Any) -> None:
        first, *others = sealed.data_keys()
        total = refused = 0
        for label, walk in resealing.everything().items():
            looked = changed = 0
            for batch in walk():
                looked, changed = looked + batch.seen, changed + batch.changed
                refused += batch.refused
                if verbosity > 1:
                    self.stdout.write(f"{label}: {looked} looked at, {changed} sealed anew …")
            total += changed
            self.stdout.write(f"{label}: {changed} sealed anew")
        if total:
            audit.record("keys.rotated", actor=None, about=f"key:{first.name}", rows=total)
        if refused:
            raise CommandError(
                f"{refused} cannot be opened: changed, or sealed with a key that is not in "
                "DATA_KEYS. Put that key back, and run this again."
            )
        self.stdout.write(f"Everything is sealed with the key {first.name}.")
        for key in others:
            self.stdout.write(f"The key {key.name} is needed by old backups of the database only.")

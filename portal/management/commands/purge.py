"""Delete what is no longer to be kept. Says what, and does it only with ``--really``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import retention


class Command(BaseCommand):
    help = "Say what is no longer to be kept by the settings RETENTION_…; with --really delete it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--really", action="store_true", help="delete it, for good")

    def handle(self, *_: Any, really: bool, **__: Any) -> None:
        try:
            kinds = retention.kinds()
        except retention.RetentionError as error:
            raise CommandError(str(error)) from error
        for kind in kinds:
            oldest = f", the oldest of {kind.oldest:%Y-%m-%d}" if kind.oldest else ""
            self.stdout.write(f"{kind.count:>8}  {kind.name}{oldest}")
        if not really:
            self.stdout.write("Nothing was deleted. With --really this is, for good.")
            return
        for name, count in retention.purge().items():
            self.stdout.write(f"{count:>8}  deleted: {name}")

"""``manage.py encrypt_files``: files from before they were sealed, sealed in their place."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.alone import alone
from diagnoses import rekeying

SEALING = "encrypt_files"
EVERY = 500  # files between two words


class Command(BaseCommand):
    help = (
        "Seal every readable file of the private storage in its place. It may run beside the "
        "portal, be stopped or killed, and be run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *_args: Any, dry_run: bool, **_options: Any) -> None:
        try:
            # Of two, one would delete the key that the other needs.
            with alone(SEALING) as mine:
                if not mine:
                    raise CommandError("It runs already. Let that end, or stop it.")
                found, done = self._all(dry_run=dry_run)
        except OSError as error:
            raise CommandError(f"Stopped: {error} Run it again to go on.") from error
        if dry_run:
            self.stdout.write(f"{done} of {found} files are readable, and would be sealed.")
        else:
            self.stdout.write(f"{done} of {found} files were readable, and are sealed now.")

    def _all(self, *, dry_run: bool) -> tuple[int, int]:
        if not dry_run:
            rekeying.settle_names()
        found = done = 0
        for name, readable in rekeying.readable_files():
            found += 1
            if readable:
                done += dry_run or rekeying.seal_file(name)
            if found % EVERY == 0:
                self.stdout.write(f"{found} files looked at, {done} readable …")
        return found, done

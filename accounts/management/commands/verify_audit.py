"""``manage.py verify_audit``: whether the audit trail is as it was written."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import chain

SHOWN = 20


class Command(BaseCommand):
    help = "Go through the audit trail's chain, and say what is not as it was written."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seals",
            type=Path,
            default=Path(settings.AUDIT_SEALS) if settings.AUDIT_SEALS else None,
            help="file with the seals (default: AUDIT_SEALS)",
        )

    def handle(self, *_args: Any, seals: Path | None, **_options: Any) -> None:
        try:
            kept = chain.read_seals(seals) if seals else []
        except (OSError, ValueError) as error:
            raise CommandError(f"The seals cannot be read: {error}") from error
        found = chain.verify(kept)
        self.stdout.write(
            f"{found.linked} lines are linked, {found.waiting} wait for it; {len(kept)} seals."
        )
        if not found.faults:
            self.stdout.write("The trail is as it was written.")
            return
        for fault in found.faults[:SHOWN]:
            self.stderr.write(fault)
        raise CommandError(
            f"{len(found.faults)} faults, the first {SHOWN} of them above: the trail is not as it "
            "was written. Keep the database as it is, and compare it with a backup."
        )

"""Erase the accounts whose days to think again are over. The sweep does it every hour."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from diagnoses import erasure


class Command(BaseCommand):
    help = "Erase the accounts whose owners asked for it and whose days to undo it are over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say which, and erase none")

    def handle(self, *_: Any, dry_run: bool, **__: Any) -> None:
        for patient in erasure.due():
            asked = f"{patient.erase_asked_at:%Y-%m-%d}"
            still_open = erasure.open_cases(patient).count()
            self.stdout.write(f"user {patient.pk}, asked {asked}, open cases {still_open}")
        if not dry_run:
            self.stdout.write(f"{erasure.sweep()} erased.")

"""The signatures of the demo's past, once the computer has looked at its cases."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import demo, past

PATIENCE = 30.0  # seconds, on a machine that does something else as well


class Command(BaseCommand):
    help = (
        "Sign the demo's past cases in the names of its doctors, as the computer's views come in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=PATIENCE)

    def handle(self, *_: Any, seconds: float, **__: Any) -> None:
        if not settings.DEMO:
            raise CommandError("A doctor always signs: made-up ones only in the demo (DEMO=1).")
        if not past.answer(seconds):
            (settings.DATA_DIR / demo.PAST_WAITS).unlink(missing_ok=True)

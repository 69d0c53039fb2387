"""Keep everything of a case, whatever the clock says: a court, an insurer, a complaint needs it."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnoses import retention
from diagnoses.models import Case, Hold


class Command(BaseCommand):
    help = (
        "Put cases on hold, so that nothing of them is deleted; without any, list those that are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("cases", nargs="*", type=uuid.UUID, help="ids, as addresses have them")
        parser.add_argument("--lift", action="store_true", help="no longer")

    def handle(self, *_: Any, cases: list[uuid.UUID], lift: bool, **__: Any) -> None:
        there = {case.pk: case for case in Case.objects.filter(pk__in=cases)}
        if missing := [str(key) for key in cases if key not in there]:
            raise CommandError(f"There is no case {', '.join(missing)}. Nothing was changed.")
        for case in there.values():
            changed = retention.release(case) if lift else retention.hold(case)
            now = "is no longer on hold" if lift else "is on hold"
            self.stdout.write(f"{case.pk} {now}{'' if changed else ', as before'}.")
        if not cases:
            for one in Hold.objects.all():
                self.stdout.write(f"{one.case_id} since {one.placed_at:%Y-%m-%d}")

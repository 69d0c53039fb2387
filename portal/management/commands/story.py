"""The whole story of one job, for somebody on a shell."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.operations.jobs import Sight, find
from portal.operations.story import story


class Command(BaseCommand):
    help = "Print what happened to a case, a scoring, a message or the proof of a bundle."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "id", help="a case's reference or id, a message's id, the number of a scoring or proof"
        )

    def handle(self, *_: Any, id: str, **__: Any) -> None:  # noqa: A002 - the argument's own name
        everything = Sight(None)
        jobs = find(id, everything)
        if not jobs:
            raise CommandError(f"Nothing has the id {id!r}.")
        if len(jobs) > 1:
            named = "\n".join(f"  {job.id}" for job in jobs)
            raise CommandError(f"{id!r} may mean several. Ask for one of them:\n{named}")
        self.stdout.write(story(jobs[0], everything).as_text())

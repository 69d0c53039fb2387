"""Real pictures with signed answers through the running portal, to fill the monitoring pages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from mlservice import registry
from mlservice.packs import load_pack
from portal import replaying
from portal.replaying import House, Known, ReplayError

AHEAD = 24  # cases sent before the first of them are signed


class Command(BaseCommand):
    help = (
        "Send labelled pictures as cases of a clinic of their own, and sign them with their labels "
        "once the computer has looked. Stopped, it goes on where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="folder of the pictures")
        parser.add_argument("table", type=Path, help="csv with image_id,dx and what else is known")
        parser.add_argument("--clinic", required=True, help="a clinic for it alone, made if needed")
        parser.add_argument("--limit", type=int, default=0, help="so many of them, drawn")
        parser.add_argument("--seed", type=int, default=0, help="of the draw")
        parser.add_argument("--kept", type=Path, help="where to put the pictures as they were kept")
        parser.add_argument("--seconds", type=float, default=60, help="to wait for a view in vain")
        parser.add_argument("--yes", action="store_true", help="outside of the demo, too")

    def handle(self, *_: Any, **options: Any) -> None:
        if not (settings.DEMO or settings.DEBUG or options["yes"]):
            raise CommandError(
                "This portal is no demo: made-up cases would stand among its patients'. "
                "They get a clinic of their own; with --yes they are sent all the same."
            )
        pack = load_pack(settings.PACK)
        if registry.scoring(pack.name) is None:
            raise CommandError("No version scores new cases: none is in service, or it is paused.")
        try:
            rows = replaying.read(options["folder"], options["table"], pack)
            rows = replaying.some_of(rows, options["limit"] or len(rows), options["seed"])
            where = replaying.house(options["clinic"], pack)
        except ReplayError as error:
            raise CommandError(str(error)) from error
        self._replay(where, rows, options["seconds"])
        if options["kept"]:
            kept = replaying.keep(where, rows, options["kept"])
            self.stdout.write(
                f"{kept} pictures as the portal keeps them: python -m training evaluate "
                f"--images {options['kept'] / 'images'} --labels {options['kept'] / 'labels.csv'}"
            )

    def _replay(self, where: House, rows: Sequence[Known], patience: float) -> None:
        scorer = replaying.Scorer()
        if scorer.here:
            self.stdout.write("No worker runs, so the pictures are scored here.")
        try:
            with tqdm(total=len(rows), desc="  Replay", unit="case", disable=None) as bar:
                left = self._rounds(where, rows, scorer, bar, patience)
        finally:
            scorer.close()
        if left:
            self.stderr.write(f"{left} cases wait for a view; the same command goes on with them.")

    def _rounds(
        self,
        where: House,
        rows: Sequence[Known],
        scorer: replaying.Scorer,
        bar: tqdm,
        patience: float,
    ) -> int:
        """Send and sign in turn; how many are still open when nothing has come for so long."""
        to_send, left, moved = iter(rows), 0, time.monotonic()
        sent = done = 0
        while sent < len(rows) or left:
            while sent < len(rows) and left < AHEAD:
                row = next(to_send)
                if sentence := replaying.send(where, row):
                    bar.write(f"  {row.image_id}: {sentence}")
                sent, left = sent + 1, left + 1
            scorer.turn()
            left = replaying.sign(where, rows)
            if sent - left > done:
                bar.update(sent - left - done)
                done, moved = sent - left, time.monotonic()
            if time.monotonic() - moved > patience:
                break
        return left

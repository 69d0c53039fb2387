"""Write the folder for ``python -m training`` from a shell: what the page *Learning* makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Clinic
from diagnoses import learning
from diagnoses.learning.which import Wanted, modalities
from mlservice.packs import Pack, PackError, available_packs, load_pack


class Command(BaseCommand):
    help = "Write pictures that patients gave for learning, with their labels, into a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="empty, or not there yet")
        parser.add_argument("--pack", default=settings.PACK, help=", ".join(available_packs()))
        parser.add_argument("--modality", default="", help="how the pictures were taken")
        parser.add_argument("--clinic", default="", help="a clinic's name; all of them without it")

    def handle(self, *_: Any, folder: Path, **options: Any) -> None:
        try:
            pack = load_pack(options["pack"])
        except PackError as error:
            raise CommandError(str(error)) from error
        wanted = Wanted(pack, _modality(pack, options["modality"]), _clinic(options["clinic"]))
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandError(f"{str(folder)!r} is not empty. Nothing was written.")
        try:
            export = learning.write_out(wanted, folder)
        except (learning.NotNowError, OSError) as error:
            raise CommandError(f"{error} Nothing may be used of what was written.") from error
        if not export.done:
            raise CommandError("Nobody agreed whose case is answered: nothing was written.")
        self.stdout.write(f"{export.done} pictures in {folder}, export {export.pk}")


def _modality(pack: Pack, name: str) -> str:
    known = modalities(pack)
    if name and name not in known:
        raise CommandError(f"--modality {name!r} is not one of {', '.join(known)}.")
    return name or known[0]


def _clinic(name: str) -> Clinic | None:
    if not name:
        return None
    found = Clinic.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no clinic called {name!r}.")
    return found

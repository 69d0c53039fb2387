"""Enter a model bundle into the registry, and let it score new cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlservice import registry
from mlservice.engine import BundleError, shipped
from mlservice.models import ModelVersion
from mlservice.packs import available_packs

REASON = "shipped with this release"


class Command(BaseCommand):
    help = (
        "Register the shipped model of each disease area in PACKS, or the bundle in FOLDER. It "
        "becomes active where its disease area has no active version whose files are there, or "
        "with --activate."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path)
        parser.add_argument("--activate", action="store_true", help="put it in the active's place")

    def handle(
        self, *_: Any, folder: Path | None, activate: bool, verbosity: int, **__: Any
    ) -> None:
        folders = [folder] if folder else newest_bundles()
        if not folders:
            raise CommandError(f"There is no model bundle in {registry.BUNDLES}.")
        for each in folders:
            try:
                version = self._enter(each, activate=activate)
            except BundleError as error:
                raise CommandError(str(error)) from error
            if verbosity:
                self.stdout.write(f"{version}: {version.get_state_display().lower()}")

    def _enter(self, folder: Path, *, activate: bool) -> ModelVersion:
        version = registry.register(folder)
        current = registry.active(version.pack)
        # An upgrade may have taken the active version's files away: nothing would be scored.
        gone = current is not None and not registry.is_there(current)
        if current is None or gone or (activate and current.pk != version.pk):
            registry.activate(version, by=None, reason=REASON)
            version.refresh_from_db()
        return version


def newest_bundles() -> list[Path]:
    """The shipped bundle with the highest version of each area in ``PACKS`` that has one."""
    shipped_for = {path.parent.name.rpartition("-")[0] for path in manifests()}
    wanted = shipped_for & set(available_packs()) & set(settings.PACKS)
    return [shipped(pack) for pack in sorted(wanted)]


def manifests() -> list[Path]:
    return list(registry.BUNDLES.glob("*/manifest.json"))

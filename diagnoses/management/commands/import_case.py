"""Bring a case from another portal: ``manage.py import_case FILE --patient EMAIL``.

As ``POST /api/v1/cases/import/`` does it, for whoever runs the portal; ``docs/archive.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from diagnoses.archive.refusal import ArchiveRefusedError
from diagnoses.archive.taking import take_in
from diagnoses.intake import Refusal


class Command(BaseCommand):
    help = "Bring a case from another portal, as the archive that it wrote."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the zip")
        parser.add_argument("--patient", required=True, help="the patient's e-mail")

    def handle(self, *_: Any, **options: Any) -> None:
        email = options["patient"].strip().lower()
        patient = User.objects.filter(email=email).first()
        if patient is None or not patient.is_patient or not patient.is_active:
            raise CommandError(f"There is no patient with the address {email}.")
        try:
            with options["file"].open("rb") as archive:
                taken = take_in(archive, patient, None)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except (ArchiveRefusedError, Refusal) as refusal:
            raise CommandError(f"{refusal.code}: {refusal.sentence}") from refusal
        said = "is here" if taken.new else "was here already"
        self.stdout.write(f"Case {taken.case.reference} {said}: {taken.case.pk}")

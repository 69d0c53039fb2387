"""What an admin does: ask for an export, take a copy, say that the copies are rid of a picture."""

from __future__ import annotations

from typing import IO, Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts import audit
from accounts.models import User
from diagnoses.learning.which import Wanted
from diagnoses.learning.withdrawing import about
from diagnoses.models import ExportedPhoto, TakenCopy, TrainingExport
from notifications.wake import wake

MAKE = "diagnoses.make_exports"
State = TrainingExport.State


def ask(wanted: Wanted, admin: User, press: UUID) -> TrainingExport:
    """Have a folder made. A second press, and a press while the same is being made, find the
    first's.

    ``wanted.clinic`` is the admin's own where they have one: the surface sees to it.
    """
    if known := wanted_twice(wanted, press):
        return known
    fields: dict[str, Any] = {
        "pack": wanted.pack.name,
        "modality": wanted.modality,
        "clinic": wanted.clinic,
    }
    try:
        with transaction.atomic():
            export = TrainingExport.objects.create(press=press, asked_by=admin, **fields)
            audit.record(
                "export.asked",
                actor=admin,
                about=about(export),
                pack=wanted.pack.name,
                modality=wanted.modality,
                clinic=wanted.clinic.pk if wanted.clinic else None,
            )
            wake(MAKE)
    except IntegrityError:
        known = wanted_twice(wanted, press)
        if known is None:
            raise
        return known
    return export


def wanted_twice(wanted: Wanted, press: UUID | None = None) -> TrainingExport | None:
    """The export of this press, or the one of the same pictures that is being made."""
    same = Q(state=State.WAITING, pack=wanted.pack.name, modality=wanted.modality)
    same &= Q(clinic=wanted.clinic)
    rows = TrainingExport.objects.filter(same | Q(press=press) if press else same)
    return rows.order_by("-asked_at").first()


def take(export: TrainingExport, admin: User) -> IO[bytes] | None:
    """The zip, opened, and written down that ``admin`` has a copy; ``None`` once it is gone."""
    with transaction.atomic():
        # Whoever takes a picture out waits for this, and knows of the copy then.
        held = TrainingExport.objects.select_for_update().get(pk=export.pk)
        if held.state != State.READY:
            return None
        try:
            file: IO[bytes] = default_storage.open(held.file)
        except OSError:
            return None
        TakenCopy.objects.create(export=held, by=admin)
        audit.record("export.taken", actor=admin, about=about(held))
    return file


def to_delete(export: TrainingExport) -> QuerySet[ExportedPhoto]:
    """The pictures that have to go from the copies, by the names they have there."""
    return export.held.to_delete().order_by("name")


@transaction.atomic
def clean_up(export: TrainingExport, admin: User, known: int) -> bool:
    """``admin`` says that the copies hold none of them any more; False if there are other ones
    than the ``known`` they were shown."""
    TrainingExport.objects.select_for_update().get(pk=export.pk)
    rows = ExportedPhoto.objects.filter(export=export).to_delete()
    if rows.count() != known:
        return False
    if rows.update(cleaned_at=Now(), cleaned_by=admin):
        audit.record("export.cleaned", actor=admin, about=about(export), pictures=known)
    return True

"""Somebody took back the consent to learning, or was erased: their pictures leave the exports.

An export that is ready is deleted, and not made again without them: a folder that was hashed and
recorded stays that folder, and a new one is one press away. Of copies that were downloaded the
portal can only say which pictures have to go; it goes on saying it until an admin says it is done.
"""

from __future__ import annotations

from collections.abc import Collection

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.models import Consent, User
from diagnoses.models import ExportedPhoto, TrainingExport

State = TrainingExport.State
Why = ExportedPhoto.Why
# Of our advisory locks: one choice of pictures or one withdrawal at a time, over all processes.
_LOCK = 0x1EA2


def one_at_a_time() -> None:
    """Until the end of this transaction nobody else chooses pictures or takes any out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


@transaction.atomic
def take_out(patients: Collection[int], why: ExportedPhoto.Why) -> int:
    """Take the pictures of ``patients`` (primary keys) out of every export there is; how many.

    In the transaction that ends the consent, behind it. An export whose pictures are being chosen
    at this moment either has chosen before, and loses them here, or chooses without them.
    """
    one_at_a_time()
    theirs = ExportedPhoto.objects.filter(
        photo__case__patient__in=patients, withdrawn_at=None
    ).order_by()
    exports = list(
        TrainingExport.objects.select_for_update()
        .filter(pk__in=theirs.values("export"))
        .order_by("pk")
    )
    waiting = [export.pk for export in exports if export.state == State.WAITING]
    if waiting:
        # Whoever makes one of these has lost it, and it is begun anew.
        TrainingExport.objects.filter(pk__in=waiting).update(
            token=None, lease_until=None, attempts=0, total=None, done=0
        )
        ExportedPhoto.objects.filter(export__in=waiting).delete()
    out = theirs.update(withdrawn_at=Now(), why=why)
    for export in exports:
        if export.state == State.READY:
            TrainingExport.objects.filter(pk=export.pk).update(
                state=State.WITHDRAWN, settled_at=Now()
            )
            audit.record("export.deleted", actor=None, about=about(export), why=why.value)
            delete_file(export)
    return out


def catch_up() -> int:
    """The same for whoever no longer agrees by another way, such as a restored backup."""
    agree = Consent.objects.in_force().filter(kind=Consent.Kind.RESEARCH).values("user")
    people = set(
        ExportedPhoto.objects.filter(withdrawn_at=None)
        .exclude(photo__case__patient__in=agree)
        .order_by()
        .values_list("photo__case__patient", flat=True)
        .distinct()
    )
    if not people:
        return 0
    gone = User.objects.get_queryset().filter(pk__in=people, erased_at__isnull=False)
    erased = set(gone.values_list("pk", flat=True))
    out = take_out(erased, Why.ERASED) if erased else 0
    return out + (take_out(people - erased, Why.CONSENT) if people - erased else 0)


def delete_file(export: TrainingExport) -> None:
    """When the transaction is committed; a sweep deletes what a process that died here left."""
    transaction.on_commit(lambda: default_storage.delete(export.file), robust=True)


def about(export: TrainingExport) -> str:
    """As the audit trail names it."""
    return f"export:{export.pk}"

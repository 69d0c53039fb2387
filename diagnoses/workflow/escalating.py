"""The sweep of what waits too long: clinic by clinic, each in a transaction that holds the clinic.

Of two sweeps at once the second leaves that clinic to the first. All times are the database's.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import Clinic
from diagnoses.workflow.late import tell_of_late
from diagnoses.workflow.unread import tell_of_unread

logger = logging.getLogger(__name__)


def escalate() -> int:
    """Take every step that something has come to; how many were taken. Safe to run doubled."""
    taken = 0
    for pk in Clinic.objects.order_by("pk").values_list("pk", flat=True):
        try:
            taken += _escalate(pk)
        except Exception:  # one clinic's trouble must not keep the others waiting
            logger.exception("nobody was told of what waits too long in clinic %s", pk)
    return taken


def _escalate(pk: int) -> int:
    with transaction.atomic():
        free = Clinic.objects.select_for_update(skip_locked=True, no_key=True)
        clinic = free.annotate(now=Now()).filter(pk=pk).first()
        if clinic is None:
            return 0
        held: Any = clinic
        return tell_of_late(clinic, held.now) + tell_of_unread(clinic)

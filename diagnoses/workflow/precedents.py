"""A signed case becomes one that later ones are compared with."""

from __future__ import annotations

import numpy as np
from pgvector import HalfVector

from diagnoses.models import LARGEST_SIZE, Case, Precedent, Prediction


def remember(case: Case) -> None:
    """Keep the signed ``case`` by the computer's newest view of it, in the caller's transaction.

    At the signature and not when the view is filed: the index costs some milliseconds a row, which
    a doctor does not notice and a queue would. Of a case without a view that means something
    nothing is kept; whether one may be shown is asked when it is (``PrecedentQuerySet``).
    """
    views = Prediction.objects.live().filter(case=case)
    view = views.select_related("model_version").order_by("-pk").first()
    kept = None if view is None else precedent_of(view, case.clinic_id)
    if kept is None:
        Precedent.objects.filter(case=case).delete()
        return
    fields = [field.name for field in Precedent._meta.concrete_fields if not field.primary_key]
    Precedent.objects.bulk_create(
        [kept], update_conflicts=True, unique_fields=["case"], update_fields=fields
    )


def precedent_of(view: Prediction, clinic: int) -> Precedent | None:
    """The unsaved row, or ``None`` where there is nothing to compare."""
    embedding = unit(bytes(view.embedding))
    if embedding is None or not view.names_a_class:
        return None
    return Precedent(
        case_id=view.case_id,
        clinic_id=clinic,
        prediction=view,
        network=view.model_version.weights_hash,
        size=embedding.dimensions(),
        embedding=embedding,
    )


def unit(stored: bytes) -> HalfVector | None:
    """A prediction's embedding at length one, so that sixteen bits a number are enough."""
    embedding = np.frombuffer(stored, "<f4")
    length = float(np.linalg.norm(embedding))
    if not 0 < length < np.inf or not 0 < len(embedding) <= LARGEST_SIZE:
        return None
    return HalfVector(embedding / length)

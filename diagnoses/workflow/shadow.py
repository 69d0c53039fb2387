"""A candidate looks at cases that the active version has seen: drawn, queued last, compared.

Nothing of it moves a case or is shown to whoever reads it or asked about it. It costs a live view
one look at what runs, and where something does one insertion for all cases filed together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from diagnoses.models import LAST, Comparison, Prediction, Scoring
from diagnoses.models.shadow import seriousness
from diagnoses.states import Status
from diagnoses.triage import by_answers
from mlservice.engine.types import Tier
from mlservice.models import Shadow

Runs = Mapping[str, Shadow]  # by pack
OVER = "the candidate looks along no more"


def drawn(case: UUID, share: int) -> bool:
    """Whether a case is among the ``share`` percent: by its key, so a retake is drawn alike."""
    digest = hashlib.blake2b(case.bytes, digest_size=8).digest()
    return int.from_bytes(digest) % 100 < share


def queue_shadows(views: Sequence[Prediction], runs: Runs) -> None:
    """The candidate is to look at the cases of these live views, each with its scoring."""
    rows = [
        Scoring(
            case=view.case,
            model_version_id=run.version_id,
            purpose=Scoring.Purpose.SHADOW,
            round=view.scoring.round,
            priority=LAST,
        )
        for view in views
        if (run := runs.get(view.case.pack_name)) is not None
        # Rows that wait for a version are scored by it after it was retired, and may it be now.
        and run.version_id != view.model_version_id
        and view.case.status != Status.CANCELLED
        and drawn(view.case_id, run.share)
    ]
    if rows:
        Scoring.objects.bulk_create(rows, ignore_conflicts=True)


def still_runs(view: Prediction, runs: Runs) -> bool:
    """Whether it is the view of what looks along at this moment."""
    run = runs.get(view.case.pack_name)
    return run is not None and run.version_id == view.scoring.model_version_id


def compare(views: Sequence[Prediction], runs: Runs) -> None:
    """Keep how the candidate's views, just filed, stand beside the live ones of the same round."""
    rounds = Q(
        *[Q(case=view.case_id, scoring__round=view.scoring.round) for view in views],
        _connector=Q.OR,
    )
    live = Prediction.objects.live().filter(rounds).only(
        "case", "model_version", "picture_tier", "top_label", "no_disease", "modality"
    )  # fmt: skip
    beside = {view.case_id: view for view in live}
    found = [
        _compared(beside[view.case_id], view, runs[view.case.pack_name])
        for view in views
        if view.case_id in beside
    ]
    keys = {"run", "case"}
    fields = [
        field.name
        for field in Comparison._meta.concrete_fields
        if not field.primary_key and field.name not in keys
    ]
    Comparison.objects.bulk_create(
        found, update_conflicts=True, unique_fields=sorted(keys), update_fields=fields
    )


def _compared(live: Prediction, view: Prediction, run: Shadow) -> Comparison:
    answers = by_answers(view.case.pack, view.case.answers)

    def tier(of: Prediction) -> str:
        return answers.joined_with(Tier(of.picture_tier), ()).tier.value if of.names_a_class else ""

    same_words = (live.top_label, live.no_disease) == (view.top_label, view.no_disease)
    return Comparison(
        run=run,
        case=view.case,
        active_id=live.model_version_id,
        active_view=live,
        candidate_view=view,
        active_tier=tier(live),
        candidate_tier=tier(view),
        active_top=live.top_label,
        candidate_top=view.top_label,
        active_no_disease=live.no_disease,
        candidate_no_disease=view.no_disease,
        seriousness=seriousness(tier(live), tier(view), same_words=same_words),
    )


def close_the_shadows() -> int:
    """Rows of a candidate that was stopped, or put into service, are looked at no more."""
    runs = Shadow.objects.filter(ended_at=None).values("version")
    left = Scoring.objects.waiting().shadow().exclude(model_version__in=runs)
    return left.update(settled_at=Now(), lease_until=None, token=None, holder=None, error=OVER)

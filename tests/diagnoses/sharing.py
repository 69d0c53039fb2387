"""A case of North's that is shared with Xu of South, in each of its states."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.utils import timezone

from diagnoses import workflow
from diagnoses.models import Case, CaseShare, SecondReading
from diagnoses.workflow import Answer
from mlservice.engine.heatmap import GRID
from tests.cases import RED, scored, submitted
from tests.cast import Cast

SEEN: dict[str, Any] = {
    **RED,
    "heat": np.full((7, GRID, GRID), 255, np.uint8).tobytes(),
    "receipt": {"r95": 0.3, "r99": 0.1},
}
READING = {"diagnosis": "mel", "confidence": "sure", "plan": "refer_urgent"}


def a_case(cast: Cast, **changes: Any) -> Case:
    """Scored, with a heatmap, and read by Ruth."""
    case = scored(submitted(cast.ana, **changes), **SEEN)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    return case


def asked(cast: Cast, case: Case, question: str = "Would you biopsy it?") -> CaseShare:
    """Ruth asks; the patient has not answered."""
    return workflow.share(case, cast.ruth, cast.xu, question)


def agreed(cast: Cast, case: Case) -> CaseShare:
    return workflow.agree_to_share(asked(cast, case), cast.ana)


def question_of(share: CaseShare) -> SecondReading:
    return SecondReading.objects.get(share=share)


def read(cast: Cast, case: Case, words: str = "I would.") -> CaseShare:
    """Xu has read it blind."""
    share = agreed(cast, case)
    workflow.read_again(question_of(share), cast.xu, **READING, words=words)
    share.refresh_from_db()
    return share


def signed(cast: Cast, case: Case) -> None:
    answer = Answer("nv", "reassure", "So it is.", note="Between us.", agrees=True)
    workflow.sign(case, cast.ruth, answer)


def lapsed(share: CaseShare) -> None:
    CaseShare.objects.filter(pk=share.pk).update(ends_at=timezone.now())

"""What another threshold of the 80 % rule would have made of predictions that exist already."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from django.db.models import QuerySet

from accounts.models import User
from diagnoses.models import Case, Prediction
from diagnoses.models.scoring import UNJUDGED
from diagnoses.numbers import ENOUGH
from mlservice.engine.rule import THRESHOLDS
from mlservice.models import ModelVersion

LAST: Final = 1000


@dataclass(frozen=True, slots=True)
class Flips:
    """Of ``n`` predictions, at each threshold: how many would lose their name, how many gain one.

    Each is held against what was said of it when it was made.
    """

    n: int
    lost: tuple[int, ...]
    gained: tuple[int, ...]

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH


def flips(user: User, version: ModelVersion) -> Flips:
    """Of the last :data:`LAST` live predictions of ``version`` that ``user`` may see.

    A photo in which nothing is to be judged has no name at any threshold and is left out. One
    statement, whatever there is.
    """
    rows = list(_lately(user, version).values_list("no_disease", "confidence"))
    # A confidence in place k is below every threshold from the k-th on.
    named = Counter(bisect_right(THRESHOLDS, sure) for nameless, sure in rows if not nameless)
    nameless = Counter(bisect_right(THRESHOLDS, sure) for without, sure in rows if without)
    places = range(len(THRESHOLDS))
    below = accumulate(nameless[place] for place in places)
    return Flips(
        len(rows),
        tuple(accumulate(named[place] for place in places)),
        tuple(nameless.total() - one for one in below),
    )


def _lately(user: User, version: ModelVersion) -> QuerySet[Prediction]:
    mine = Case.objects.visible_to(user)
    if user.clinic_id is not None:  # by its index; of all clinics the newest predictions are near
        mine = mine.order_by("-submitted_at", "-id")[:LAST]
    views = Prediction.objects.live().filter(case__in=mine.values("pk"), model_version=version)
    return views.exclude(modality__in=UNJUDGED).order_by("-pk")[:LAST]

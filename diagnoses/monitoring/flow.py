"""How much a version has to do and how it goes: counts, waits, confidence, tiers, by day or week.

Everything is added up by the database, in one statement, however many views there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.db.models import (
    Aggregate,
    Avg,
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    Q,
    QuerySet,
    Value,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, TruncDay, TruncWeek

from diagnoses.models import Prediction, Scoring
from diagnoses.monitoring.scope import Scope
from diagnoses.numbers import ENOUGH
from mlservice.engine.types import Modality, Tier

# Below so many a share or a percentile says more about chance than about the computer.
NEVER: Final = ExpressionWrapper(Value(None), output_field=DateTimeField())
TIERS: Final = tuple(tier.value for tier in Tier)
MODALITIES: Final = tuple(modality.value for modality in Modality)


class Percentile(Aggregate):
    """PostgreSQL's ``percentile_cont``; ``share`` 0 to 1 is ours, never somebody's input."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()

    def __init__(self, expression: Any, share: float, **extra: Any) -> None:
        super().__init__(expression, share=share, **extra)


class Seconds(Func):
    """How long an interval is."""

    template = "EXTRACT(EPOCH FROM %(expressions)s)::float8"
    output_field = FloatField()


@dataclass(frozen=True, slots=True)
class Flow:
    """Of one day, of one week, or of the whole period; times in seconds, shares 0 to 1.

    What is made of ``n`` views does not exist where there are none.
    """

    day: date | None  # the first of it; None for the whole period
    n: int
    tiers: dict[str, int]
    no_disease: int
    far: int
    modalities: dict[str, int]
    confidence: float | None  # mean
    confidence_low: float | None  # a tenth lies below
    confidence_middle: float | None
    confidence_high: float | None  # a tenth lies above
    distance: float | None
    wait: float | None  # from submission to the view, half take longer
    wait_long: float | None  # one in twenty takes longer
    network: float | None  # in the network, of the batch the case was in
    network_long: float | None

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH

    @property
    def no_disease_share(self) -> float | None:
        return self._share(self.no_disease)

    @property
    def far_share(self) -> float | None:
        return self._share(self.far)

    def _share(self, count: int) -> float | None:
        return count / self.n if self.enough else None


@dataclass(frozen=True, slots=True)
class Failures:
    """Scorings that ended, and those of them without a view."""

    tried: int
    failed: int

    @property
    def share(self) -> float | None:
        return self.failed / self.tried if self.tried >= ENOUGH else None


def flow(scope: Scope) -> tuple[Flow, list[Flow], Failures]:
    """Of the whole period, and of each day or week that had a view, in order; and what failed."""
    trunc = TruncWeek("created_at") if scope.by_week else TruncDay("created_at")
    whole, by_day = _by(scope, NEVER), _by(scope, trunc)
    rows = list(whole.union(by_day, _ended(scope), all=True))
    found = [_flow(row) for row in rows if not row["ended"]]
    found.sort(key=lambda one: one.day or date.min)
    ended = next(row for row in rows if row["ended"])
    return found[0], found[1:], Failures(tried=ended["n"], failed=ended["no_disease"])


def _by(scope: Scope, day: Any) -> QuerySet[Prediction, Any]:
    """Added up for each ``day`` that an expression makes of a view; at once where it makes none."""
    views = scope.views().annotate(ended=Value(value=False), day=day)
    return views.values("ended", "day").annotate(**_added_up())


def _ended(scope: Scope) -> QuerySet[Scoring, Any]:
    """A row of the same columns: ``n`` scorings ended, ``no_disease`` of them without a view."""
    nothing = {
        name: Value(0) if isinstance(one, Count) else Value(None, output_field=FloatField())
        for name, one in _added_up().items()
    }
    counted = {"n": Count("pk"), "no_disease": Count("pk", filter=Q(prediction=None))}
    tried = scope.tried().annotate(ended=Value(value=True), day=NEVER)
    return tried.values("ended", "day").annotate(**nothing | counted)


def _added_up() -> dict[str, Any]:
    waited = Seconds(
        ExpressionWrapper(F("created_at") - F("case__submitted_at"), output_field=DurationField())
    )
    network = Cast(KeyTextTransform("predict_ms", "receipt"), FloatField())
    return {
        "n": Count("pk"),
        **_each("tier", TIERS),
        **_each("modality", MODALITIES),
        "no_disease": Count("pk", filter=Q(no_disease=True)),
        "far": Count("pk", filter=Q(out_of_distribution=True)),
        "confidence_mean": Avg("confidence"),
        "confidence_low": Percentile("confidence", 0.1),
        "confidence_middle": Percentile("confidence", 0.5),
        "confidence_high": Percentile("confidence", 0.9),
        "distance_mean": Avg("distance"),
        "wait": Percentile(waited, 0.5),
        "wait_long": Percentile(waited, 0.95),
        "network": Percentile(network, 0.5),
        "network_long": Percentile(network, 0.95),
    }


def _each(column: str, values: Iterable[str]) -> dict[str, Any]:
    return {f"{column}_{one}": Count("pk", filter=Q(**{column: one})) for one in values}


def _flow(row: dict[str, Any]) -> Flow:
    day = row.get("day")
    return Flow(
        day=day.date() if day else None,
        n=row["n"],
        tiers={tier: row[f"tier_{tier}"] for tier in TIERS},
        no_disease=row["no_disease"],
        far=row["far"],
        modalities={one: row[f"modality_{one}"] for one in MODALITIES},
        confidence=row["confidence_mean"],
        confidence_low=row["confidence_low"],
        confidence_middle=row["confidence_middle"],
        confidence_high=row["confidence_high"],
        distance=row["distance_mean"],
        wait=row["wait"],
        wait_long=row["wait_long"],
        network=_seconds(row["network"]),
        network_long=_seconds(row["network_long"]),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000

"""How right a version is on cases whose truth is known by now, by the numbers of its own card.

One statement brings the cases; the arithmetic is :mod:`mlservice.engine.judging`, which
``python -m training evaluate`` uses on labelled folders. A case counts once, with the newest view
of the version.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from diagnoses.models import FirstReading, Outcome, Prediction, Review
from diagnoses.monitoring.scope import Scope
from diagnoses.numbers import ENOUGH
from mlservice.engine.judging.judged import Judged
from mlservice.engine.judging.metrics import measure
from mlservice.engine.judging.shares import measured_shares
from mlservice.packs import Pack

# The newest ones: a thousand draws of so many take seconds, and a page is to open.
MOST: Final = 2000
# Numbers of this process's last pages: whoever looks again, or at the other page, waits no more.
KEPT: Final = 32
UNKNOWN: Final = "unknown"
COLUMNS: Final = (
    *("probabilities", "risk", "top_label", "picture_tier", "no_disease", "modality"),
    *("case__lesion", "case__site", "signed", "histology", "first"),
)
ANSWER: Final = "answer_"


@dataclass(frozen=True, slots=True)
class Known:
    """One case as :class:`~mlservice.engine.judging.judged.Judgeable`."""

    dx: str
    lesion_id: str
    groups: dict[str, str]


@dataclass(frozen=True, slots=True)
class Truth:
    """``numbers`` are :func:`measure`'s, None under :data:`ENOUGH` cases. ``nameless`` cases ended
    as none of the labels and are not among ``n``."""

    n: int
    nameless: int
    numbers: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often doctors name what the computer puts first: keys ``blind`` and ``signed``."""

    blind: int
    signed: int
    shares: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rights:
    """Everything about right and wrong; ``cut_off``: there were more cases than are looked at."""

    agreement: Agreement
    signed: Truth
    histology: Truth
    cut_off: bool


def rights(scope: Scope, pack: Pack) -> Rights:
    rows = list(_cases(scope, pack)[: MOST + 1])
    cut_off = len(rows) > MOST
    rows = rows[:MOST][::-1]  # the oldest first: so are their lesions numbered
    lesions = _numbered(rows)
    return Rights(
        _agreement(rows, lesions),
        _truth(scope, pack, rows, lesions, "signed"),
        _truth(scope, pack, rows, lesions, "histology"),
        cut_off,
    )


def _cases(scope: Scope, pack: Pack) -> QuerySet[Prediction, Any]:
    """The newest first. Of what patients answered, only what makes a subgroup."""
    newer = Prediction.objects.live().filter(
        case=OuterRef("case"), model_version=scope.version, pk__gt=OuterRef("pk")
    )
    answers = Review.objects.standing().filter(case=OuterRef("case"), effective_at__lte=Now())
    found_out = Outcome.objects.filter(case=OuterRef("case"), source=Outcome.Source.HISTOLOGY)
    first = FirstReading.objects.filter(case=OuterRef("case")).order_by("pk")
    grouping = {
        ANSWER + one.name: KeyTextTransform(one.name, "case__answers")
        for one in pack.questions
        if one.subgroup
    }
    known = scope.views().annotate(
        signed=Subquery(answers.order_by("-pk").values("diagnosis")[:1]),
        histology=Subquery(found_out.order_by("-pk").values("diagnosis")[:1]),
        first=Subquery(first.values("diagnosis")[:1]),
        **grouping,
    )
    known = known.filter(
        Q(signed__isnull=False) | Q(histology__isnull=False) | Q(first__isnull=False),
        ~Exists(newer),
    )
    found: QuerySet[Prediction, Any] = known.order_by("-case__submitted_at", "-pk").values(
        *COLUMNS, *grouping
    )
    return found


def _numbered(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Each row's lesion, by the order in which they were first sent; one without stands alone."""
    numbers: dict[object, int] = {}
    keys = [row["case__lesion"] or ("alone", place) for place, row in enumerate(rows)]
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _agreement(rows: Sequence[dict[str, Any]], lesions: Sequence[int]) -> Agreement:
    if not rows:
        return Agreement(0, 0, {})
    shares = {}
    for name, column in (("blind", "first"), ("signed", "signed")):
        said = np.array([row[column] is not None for row in rows], np.bool_)
        same = np.array([row[column] == row["top_label"] for row in rows], np.bool_)
        shares[name] = (same, said)
    found = measured_shares(shares, np.array(lesions, np.int64))
    blind, signed = (int(whole.sum()) for _, whole in shares.values())
    return Agreement(blind, signed, found)


def _truth(
    scope: Scope,
    pack: Pack,
    rows: Sequence[dict[str, Any]],
    lesions: Sequence[int],
    column: str,
) -> Truth:
    labels = tuple(label.name for label in pack.labels)
    told = [(row, lesion) for row, lesion in zip(rows, lesions, strict=True) if row[column]]
    named = [(row, lesion) for row, lesion in told if row[column] in labels]
    said = sum(row[column] is not None for row in rows)
    n = len(named)
    numbers = _measured(_judged(scope, pack, named, column)) if n >= ENOUGH else None
    return Truth(n, said - n, numbers)


_kept: OrderedDict[bytes, dict[str, Any]] = OrderedDict()


def _measured(judged: Judged) -> dict[str, Any]:
    """:func:`measure`, once for the same cases: it draws alike every time."""
    said = repr((judged.labels, judged.harmful, judged.rows, judged.threshold, judged.r95))
    digest = hashlib.sha256(f"{said}{judged.r99}".encode())
    numbers = (judged.probabilities, judged.risks)
    for part in (*numbers, judged.tiers.astype("U5"), judged.no_disease):
        digest.update(np.ascontiguousarray(part).tobytes())
    key = digest.digest()
    found = _kept.get(key)
    if found is None:
        found = _kept[key] = measure(judged)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found


def _judged(
    scope: Scope, pack: Pack, named: Sequence[tuple[dict[str, Any], int]], column: str
) -> Judged:
    rows = [row for row, _ in named]
    labels = tuple(label.name for label in pack.labels)
    cases = tuple(Known(row[column], f"{lesion:09d}", _groups(row, pack)) for row, lesion in named)
    return Judged(
        labels,
        tuple(label.name for label in pack.labels if label.harmful),
        cases,
        np.array([labels.index(case.dx) for case in cases], np.int64),
        np.array([[row["probabilities"][name] for name in labels] for row in rows]),
        np.array([row["risk"] for row in rows]),
        None,
        np.array([row["picture_tier"] for row in rows]),
        np.array([row["no_disease"] for row in rows]),
        scope.version.threshold,
        scope.version.r95,
        scope.version.r99,
    )


def _groups(row: dict[str, Any], pack: Pack) -> dict[str, str]:
    """The pack's questions, the site, and what the computer took the photo for."""
    asked = {one.name: row[ANSWER + one.name] or UNKNOWN for one in pack.questions if one.subgroup}
    return asked | {"site": row["case__site"], "modality": row["modality"]}

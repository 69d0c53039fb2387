"""A candidate's run in the shadow, in numbers: how often both agree, and where they do not.

What is counted is one run beside one version that served meanwhile. Of a picture without anything
to judge there is no label and no tier to compare: such cases are counted by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F, Max, Min, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from diagnoses.models import Case, Comparison, Prediction, Review, Scoring
from diagnoses.models.shadow import CALMER, ComparisonQuerySet
from diagnoses.numbers import Share
from mlservice.engine.intervals import wilson
from mlservice.engine.types import Tier
from mlservice.models import ModelVersion, Shadow
from mlservice.packs import Pack, PackError

PAGE: Final = 25
ORDER: Final = (Tier.RED, Tier.AMBER, Tier.GREEN)
UNJUDGED: Final = ""
SIGNED: Final = (Case.Status.FINAL, Case.Status.AMENDED)


@dataclass(frozen=True, slots=True)
class Rate(Share):
    """``hits`` of ``n`` with its 95 % interval; neither while there are not enough."""

    @property
    def interval(self) -> str:
        if self.percent is None:
            return ""
        low, high = wilson(self.hits, self.n)
        return f"{math.floor(100 * low)}–{math.ceil(100 * high)} %"


@dataclass(frozen=True, slots=True)
class Cell:
    """How many cases have these two tiers; ``calmer``: the candidate's is the calmer one."""

    count: int
    same: bool
    calmer: bool


@dataclass(frozen=True, slots=True)
class Tiers:
    """Where one version put the cases of which a doctor signed something harmful."""

    version: ModelVersion
    counts: Sequence[int]  # in ORDER, then those it did not judge


@dataclass(frozen=True, slots=True)
class Agreement:
    """The two versions beside each other."""

    cases: int
    unjudged: int  # by one of the two, or both
    label: Rate
    no_disease: Rate
    tier: Rate
    table: Sequence[tuple[str, Sequence[Cell]]]  # rows active, columns candidate, in ORDER


@dataclass(frozen=True, slots=True)
class Signed:
    """What a doctor signed meanwhile, beside what each version put first."""

    active: Rate
    candidate: Rate
    harmful: int
    tiers: Sequence[Tiers]


@dataclass(frozen=True, slots=True)
class Beside:
    """A version that served during a run, and how many cases were seen by both since when."""

    version: ModelVersion
    cases: int
    since: Any


def beside(run: Shadow, user: User) -> list[Beside]:
    """The versions a run stood beside, the latest first."""
    seen = Comparison.objects.visible_to(user).filter(run=run).order_by()
    found = seen.values("active").annotate(n=Count("pk"), since=Min("at"), last=Max("pk"))
    rows = sorted(found, key=lambda row: -row["last"])
    versions = ModelVersion.objects.in_bulk([row["active"] for row in rows])
    return [Beside(versions[row["active"]], row["n"], row["since"]) for row in rows]


def seen_by_both(run: Shadow, active: ModelVersion, user: User) -> ComparisonQuerySet:
    return Comparison.objects.visible_to(user).filter(run=run, active=active)


def agreement(rows: ComparisonQuerySet) -> Agreement:
    """In one statement."""
    groups: list[Any] = list(
        rows.order_by()
        .values("active_tier", "candidate_tier")
        .annotate(
            n=Count("pk"),
            label=Count("pk", filter=Q(active_top=F("candidate_top"))),
            flag=Count("pk", filter=Q(active_no_disease=F("candidate_no_disease"))),
        )
    )
    judged = [one for one in groups if UNJUDGED not in (one["active_tier"], one["candidate_tier"])]
    counts = {(one["active_tier"], one["candidate_tier"]): one["n"] for one in judged}
    cases, both = _sum(groups, "n"), _sum(judged, "n")
    same = sum(n for (active, candidate), n in counts.items() if active == candidate)
    return Agreement(
        cases=cases,
        unjudged=cases - both,
        label=Rate(_sum(judged, "label"), both),
        no_disease=Rate(_sum(judged, "flag"), both),
        tier=Rate(same, both),
        table=[
            (row.value, [_cell(row, column, counts.get((row, column), 0)) for column in ORDER])
            for row in ORDER
        ],
    )


def _cell(active: Tier, candidate: Tier, count: int) -> Cell:
    return Cell(count, active is candidate, (active, candidate) in CALMER)


def _sum(rows: Iterable[dict[str, Any]], name: str) -> int:
    return sum(row[name] for row in rows)


def signed(
    rows: ComparisonQuerySet, active: ModelVersion, candidate: ModelVersion, pack: Pack | None
) -> Signed:
    """Of cases that a doctor has answered for good, in one statement."""
    answered: Any = rows.order_by().filter(case__status__in=SIGNED).annotate(diagnosis=_diagnosis())
    names = ("diagnosis", "active_tier", "candidate_tier", "active_top", "candidate_top")
    groups = list(answered.filter(diagnosis__isnull=False).values(*names).annotate(n=Count("pk")))
    harmful_labels = {label.name for label in pack.labels if label.harmful} if pack else set()
    harmful = [one for one in groups if one["diagnosis"] in harmful_labels]
    return Signed(
        active=_right(groups, "active"),
        candidate=_right(groups, "candidate"),
        harmful=_sum(harmful, "n"),
        tiers=[
            Tiers(version, [_sum(_of_tier(harmful, who, tier), "n") for tier in (*ORDER, UNJUDGED)])
            for version, who in ((active, "active"), (candidate, "candidate"))
        ],
    )


def _right(groups: Iterable[dict[str, Any]], who: str) -> Rate:
    """Of signed cases with a label that both versions judged, so that both are of the same."""
    named = [
        one
        for one in groups
        if one["diagnosis"] and UNJUDGED not in (one["active_tier"], one["candidate_tier"])
    ]
    right = [one for one in named if one[f"{who}_top"] == one["diagnosis"]]
    return Rate(_sum(right, "n"), _sum(named, "n"))


def _of_tier(groups: Iterable[dict[str, Any]], who: str, tier: str) -> Iterable[dict[str, Any]]:
    return (one for one in groups if one[f"{who}_tier"] == tier)


def _diagnosis() -> Subquery:
    """The newest answer that stands and cannot be undone any more; "" is none of the labels."""
    answers = Review.objects.standing().filter(
        case=OuterRef("case"), effective_at__lte=timezone.now()
    )
    return Subquery(answers.order_by("-pk").values("diagnosis")[:1])


# --- Where they differ ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What one version said of a case."""

    tier: str | None  # None: not judged
    words: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One case on which they differ. Without a name, a picture or a way to it."""

    reference: str
    active: Said
    candidate: Said
    calmer: bool
    doctor: str  # what was signed; "" while nothing is


@dataclass(frozen=True, slots=True)
class Page:
    """``after`` is the comparison behind which the next page starts."""

    rows: Sequence[Difference]
    after: int | None


def differences(
    rows: ComparisonQuerySet, pack: Pack | None, *, after: int | None = None, size: int = PAGE
) -> Page:
    """The most serious first: those that the candidate would have put lower. Two statements."""
    found = rows.differing()
    mark = found.filter(pk=after).first() if after else None
    if mark is not None:
        behind = Q(seriousness=mark.seriousness, pk__lt=mark.pk)
        found = found.filter(Q(seriousness__lt=mark.seriousness) | behind)
    of_views = [
        f"{view}__{name}"
        for view in ("active_view", "candidate_view")
        for name in ("confidence", "modality")
    ]
    shown = found.select_related("active_view", "candidate_view", "case").only(
        "case__status", "active_tier", "candidate_tier", "active_top", "candidate_top",
        "active_no_disease", "candidate_no_disease", "seriousness", *of_views,
    )  # fmt: skip
    page: Any = list(shown.annotate(diagnosis=_diagnosis())[: size + 1])
    more = len(page) > size
    return Page(
        [_difference(one, pack) for one in page[:size]], page[size - 1].pk if more else None
    )


def _difference(one: Any, pack: Pack | None) -> Difference:
    tiers = (Tier(one.active_tier or Tier.RED), Tier(one.candidate_tier or Tier.RED))
    has_answer = one.case.is_signed and one.diagnosis is not None
    none_of_these = _("None of these, or no lesion")
    return Difference(
        reference=one.case.reference,
        active=_said(
            one.active_view, one.active_tier, one.active_top, one.active_no_disease, pack
        ),
        candidate=_said(
            one.candidate_view, one.candidate_tier, one.candidate_top, one.candidate_no_disease,
            pack,
        ),
        calmer=tiers in CALMER,
        doctor=label_in_words(one.diagnosis, pack) or none_of_these if has_answer else "",
    )  # fmt: skip


def _said(
    view: Prediction,
    tier: str,
    top: str,
    no_disease: bool,
    pack: Pack | None,
) -> Said:
    if not tier:
        return Said(None, _("nothing to judge"))
    sure = f"{label_in_words(top, pack)} {math.floor(100 * view.confidence)} %"
    return Said(tier, _("no disease (%(first)s)") % {"first": sure} if no_disease else sure)


def label_in_words(name: str, pack: Pack | None) -> str:
    """A label's short title; its name where the pack does not know it."""
    try:
        return pack.label(name).short if pack and name else name
    except PackError:
        return name


# --- What is still to come -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Queue:
    waiting: int
    not_compared: int  # failed, or taken back before the candidate had looked


def queue(run: Shadow, user: User) -> Queue:
    rows = Scoring.objects.shadow().filter(model_version=run.version_id)
    if user.clinic_id:
        rows = rows.filter(case__clinic=user.clinic_id)
    during = Q(settled_at__gte=run.started_at)
    if run.ended_at:
        during &= Q(settled_at__lte=run.ended_at)
    counts = rows.aggregate(
        waiting=Count("pk", filter=Q(settled_at=None)),
        without=Count("pk", filter=during & ~Q(error="")),
    )
    return Queue(0 if run.ended_at else counts["waiting"], counts["without"])

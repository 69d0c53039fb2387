"""What is wrong with the versions in service: looked for again and again, told once.

Whoever looks holds the version's row, so that two sweeps raise nothing twice. An alarm whose cause
is gone ends by itself, as does one of a version that left service; a missed case stays until an
admin has looked at it, and is found though its version serves no more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.urls import reverse

from accounts import audit
from accounts.models import Clinic, Role, User
from diagnoses.models import Alarm, Prediction, Review, Scoring
from diagnoses.models.scoring import UNJUDGED
from diagnoses.monitoring import drift
from diagnoses.monitoring.scope import Scope
from diagnoses.numbers import ENOUGH
from mlservice.engine.types import Tier
from mlservice.models import ModelVersion
from mlservice.numbers import pack_of, real
from notifications import ledger
from notifications.ledger import Notice
from notifications.models import Event

logger = logging.getLogger(__name__)
Kind = Alarm.Kind

SILENT_AFTER: Final = timedelta(minutes=5)
TRIED: Final = 50  # the last scorings that ended, and how many of them make a share
FAILED: Final = 0.20
# A share of the last hundred may differ from the first two hundred's by so much, and by no less
# than three standard errors.
BAND: Final = 0.10
ERRORS: Final = 3.0
SIGNED: Final = 100
# So much below what the card says is not chance: the interval of a hundred is about as wide.
BELOW: Final = 0.15
MISSED_WITHIN: Final = timedelta(days=90)
MOST_MISSED: Final = 100  # of one look
AT_ONCE: Final = {Kind.SILENT, Kind.MISSED}  # rings at night


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong: ``measured`` has passed ``limit``."""

    kind: Kind
    measured: float
    limit: float


def look() -> int:
    """Look at every version that serves or has served; how many alarms were raised. Safe to run
    doubled."""
    raised = 0
    served = ModelVersion.objects.exclude(state=ModelVersion.State.REGISTERED)
    for pk in served.order_by("pk").values_list("pk", flat=True):
        try:
            raised += _look_at(pk)
        except Exception:  # one version's trouble must not hide the others'
            logger.exception("nobody knows whether something is wrong with version %s", pk)
    return raised


def open_alarms(version: ModelVersion, clinic: Clinic | None = None) -> QuerySet[Alarm]:
    """The newest first; for one clinic without the missed cases of others."""
    found = Alarm.objects.open().filter(version=version)
    return found if clinic is None else found.filter(Q(case=None) | Q(case__clinic=clinic))


def seen(alarm: Alarm, by: User) -> bool:
    """An admin has looked at a missed case; whether it was still open. Others end by themselves."""
    with transaction.atomic():
        open_ones = Alarm.objects.open().filter(pk=alarm.pk, kind=Kind.MISSED)
        if not open_ones.update(ended_at=Now()):
            return False
        audit.record(
            "model.alarm_seen", actor=by, about=f"case:{alarm.case_id}", alarm=str(alarm.pk)
        )
    return True


def _look_at(pk: int) -> int:
    with transaction.atomic():
        free = ModelVersion.objects.select_for_update(skip_locked=True, no_key=True)
        version = free.filter(pk=pk).first()
        if version is None:  # somebody else is at it
            return 0
        serves = version.state == ModelVersion.State.ACTIVE
        wrong = {one.kind: one for one in _wrong_with(version)} if serves else {}
        known = set(open_alarms(version).filter(case=None).values_list("kind", flat=True))
        over = [kind for kind in known if kind not in wrong]
        open_alarms(version).filter(case=None, kind__in=over).update(ended_at=Now())
        new = [
            Alarm(version=version, kind=one.kind, measured=one.measured, limit=one.limit)
            for one in wrong.values()
            if one.kind not in known
        ]
        new += [Alarm(version=version, kind=Kind.MISSED, case_id=case) for case in _missed(version)]
        Alarm.objects.bulk_create(new)
        _tell(version, new)
    return len(new)


def _tell(version: ModelVersion, new: list[Alarm]) -> None:
    """One message for all that was found in one look, to the admins of no clinic."""
    if not new:
        return
    admins = User.objects.filter(role=Role.ADMIN, is_active=True, clinic=None).order_by("pk")
    about = f"model:{version.pk}#alarm-{new[0].pk}"
    path = reverse("model_monitoring", args=[version.pk])
    urgent = any(alarm.kind in AT_ONCE for alarm in new)
    ledger.tell(*(Notice(Event.MODEL_ALARM, admin, about, path, urgent=urgent) for admin in admins))


# --- What may be wrong ---------------------------------------------------------------------------


def _wrong_with(version: ModelVersion) -> Iterator[Found]:
    scope = Scope(version, "all")
    yield from _silent(scope)
    yield from _failing(scope)
    yield from _shifted(scope)
    yield from _disagree(scope)


def _silent(scope: Scope) -> Iterator[Found]:
    """Something has waited, and nothing has come in, for minutes; a pause is no silence."""
    waiting = Scoring.objects.waiting().not_paused().filter(model_version=scope.version)
    waiting = waiting.live().filter(run_after__lt=Now() - SILENT_AFTER)
    came = scope.all_views().filter(created_at__gt=Now() - SILENT_AFTER)
    if (count := waiting[:1000].count()) and not came.exists():
        yield Found(Kind.SILENT, count, 0)


def _failing(scope: Scope) -> Iterator[Found]:
    ended = scope.tried().order_by("-settled_at")[:TRIED]
    failed = [view is None for view in ended.values_list("prediction", flat=True)]
    if len(failed) >= ENOUGH and (share := float(np.mean(failed))) >= FAILED:
        yield Found(Kind.FAILING, share, FAILED)


def _shifted(scope: Scope) -> Iterator[Found]:
    """The last hundred views against the first two hundred."""
    found = drift.drift(scope)
    if not found.enough:
        return
    worst = max(shift.index or 0.0 for shift in found.shifts)
    if worst >= drift.MUCH_SHIFTED:
        yield Found(Kind.DRIFT, worst, drift.MUCH_SHIFTED)
    if found.far is not None and found.far >= drift.MUCH_FAR:
        yield Found(Kind.FAR, found.far, drift.MUCH_FAR)
    for kind, (first, last) in {Kind.NO_DISEASE: found.no_disease, Kind.RED: found.red}.items():
        band = band_around(first)
        if abs(last - first) > band:
            yield Found(kind, last, first + band if last > first else first - band)


def band_around(share: float) -> float:
    """How far the share of the last views may be from that of the first."""
    error = (share * (1 - share) * (1 / drift.FIRST + 1 / drift.LAST)) ** 0.5
    return float(max(BAND, ERRORS * error))


def _disagree(scope: Scope) -> Iterator[Found]:
    """Of the last cases signed as something, how many as it put first; against its own card."""
    expected = real(scope.version.metrics.get("accuracy"))
    if expected is None:
        return
    answers = _answers().filter(case=OuterRef("case")).order_by("-pk").values("diagnosis")
    newer = scope.all_views().filter(case=OuterRef("case"), pk__gt=OuterRef("pk"))
    views = scope.all_views().exclude(modality__in=UNJUDGED).filter(~Exists(newer))
    views = views.annotate(signed=Subquery(answers[:1])).exclude(signed=None).exclude(signed="")
    last = views.order_by("-pk").values_list("top_label", "signed")[:SIGNED]
    same = [top == signed for top, signed in last]
    limit = expected - BELOW
    if len(same) == SIGNED and (share := float(np.mean(same))) < limit:
        yield Found(Kind.DISAGREE, share, limit)


def _missed(version: ModelVersion) -> list[UUID]:
    """Cases whose answer names a harmful label and that had ended GREEN, each of them once."""
    pack = pack_of(version)
    harmful = [label.name for label in pack.labels if label.harmful] if pack else []
    newest = _answers().filter(case=OuterRef("case")).order_by("-pk").values("diagnosis")
    views = Prediction.objects.live().filter(model_version=version, tier=Tier.GREEN.value)
    signed = views.annotate(signed=Subquery(newest[:1])).filter(
        Q(case__signed_at__gt=Now() - MISSED_WITHIN), signed__in=harmful, case__tier=Tier.GREEN
    )
    known = Alarm.objects.filter(version=version, case__isnull=False).values("case")
    new = signed.exclude(case__in=known)
    return list(new.order_by("case").values_list("case", flat=True).distinct()[:MOST_MISSED])


def _answers() -> QuerySet[Review]:
    return Review.objects.standing().filter(effective_at__lte=Now())

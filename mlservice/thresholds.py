"""The threshold of the 80 % rule, changed by two admins of all clinics and with a reason.

What another threshold would do must have been measured first (:mod:`mlservice.price`): nobody sets
it blind. As with every decision about versions, each step is one transaction under the lock of the
pack, and the second click changes nothing. Predictions made from then on keep the new threshold,
earlier ones their own.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Role, User
from mlservice import price, registry
from mlservice.deciding import Refusal, may_decide, must_decide, reason_in
from mlservice.engine import BundleError
from mlservice.engine.rule import place_of
from mlservice.models import ModelVersion, ThresholdChange

Outcome = ThresholdChange.Outcome


def open_change(version: ModelVersion) -> ThresholdChange | None:
    """What is asked and not yet decided about the version's threshold."""
    asked = version.threshold_changes.filter(outcome="")
    return asked.select_related("version", "asked_by").first()


def decided_changes(version: ModelVersion) -> QuerySet[ThresholdChange]:
    """The newest first."""
    decided = version.threshold_changes.exclude(outcome="")
    return decided.select_related("asked_by", "decided_by")


def alone(by: User) -> bool:
    """Whether nobody else could agree to what ``by`` asks for."""
    others = User.objects.filter(role=Role.ADMIN, clinic=None, is_active=True).exclude(pk=by.pk)
    return not others.exists()


def ask(
    version: ModelVersion, by: User, *, seen: float, after: float, reason: str
) -> ThresholdChange:
    """Ask a second admin for another threshold; ``seen`` is the one ``by`` saw in force.

    Raises :class:`Refusal`. A second click gives what the first one asked.
    """
    must_decide(by)
    reason = reason_in(reason)
    if place_of(after) is None:
        raise Refusal(_("Choose a threshold from 30 % to 99 %."))
    _measured(version)
    with transaction.atomic():
        registry.lock(version.pack)
        now = ModelVersion.objects.get(pk=version.pk).threshold
        asked = open_change(version)
        if asked is not None:
            if (asked.asked_by, asked.after) == (by, after):
                return asked
            raise Refusal(_("Another change is asked for already; it has to be decided first."))
        if now != seen:
            raise Refusal(_("The threshold was changed in the meantime. Please look again."))
        if now == after:
            raise Refusal(_("This is the threshold in force."))
        asked = ThresholdChange.objects.create(
            version=version, before=now, after=after, reason=reason, asked_by=by
        )
        _record("model.threshold_asked", asked, by, reason=reason)
    return asked


def agree(asked: ThresholdChange, by: User) -> None:
    """The second admin agrees, and predictions from now on are made with it."""
    must_decide(by)
    with transaction.atomic():
        registry.lock(asked.version.pack)
        asked = _open(asked)
        if by == asked.asked_by:
            raise Refusal(_("You asked for it yourself: a second admin decides."))
        if not may_decide(asked.asked_by):
            raise Refusal(_("Who asked for it is no longer an admin who may."))
        same = ModelVersion.objects.filter(pk=asked.version_id, threshold=asked.before)
        if not same.update(threshold=asked.after):
            raise Refusal(_("The threshold was changed in the meantime. Please look again."))
        _close(asked, by, Outcome.AGREED)
        _record(
            "model.threshold_changed", asked, by, reason=asked.reason, asked_by=asked.asked_by_id
        )


def turn_down(asked: ThresholdChange, by: User) -> None:
    """The second admin says no; who asked takes it back. Nothing changes."""
    must_decide(by)
    with transaction.atomic():
        registry.lock(asked.version.pack)
        asked = _open(asked)
        outcome = Outcome.TAKEN_BACK if by == asked.asked_by else Outcome.REFUSED
        _close(asked, by, outcome)
        _record(
            "model.threshold_refused",
            asked,
            by,
            outcome=outcome.value,
            asked_by=asked.asked_by_id,
        )


def _measured(version: ModelVersion) -> None:
    try:
        price.of_version(version)
    except BundleError as error:
        raise Refusal(
            _("What another threshold would change was not measured: %(why)s") % {"why": error}
        ) from error


def _open(asked: ThresholdChange) -> ThresholdChange:
    rows = ThresholdChange.objects.select_for_update(of=("self",))
    asked = rows.select_related("version", "asked_by", "decided_by").get(pk=asked.pk)
    if asked.outcome:
        raise Refusal(
            _("This was decided already: %(outcome)s.") % {"outcome": asked.get_outcome_display()}
        )
    return asked


def _close(asked: ThresholdChange, by: User, outcome: ThresholdChange.Outcome) -> None:
    ThresholdChange.objects.filter(pk=asked.pk).update(
        outcome=outcome, decided_by=by, decided_at=Now()
    )


def _record(action: str, asked: ThresholdChange, by: User, **more: object) -> None:
    audit.record(
        action,
        actor=by,
        about=registry.about(asked.version),
        before=asked.before,
        after=asked.after,
        **more,
    )

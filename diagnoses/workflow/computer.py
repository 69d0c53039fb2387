"""What the computer does to a case: its view comes in, or it fails for good."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from diagnoses.models import Case, Prediction, Scoring
from diagnoses.states import Status, WorkflowError
from diagnoses.triage import by_answers
from diagnoses.workflow.moves import about_case, answer_within, move, note
from diagnoses.workflow.telling import pass_to_doctors, tell_checked
from mlservice import registry
from mlservice.engine.types import Tier
from notifications.wake import wake

SCORE_DUE = "diagnoses.score_due"


def attach(scoring: Scoring, prediction: Prediction) -> bool:
    """The computer's view is in: file it, raise it by the answers, tell patient and doctor.

    ``prediction`` is unsaved and carries the picture's tier and reasons. Returns ``False``, and
    files nothing, when the scoring's token is no longer the one in the database: the lease ran
    out and somebody else has the row.
    """
    with transaction.atomic():
        if not _settle(scoring, error=""):
            return False
        case = Case.objects.select_for_update().get(pk=scoring.case_id)
        urgency = by_answers(case.pack, case.answers).joined_with(
            Tier(prediction.picture_tier), tuple(prediction.reasons)
        )
        prediction.tier, prediction.reasons = urgency.tier.value, list(urgency.reasons)
        prediction.points = urgency.points
        prediction.scoring, prediction.case = scoring, case
        prediction.save(force_insert=True)
        note(case, "checked", None, tier=urgency.tier.value)
        if case.is_open and scoring.purpose == Scoring.Purpose.LIVE:
            _show(case, prediction, urgency.tier)
    return True


def _show(case: Case, prediction: Prediction, tier: Tier) -> None:
    """The case takes the prediction's tier and goes to the doctors.

    A photo that shows nothing the network knows leaves the case unscored, and so on top.
    """
    if not prediction.names_a_class:
        if case.status == Status.REGISTERED:
            pass_to_doctors(case, "not_judged")
        return
    due = min(case.answer_due_at, case.submitted_at + answer_within(case.clinic, tier))
    Case.objects.filter(pk=case.pk).update(tier=tier.value, risk=prediction.risk, answer_due_at=due)
    if case.status == Status.REGISTERED:
        move(case, Status.PARTIAL, "to_doctors", None)
        tell_checked(case)


def give_up(scoring: Scoring, error: str) -> bool:
    """The computer failed for good: the case goes to the doctors unscored, on top."""
    with transaction.atomic():
        if not _settle(scoring, error=error[:300]):
            return False
        case = Case.objects.select_for_update().get(pk=scoring.case_id)
        if case.status == Status.REGISTERED and scoring.purpose == Scoring.Purpose.LIVE:
            pass_to_doctors(case, "failed")
    return True


def _settle(scoring: Scoring, *, error: str) -> bool:
    """Close the queue row if it is still ours by its fencing token."""
    return bool(
        Scoring.objects.waiting()
        .filter(pk=scoring.pk, token=scoring.token)
        .update(settled_at=timezone.now(), lease_until=None, token=None, holder=None, error=error)
    )


def requeue(case: Case, by: User) -> None:
    """Have the active model version look (again) at a case that has no view of its own."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        version = registry.active(case.pack_name)
        if version is None:
            raise WorkflowError("No model version is active, so nothing can be scored.")
        if not case.is_open or case.prediction is not None or not case.computer_check:
            raise WorkflowError("Only open cases without a view of the computer are scored again.")
        rows = Scoring.objects.filter(case=case, purpose=Scoring.Purpose.LIVE)
        if rows.waiting().exists():
            raise WorkflowError("This case is waiting for the computer already.")
        Scoring.objects.create(case=case, model_version=version, round=rows.count() + 1)
        note(case, "requeued", by)
        audit.record("case.requeued", actor=by, about=about_case(case))
        wake(SCORE_DUE)

"""What the computer does to a case: its view comes in, or it fails for good."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit, people
from accounts.models import Clinic, Consent, User
from diagnoses import failpoints
from diagnoses.models import UNSCORED_SHOWS_AFTER, Case, Prediction, Scoring
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
        # The case first, as in the patient's moves: two orders would be a deadlock. With whom it
        # takes to tell of it: this runs beside the network, and every query costs both.
        locked = Case.objects.select_for_update(of=("self",)).select_related("clinic", "patient")
        case = locked.get(pk=scoring.case_id)
        if not _settle(scoring, error=""):
            return False
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
        failpoints.reach("before_commit")
    return True


def _show(case: Case, prediction: Prediction, tier: Tier) -> None:
    """The case takes the prediction's tier and goes to the doctors.

    A photo that shows nothing the network knows leaves the case unscored, and so on top.
    """
    if not prediction.names_a_class:
        if case.status == Status.REGISTERED:
            pass_to_doctors(case, "not_judged")
        return
    due = case.answer_due_at
    if case.clinic.release_policy == Clinic.Release.AT_ONCE:
        # Where the view is held a sooner date would give the tier away; the order stays urgent.
        due = min(due, case.submitted_at + answer_within(case.clinic, tier))
    seen = {"tier": tier.value, "risk": prediction.risk, "answer_due_at": due}
    if case.status == Status.REGISTERED:
        move(case, Status.PARTIAL, "to_doctors", None, **seen)
        tell_checked(case)
    else:
        Case.objects.filter(pk=case.pk).update(**seen)


def catch_up(case: Case) -> None:
    """An open case again: it takes the view that came while it was signed, and nobody is left out.

    A doctor may have signed before the computer had looked, and so before anybody was told.
    """
    view = case.prediction
    if view is not None and case.tier is None:
        _show(case, view, Tier(view.tier))
    tell_checked(case)


def give_up(scoring: Scoring, error: str, reason: str = "failed") -> bool:
    """The computer will not score this: the case goes to the doctors unscored, on top.

    ``reason`` is "failed", or "no_consent" where the patient took theirs back.
    """
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=scoring.case_id)
        if not _settle(scoring, error=error[:300]):
            return False
        if case.status == Status.REGISTERED and scoring.purpose == Scoring.Purpose.LIVE:
            pass_to_doctors(case, reason)
    return True


def pass_on_the_late() -> int:
    """Cases the computer has not come to in time go to the doctors, whatever became of it.

    Their queue rows stay: a view that comes later is filed with the open case.
    """
    late = Case.objects.filter(
        status=Status.REGISTERED, submitted_at__lt=Now() - UNSCORED_SHOWS_AFTER
    )
    passed = 0
    for pk in late.values_list("pk", flat=True)[:500]:
        with transaction.atomic():
            case = Case.objects.select_for_update().get(pk=pk)
            if case.status == Status.REGISTERED:
                pass_to_doctors(case, "late")
                passed += 1
    return passed


def _settle(scoring: Scoring, *, error: str) -> bool:
    """Close the queue row if it is still ours by its fencing token."""
    return bool(
        Scoring.objects.waiting()
        .filter(pk=scoring.pk, token=scoring.token)
        .update(settled_at=Now(), lease_until=None, token=None, holder=None, error=error)
    )


def requeue(case: Case, by: User) -> None:
    """Have the active model version look (again) at a case that has no view of its own."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        version = registry.active(case.pack_name)
        if version is None:
            raise WorkflowError("No model version is active, so nothing can be scored.")
        agreed = people.has_consent(case.patient, Consent.Kind.COMPUTER_CHECK)
        if not (case.is_open and case.prediction is None and case.computer_check and agreed):
            raise WorkflowError("Only open cases without a view of the computer are scored again.")
        rows = Scoring.objects.filter(case=case, purpose=Scoring.Purpose.LIVE)
        if rows.waiting().exists():
            raise WorkflowError("This case is waiting for the computer already.")
        Scoring.objects.create(case=case, model_version=version, round=rows.count() + 1)
        note(case, "requeued", by)
        audit.record("case.requeued", actor=by, about=about_case(case))
        wake(SCORE_DUE)

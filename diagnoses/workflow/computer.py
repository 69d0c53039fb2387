"""What the computer does to a case: its view comes in, or it fails for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts import audit, people
from accounts.models import Clinic, Consent, User
from diagnoses import failpoints
from diagnoses.models import UNSCORED_SHOWS_AFTER, Case, CaseEvent, Prediction, Scoring
from diagnoses.states import Status, WorkflowError
from diagnoses.triage import by_answers
from diagnoses.workflow.moves import about_case, answer_within, move, note
from diagnoses.workflow.precedents import remember
from diagnoses.workflow.shadow import OVER, compare, queue_shadows, still_runs
from diagnoses.workflow.telling import pass_to_doctors, tell_checked
from mlservice import registry, shadowing
from mlservice.engine.types import Tier
from notifications.wake import wake

SCORE_DUE = "diagnoses.score_due"


def attach(*found: tuple[Scoring, Prediction]) -> bool:
    """The computer's views are in: file them, raise them by the answers, tell patient and doctor.

    A prediction is unsaved and carries the picture's tier and reasons. All are filed in one
    transaction, or none: ``False`` when the token of one scoring is no longer the one in the
    database, because its lease ran out and somebody else has the row.

    A candidate's view is compared with the live one and does nothing else.
    """
    with transaction.atomic():
        cases = _locked(scoring.case_id for scoring, _ in found)
        if not _settle(*(scoring for scoring, _ in found)):
            transaction.set_rollback(True)
            return False
        runs = shadowing.running()
        views, unseen = [], []
        for scoring, prediction in found:
            _raise_by_answers(prediction, cases[scoring.case_id])
            prediction.scoring, prediction.case = scoring, cases[scoring.case_id]
            if scoring.purpose == Scoring.Purpose.LIVE:
                views.append(prediction)
            elif still_runs(prediction, runs):
                unseen.append(prediction)
            else:
                Scoring.objects.filter(pk=scoring.pk).update(error=OVER)
        Prediction.objects.bulk_create([*views, *unseen])
        if unseen:
            compare(unseen, runs)
        _arrive(views)
        queue_shadows(views, runs)
        failpoints.reach("before_commit")
    return True


def _arrive(views: Sequence[Prediction]) -> None:
    """Live views, just filed: their cases show them, and who is to be told is told."""
    CaseEvent.objects.bulk_create(
        CaseEvent(case=view.case, kind="checked", detail={"tier": view.tier}) for view in views
    )
    arrived = []
    for view in views:
        if view.case.is_open and _show(view):
            arrived.append(view.case)
        elif view.case.is_signed:
            remember(view.case)  # which could not be done at the signature
    tell_checked(*arrived)


def _locked(keys: Iterable[UUID]) -> dict[UUID, Case]:
    """The cases, locked before their queue rows as in the patient's moves, and in one order.

    Two orders would be a deadlock. With whom it takes to tell of them: this runs beside the
    network, and every query costs both.
    """
    cases = Case.objects.select_for_update(of=("self",)).select_related("clinic", "patient__carer")
    return {case.pk: case for case in cases.filter(pk__in=set(keys)).order_by("pk")}


def _raise_by_answers(prediction: Prediction, case: Case) -> None:
    urgency = by_answers(case.pack, case.answers).joined_with(
        Tier(prediction.picture_tier), tuple(prediction.reasons)
    )
    prediction.tier, prediction.reasons = urgency.tier.value, list(urgency.reasons)
    prediction.points = urgency.points


def _show(view: Prediction) -> bool:
    """The case takes the prediction's tier; whether it went to the doctors with it just now.

    Of a case that was scored before, the most urgent of all views counts: a second photo, or
    another model version, never calms the first.
    A photo that shows nothing the network knows leaves the case unscored, and so on top.
    """
    case = view.case
    tier = Tier(view.tier).raised_to(Tier(case.tier or view.tier))
    arrives = case.status == Status.REGISTERED
    if not view.names_a_class:
        if arrives:
            move(case, Status.PARTIAL, "unscored", None, reason="not_judged")
        return arrives
    due = case.answer_due_at
    if case.clinic.release_policy == Clinic.Release.AT_ONCE:
        # Where the view is held a sooner date would give the tier away; the order stays urgent.
        due = min(due, case.submitted_at + answer_within(case.clinic, tier))
    risk = max(view.risk, case.risk or 0.0)
    seen = {"tier": tier.value, "risk": risk, "answer_due_at": due}
    if arrives:
        move(case, Status.PARTIAL, "to_doctors", None, **seen)
    else:
        Case.objects.filter(pk=case.pk).update(**seen)
    return arrives


def catch_up(case: Case) -> None:
    """An open case again: it takes the view that came while it was signed, and nobody is left out.

    A doctor may have signed before the computer had looked, and so before anybody was told.
    """
    view = case.prediction
    if view is not None:
        view.case = case  # the caller's, which knows its status
        _show(view)
    tell_checked(case)


def give_up(scoring: Scoring, error: str, reason: str = "failed") -> bool:
    """The computer will not score this: the case goes to the doctors unscored, on top.

    ``reason`` is "failed", or "no_consent" where the patient took theirs back. Of a candidate's
    row nobody hears.
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


def pass_on_the_paused() -> int:
    """While the computer is paused, what waits for it goes to the doctors, whoever has it in hand.

    A worker that is looking at one this moment finds that its row is no longer its own.
    """
    paused = registry.paused_packs()
    if not paused:
        return 0
    waiting = Scoring.objects.waiting().live().filter(case__pack_name__in=paused)
    passed = 0
    for pk in waiting.values_list("case", flat=True)[:500]:
        with transaction.atomic():
            case = Case.objects.select_for_update().get(pk=pk)
            waiting.filter(case=case).update(
                settled_at=Now(), lease_until=None, token=None, holder=None, error="paused"
            )
            if case.status == Status.REGISTERED:
                pass_to_doctors(case, "paused")
                passed += 1
    return passed


def why_none(pack_name: str) -> str:
    """Why no version scores the pack's new cases, as an event's reason."""
    return "no_model" if registry.active(pack_name) is None else "paused"


def _settle(*rows: Scoring, error: str = "") -> bool:
    """Close the queue rows; whether all of them were still ours by their fencing token."""
    ours = Q(*[Q(pk=row.pk, token=row.token) for row in rows], _connector=Q.OR)
    settled = (
        Scoring.objects.waiting()
        .filter(ours)
        .update(settled_at=Now(), lease_until=None, token=None, holder=None, error=error)
    )
    return settled == len(rows)


def requeue(case: Case, by: User) -> None:
    """Have the active model version look (again) at a case that has no view of its own."""
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=case.pk)
        version = registry.scoring(case.pack_name)
        if version is None:
            paused = why_none(case.pack_name) == "paused"
            what = "The computer is paused" if paused else "No model version is active"
            raise WorkflowError(f"{what}, so nothing can be scored.")
        agreed = people.has_consent(case.patient, Consent.Kind.COMPUTER_CHECK)
        if not (case.is_open and case.prediction is None and case.computer_check and agreed):
            raise WorkflowError("Only open cases without a view of the computer are scored again.")
        rows = Scoring.objects.live().filter(case=case)
        if rows.waiting().exists():
            raise WorkflowError("This case is waiting for the computer already.")
        Scoring.objects.create(case=case, model_version=version, round=rows.count() + 1)
        note(case, "requeued", by)
        audit.record("case.requeued", actor=by, about=about_case(case))
        wake(SCORE_DUE)

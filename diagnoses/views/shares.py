"""A case that is shared with a doctor of another clinic: the patient's yes or no, its end, and what
that doctor sees once they have read it. Until then they have the blind page of ``again``."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import audit
from accounts.access import patient_required, person, reading_doctor_required
from diagnoses import presenting, talking, workflow
from diagnoses.gathered import SHARES
from diagnoses.models import Case, CaseShare, SecondReading
from diagnoses.views import whose
from diagnoses.views.desk import answer_lines, checklist, photos_shown, with_overlay
from diagnoses.views.evidence import evidence, no_view_because


@dataclass(frozen=True, slots=True)
class Shown:
    """One share in its state: "asking" the patient, "open" to the other doctor, "closed" after it
    was open, "refused"."""

    share: CaseShare
    state: str


def of_case(case: Case, *, waits: bool) -> list[Shown]:
    """Those there is something to say of, oldest first.

    ``waits``: the case waits for its answer. What nobody has read by then is closed with it.
    """
    shown = [Shown(one, _state(one, waits=waits)) for one in SHARES.of(case)]
    return [one for one in shown if one.state]


def _state(share: CaseShare, *, waits: bool) -> str:
    open_ = not share.is_over and (waits or share.is_read)
    if share.agreed_at is None:
        refused = share.why_ended == CaseShare.Why.REFUSED
        return "refused" if refused else "asking" if open_ else ""
    return "open" if open_ else "closed"


@patient_required
@require_http_methods(["GET", "POST"])
def case_share(request: HttpRequest, pk: UUID, share: UUID) -> HttpResponse:
    """Yes, no, or no more: whether the doctor of another clinic may look."""
    case = whose.case_of(request, pk)
    found = get_object_or_404(case.shares, pk=share)
    answer = request.POST.get("answer", "")
    try:
        if answer == "yes":
            workflow.agree_to_share(found, case.patient)
            messages.success(request, _("Thank you. We have asked for the second opinion."))
        elif answer == "no":
            workflow.refuse_share(found, case.patient)
            messages.success(request, _("Your clinic’s doctors answer you without it."))
    except workflow.WorkflowError as refusal:
        messages.warning(request, talking.refusal_to_patient(case, refusal))
    return redirect("case", pk=case.pk)


@reading_doctor_required
@require_http_methods(["GET", "POST"])
def reading_share(request: HttpRequest, pk: UUID, share: UUID) -> HttpResponse:
    """Any doctor of the clinic takes the share back."""
    doctor = person(request)
    case = get_object_or_404(Case.objects.readable_by_doctor(doctor), pk=pk)
    found = get_object_or_404(case.shares, pk=share)
    if request.method == "POST":
        workflow.take_back_share(found, doctor)
        messages.success(request, _("The case is closed to the doctor of the other clinic."))
    return redirect(reverse("reading", args=[case.pk]) + "#colleagues")


def after_reading(request: HttpRequest, asked: SecondReading) -> HttpResponse:
    """The shared case for whoever has read it: their reading, and the computer's view beside it.

    Nothing of what the clinic's doctors think, and no name of the patient's.
    """
    doctor, case = person(request), asked.case
    audit.record("case.viewed", actor=doctor, about=f"case:{case.pk}", where="shared")
    view = presenting.computer_view(case, doctor)
    content = evidence(case, doctor, view, request.GET, page=reverse("again", args=[asked.pk]))
    answers = answer_lines(case)
    return render(
        request,
        "worklist/shared.html",
        {
            "asked": asked,
            "case": case,
            "pack": case.pack,
            "site": case.place,
            "elsewhere": case.clinic,
            "photos": with_overlay(photos_shown(case, None), content.get("heatmap")),
            "answers": answers,
            "unanswered": [one for one in answers if one.open and one.question.kind != "text"],
            "checklist": checklist(case),
            "says": presenting.diagnosis_title(case.pack, asked.diagnosis),
            "view": view,
            "no_view_because": no_view_because(case, list(case.events.all())),
            **content,
        },
    )

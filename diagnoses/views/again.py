"""Reading again: asking a colleague, the list of what is to be read twice, one such case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from accounts.access import person, reading_doctor_required
from accounts.models import User
from diagnoses import figures, workflow
from diagnoses import worklist as waiting
from diagnoses.again_forms import AskColleagueForm, OutcomeForm, SecondReadingForm
from diagnoses.gathered import LETTERS, OUTCOMES, SECOND_READINGS, SHARES
from diagnoses.models import Case, CaseShare, Outcome, SecondReading
from diagnoses.views import shares
from diagnoses.views.desk import answer_lines, checklist, photos_shown
from diagnoses.worklist import Row

CONFLICT = 409
NOBODY = _(
    "No verified doctor logs in here with this address. Ask your colleague which one they use."
)
ASKED_ELSEWHERE = _(
    "We ask %(patient)s first whether %(name)s, %(clinic)s, may look. You can sign without waiting."
)


@dataclass(frozen=True, slots=True)
class Opinion:
    """One second reading as the case's page shows it; ``says`` is its diagnosis in words."""

    asked: SecondReading
    says: str
    differs: bool  # from the answer that was read again


@dataclass(frozen=True, slots=True)
class Truth:
    outcome: Outcome
    says: str


@require_safe
@reading_doctor_required
def again_list(request: HttpRequest) -> HttpResponse:
    """What waits to be read a second time by this doctor, and what they read lately."""
    doctor = person(request)
    found = SecondReading.objects.to_read_by(doctor).select_related("asked_by__clinic")
    mine = SecondReading.objects.open_to(doctor).select_related("asked_by__clinic")
    mine = mine.filter(read_by=doctor).order_by("-read_at")
    context = {
        "asked": [(one, _row(one.case)) for one in _with_photos(found[:50])],
        "done": [(one, _row(one.case)) for one in _with_photos(mine[:20])],
    }
    return render(request, "worklist/again_list.html", context)


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The case without anybody's view of it, and the form; once read, back to what was read.

    For a doctor of another clinic it is the only page of the case there is.
    """
    doctor = person(request)
    mine = SecondReading.objects.open_to(doctor).select_related(
        *("asked_by__clinic", "read_by", "review__doctor", "share"),
        *("case__patient__carer", "case__clinic", "case__lesion"),
    )
    asked = get_object_or_404(mine, pk=pk)
    case = asked.case
    form = SecondReadingForm(request.POST if request.method == "POST" else None, pack=case.pack)
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            workflow.read_again(asked, doctor, **form.cleaned_data)
        except workflow.WorkflowError as error:
            refusal = error.sentence
        else:
            messages.success(request, _("Your reading is kept."))
            return redirect("worklist_again")
    elif not SecondReading.objects.to_read_by(doctor).filter(pk=pk).exists():
        if case.clinic_id != doctor.clinic_id:
            return shares.after_reading(request, asked)
        return redirect("reading", case.pk)
    audit.record("case.viewed", actor=doctor, about=f"case:{case.pk}", where="again")
    answers = answer_lines(case)
    context = {
        "asked": asked,
        "case": case,
        "elsewhere": case.clinic if case.clinic_id != doctor.clinic_id else None,
        "pack": case.pack,
        "site": case.place,
        "photos": photos_shown(case, None),
        "figure": figures.of_case(case),
        "answers": answers,
        "unanswered": [line for line in answers if line.open and line.question.kind != "text"],
        "checklist": checklist(case),
        "form": form,
        "refusal": refusal,
    }
    status = CONFLICT if refusal else 422 if request.method == "POST" else 200
    return render(request, "worklist/again.html", context, status=status)


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def ask_colleague(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for another reading before signing. Refused it comes back with what was typed."""
    doctor = person(request)
    case = get_object_or_404(Case.objects.readable_by_doctor(doctor), pk=pk)
    form = AskColleagueForm(
        request.POST if request.method == "POST" else None, case=case, doctor=doctor
    )
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            said = _ask(case, doctor, form)
        except workflow.WorkflowError as error:
            refusal = error.sentence
        else:
            if said:
                messages.success(request, said)
                return redirect(reverse("reading", args=[case.pk]) + "#colleagues")
    context = {"case": case, "form": form, "refusal": refusal, "site": case.place}
    status = CONFLICT if refusal else 422 if request.method == "POST" else 200
    return render(request, "worklist/ask.html", context, status=status)


def _ask(case: Case, doctor: User, form: AskColleagueForm) -> str:
    """Ask, and what to say then; "" where the address is no doctor's, which the form then says."""
    asked = workflow.ask_here_or_elsewhere(case, doctor, **form.cleaned_data)
    if asked is None:
        form.add_error("elsewhere", NOBODY)
        return ""
    if isinstance(asked, CaseShare):
        other = asked.doctor
        names = {"patient": case.patient.reader, "name": other, "clinic": other.clinic}
        return str(ASKED_ELSEWHERE % names)
    return str(_("Your colleague is asked. You can sign without waiting."))


def beside(case: Case, doctor: User, *, own_is_in: bool) -> dict[str, Any]:
    """What the case's page shows of colleagues and of what it turned out to be.

    Nothing of a colleague's reading before the doctor's own one is in (``own_is_in``).
    """
    if not own_is_in:
        return {"shares": shares.of_case(case, waits=case.is_open)}
    elsewhere = {one.asked_id for one in SHARES.of(case)}
    shown = opinions_of(case)
    return {
        "shares": shares.of_case(case, waits=case.is_open),
        # What waits for somebody elsewhere stands among the shares.
        "opinions": [one for one in shown if one.asked.is_read or one.asked.pk not in elsewhere],
        "may_ask": case.is_open
        and not any(one.asked.asked_by_id == doctor.pk and not one.asked.is_read for one in shown),
        "outcomes": [Truth(one, _title(case, one.diagnosis)) for one in OUTCOMES.of(case)[::-1]],
        "outcome_form": OutcomeForm(pack=case.pack) if case.is_signed else None,
        "letters": LETTERS.of(case) if case.is_signed else [],
    }


def opinions_of(case: Case) -> list[Opinion]:
    """What colleagues have read, and what is asked and not lapsed; the oldest first."""
    shares = {one.asked_id: one for one in SHARES.of(case)}
    asked = SECOND_READINGS.of(case)
    return [_opinion(one) for one in asked if one.is_read or _waits(one, shares.get(one.pk))]


def _waits(one: SecondReading, share: CaseShare | None) -> bool:
    """Asked by a colleague and not read yet; not where its time is over."""
    lapsed = share is not None and share.is_over
    return one.why == SecondReading.Why.ASKED and one.case.is_open and not lapsed


def _opinion(one: SecondReading) -> Opinion:
    differs = one.is_read and one.review is not None and workflow.differs(one, one.review)
    return Opinion(one, _title(one.case, one.diagnosis) if one.is_read else "", differs)


def _title(case: Case, label: str) -> str:
    return case.pack.label(label).title if label else str(_("None of these, or no lesion"))


def _row(case: Case) -> Row:
    return Row.of(case)


def _with_photos(found: Any) -> list[SecondReading]:
    """Each with its case's first photo, as the lists show it."""
    rows = list(found)
    cases = waiting.with_first_photo(
        Case.objects.filter(pk__in=[one.case_id for one in rows]).select_related("clinic")
    )
    by_key = {case.pk: case for case in cases}
    for one in rows:
        one.case = by_key[one.case_id]
    return rows

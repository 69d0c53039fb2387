"""After the answer: the outcome, a letter to a specialist, and a doctor's own numbers."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from accounts.access import person, reading_doctor_required
from accounts.models import User
from diagnoses import workflow
from diagnoses.again_forms import LetterForm, OutcomeForm
from diagnoses.models import Case, Letter
from diagnoses.numbers import ENOUGH, numbers_of
from diagnoses.report import letter_on_paper, printed
from diagnoses.sealing import AwayError
from diagnoses.views.report import out_of_reach

CONFLICT = 409
SPANS = {30: _("30 days"), 90: _("90 days"), 365: _("One year")}


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def outcome(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What histology or time has shown, kept beside the answer."""
    doctor = person(request)
    case = get_object_or_404(Case.objects.readable_by_doctor(doctor), pk=pk)
    form = OutcomeForm(request.POST if request.method == "POST" else None, pack=case.pack)
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            workflow.record_outcome(case, doctor, **form.cleaned_data)
        except workflow.WorkflowError as error:
            refusal = error.sentence
        else:
            messages.success(request, _("The outcome is kept. Thank you: we all learn from it."))
            return redirect(reverse("reading", args=[case.pk]) + "#outcome")
    context = {"case": case, "form": form, "refusal": refusal, "site": case.place}
    status = CONFLICT if refusal else 422 if request.method == "POST" else 200
    return render(request, "worklist/outcome.html", context, status=status)


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def letter(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Write a referral letter; the paper comes from what was written."""
    doctor = person(request)
    case = get_object_or_404(Case.objects.readable_by_doctor(doctor), pk=pk)
    standing = case.reviews.standing().last()
    if standing is None or not case.is_signed:
        messages.warning(request, _("Sign an answer first; the letter refers to it."))
        return redirect("reading", case.pk)
    form = LetterForm(
        request.POST if request.method == "POST" else None, initial={"words": standing.note}
    )
    if request.method == "POST" and form.is_valid():
        try:
            kept = workflow.write_letter(case, doctor, **form.cleaned_data)
        except workflow.WorkflowError as error:
            form.add_error(None, error.sentence)
        else:
            return redirect("letter_paper", kept.pk)
    context = {"case": case, "form": form, "site": case.place}
    return render(
        request, "worklist/letter.html", context, status=422 if request.method == "POST" else 200
    )


@require_safe
@reading_doctor_required
def letter_paper(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The letter as a PDF."""
    doctor = person(request)
    mine = Letter.objects.filter(case__in=Case.objects.readable_by_doctor(doctor))
    try:
        return as_paper(mine, pk, doctor)
    except AwayError:
        return out_of_reach(request)


def as_paper(letters: QuerySet[Letter], pk: UUID, doctor: User, **where: str) -> HttpResponse:
    """One of ``letters`` as a PDF, written to the trail; 404 where it is none of them.

    Raises :class:`AwayError` while its photos are out of reach.
    """
    found = get_object_or_404(
        letters.select_related("case__patient__carer", "case__clinic", "review", "doctor"), pk=pk
    )
    paper = printed(letter_on_paper(found))
    about = f"case:{found.case_id}"
    audit.record("case.letter_printed", actor=doctor, about=about, letter=str(found.pk), **where)
    name = f"lentigo-referral-{found.case.reference}.pdf"
    response = HttpResponse(paper, content_type="application/pdf")
    response["Cache-Control"] = "private, no-store"
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
@reading_doctor_required
def numbers(request: HttpRequest) -> HttpResponse:
    """One's own numbers of the last days; nobody else's."""
    raw = request.GET.get("days", "")
    days = int(raw) if raw.isdecimal() and len(raw) < 4 and int(raw) in SPANS else 90
    now = timezone.now()
    found = numbers_of(person(request), now - timedelta(days=days))
    context = {
        "numbers": found,
        "from_arrival": _said(found.from_arrival),
        "from_reading": _said(found.from_reading),
        "spans": [(n, text, n == days) for n, text in SPANS.items()],
        "enough": ENOUGH,
    }
    return render(request, "worklist/numbers.html", context)


def _said(span: timedelta | None) -> str:
    """ "3 hours, 20 minutes"; seconds where it was quicker than a minute."""
    if span is None:
        return ""
    if span < timedelta(minutes=1):
        return str(_("under a minute"))
    now = timezone.now()
    return timesince(now - span, now, depth=2)

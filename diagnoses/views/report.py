"""The report of a case, to keep or to show to another doctor."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.access import login_required, person
from accounts.models import User
from diagnoses import presenting, workflow
from diagnoses.intake import AGAIN
from diagnoses.models import Case
from diagnoses.report import printed, report_of
from diagnoses.sealing import AwayError


@login_required
@require_safe
def case_report(request: HttpRequest, pk: UUID) -> HttpResponse:
    """For its patient and for the doctors of its clinic. An admin sees that a case has photos, and
    no photo, so there is none for them."""
    user = person(request)
    if user.is_admin:
        raise Http404
    cases = Case.objects.visible_to(user).select_related(
        "patient__carer", "clinic", "lesion", "doctor", "invitation__accepted_by"
    )
    case = get_object_or_404(cases, pk=pk)
    try:
        return as_pdf(user, case)
    except AwayError:
        return out_of_reach(request)


def as_pdf(user: User, case: Case, **where: str) -> HttpResponse:
    """The report as ``user`` may read it; the patient has then opened the answer.

    Raises :class:`AwayError` while its photos are out of reach; nothing has happened then.
    """
    answer = presenting.answer_for_patient(case) if user.is_patient else None
    paper = printed(report_of(case, user))
    if answer is not None:
        workflow.open_answer(answer, user)
    audit.record("case.report", actor=user, about=f"case:{case.pk}", **where)
    response = HttpResponse(paper, content_type="application/pdf")
    response["Cache-Control"] = "private, no-store"
    # The reference, as people quote it; nothing of the patient.
    response["Content-Disposition"] = f'attachment; filename="lentigo-{case.reference}.pdf"'
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def out_of_reach(request: HttpRequest) -> HttpResponse:
    """In a paper's place, while the storage gives nothing: come again."""
    response = render(request, "paper_away.html", status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(AGAIN)
    return response

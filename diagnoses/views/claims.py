"""A doctor's page says that it is still open, or that it closes."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from accounts.access import person, reading_doctor_required
from diagnoses import claims
from diagnoses.models import Case


@require_POST
@reading_doctor_required
def reading_open(request: HttpRequest, pk: UUID) -> HttpResponse:
    """With ``left`` the page closes; else it is alive, and is told who else has the case open."""
    doctor = person(request)
    case = get_object_or_404(Case.objects.readable_by_doctor(doctor), pk=pk)
    if "left" in request.POST:
        _left(request, case)
        return HttpResponse(status=204)
    claims.keep(case, doctor)
    alive_at, open_with = claims.of_case(case, doctor)
    content = {"case": case, "alive_at": alive_at, "open_with": open_with}
    return render(request, "worklist/_claim.html", content)


def _left(request: HttpRequest, case: Case) -> None:
    try:
        alive_at = parse_datetime(request.POST.get("alive", ""))
    except ValueError:
        return
    if alive_at is not None and alive_at.tzinfo is not None:
        claims.let_go(case, person(request), alive_at)

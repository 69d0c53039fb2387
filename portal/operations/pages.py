"""The pages: how the portal is doing at a glance, and the story of one job."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.access import admin_required, person
from diagnoses.models import Scoring
from mlservice.views.doors import decider_required
from portal.operations.jobs import Job, Sight, find
from portal.operations.lines import glance
from portal.operations.story import story

LONGEST_ID = 60


@require_safe
@decider_required
def operations(request: HttpRequest) -> HttpResponse:
    """Everything at a glance; with ``?part`` only what changes, for the page that asks again."""
    part = "operations/_glance.html" if "part" in request.GET else "operations/glance.html"
    return render(request, part, {"glance": glance()})


@require_safe
@admin_required
def job(request: HttpRequest) -> HttpResponse:
    """One job's story. What is another clinic's is not there, as what does not exist."""
    user = person(request)
    asked = request.GET.get("id", "").replace("\0", "").strip()[:LONGEST_ID]
    sight = Sight(user)
    jobs = find(asked, sight) if asked else []
    context: dict[str, object] = {"asked": asked, "jobs": jobs}
    if len(jobs) == 1:
        context["story"] = story(jobs[0], sight)
        audit.record("job.viewed", actor=user, about=_about(jobs[0]))
    status = HTTPStatus.NOT_FOUND if asked and not jobs else HTTPStatus.OK
    return render(request, "operations/job.html", context, status=status)


def _about(job: Job) -> str:
    """As the trail names what it is about; of a scoring its case."""
    return f"case:{job.of.case_id}" if isinstance(job.of, Scoring) else job.id

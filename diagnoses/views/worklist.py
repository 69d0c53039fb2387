"""The doctor's lists: what waits, and what was answered lately."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.access import person, reading_doctor_required
from diagnoses import finding
from diagnoses import worklist as waiting
from diagnoses.worklist import Filters, Page, Row, Show, Tally

# How long the words "due in two hours" may stand before the page fetches them anew.
QUARTER = timedelta(minutes=15)


@require_safe
@reading_doctor_required
def worklist(request: HttpRequest) -> HttpResponse:
    """Unscored and RED first. The page keeps itself up to date where scripts run."""
    user, filters = person(request), Filters.read(request.GET).looked_up()
    page = waiting.page(user, filters, after=_after(request))
    tallies = waiting.tallies(user, filters)
    return render(request, "worklist/list.html", _shown(request, filters, page, tallies))


@require_safe
@reading_doctor_required
def worklist_done(request: HttpRequest) -> HttpResponse:
    return render(request, "worklist/done.html", {"rows": waiting.answered(person(request))})


@require_safe
@reading_doctor_required
def worklist_state(request: HttpRequest) -> HttpResponse:
    """The version of the list as it would be shown now: 304 while nothing on it has changed."""
    user, filters = person(request), Filters.read(request.GET).looked_up()
    page = waiting.page(user, filters, after=_after(request))
    version = _version(page, waiting.tallies(user, filters))
    tag = f'"{version}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponse(status=304, headers={"ETag": tag})
    return JsonResponse({"version": version}, headers={"ETag": tag})


def _shown(
    request: HttpRequest, filters: Filters, page: Page, tallies: Mapping[Show, Tally]
) -> dict[str, Any]:
    return {
        "filters": filters,
        "sites": finding.sites(),
        "areas": finding.areas(),
        "page": page,
        "version": _version(page, tallies),
        "next_page": filters.query(after=str(page.after)) if page.after else "",
        "lists": [
            {
                "title": show.heading,
                "query": filters.showing(show).query(),
                "current": show is filters.show,
                "tally": tallies[show],
            }
            for show in Show
        ],
        "waiting_in_all": tallies[Show.ALL],
        "opened_with": filters.query(),
        "first_page": "after" not in request.GET,
    }


def _after(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("after", ""))
    except ValueError:
        return None


def _version(page: Page, tallies: Mapping[Show, Tally]) -> str:
    """Changes when a row comes, goes or moves, and with every quarter of an hour of its time.

    And when a list beside this one grows: a case that arrives there is counted on this page.
    """
    parts = (_row_version, _talk_version, _claim_version)
    rows = [" ".join(part(row) for part in parts) for row in page.rows]
    counts = " ".join(str(tallies[show]) for show in Show)
    shown = "\n".join([counts, str(page.after), *rows])
    return hashlib.blake2b(shown.encode(), digest_size=12).hexdigest()


def _row_version(row: Row) -> str:
    case = row.case
    quarters_left = (case.answer_due_at - timezone.now()) // QUARTER
    return f"{case.pk} {case.tier} {case.status} {case.doctor_id} {quarters_left}"


def _talk_version(row: Row) -> str:
    return f"{row.case.question_since} {row.photo_wanted} {row.photo_came}"


def _claim_version(row: Row) -> str:
    """Who has it open, and for how many minutes: it is said in words that grow old."""
    if row.open_with is None:
        return ""
    minutes = (timezone.now() - row.open_with.since) // timedelta(minutes=1)
    return f"{row.open_with.doctor_id} {minutes}"

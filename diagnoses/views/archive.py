"""A case to take along, from its page."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from accounts.access import login_required, person
from diagnoses.archive.sending import as_archive


@login_required
@require_safe
def case_archive(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """For its patient and for the doctors of its clinic."""
    base = request.build_absolute_uri("/").rstrip("/")
    return as_archive(person(request), pk, base, where="page")

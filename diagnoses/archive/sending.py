"""The archive as an answer: by the one gate, and written to the trail."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, StreamingHttpResponse
from django.utils import timezone

from accounts import audit
from accounts.models import User
from diagnoses import workflow
from diagnoses.archive.making import archive
from diagnoses.fhir.told import cases_for, told


def as_archive(user: User, case: UUID, base: str, *, where: str) -> StreamingHttpResponse:
    """Raises ``Http404`` for a case that is not theirs: an admin's is none, nor is a shared one.

    ``base`` is the portal's address as they reached it. A patient has then opened their answer.
    """
    found = told(cases_for(user).filter(pk=case), user, base)
    if not found:
        raise Http404
    one = found[0]
    stream = archive(one)
    if one.to_patient and one.answer is not None:
        workflow.open_answer(one.answer, user)
    audit.record("case.exported", actor=user, about=f"case:{case}", where=where)
    name = f"lentigo-{one.case.reference}-{timezone.localdate():%Y-%m-%d}.zip"
    response = StreamingHttpResponse(stream, content_type="application/zip")
    response["Content-Length"] = str(len(stream))
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response

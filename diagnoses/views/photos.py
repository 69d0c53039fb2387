"""The only door to a picture: gated, private to the browser that asked, and written down."""

from __future__ import annotations

from http import HTTPStatus
from typing import IO
from uuid import UUID

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.access import login_required, patient_required, person
from accounts.models import User
from diagnoses.intake import AGAIN
from diagnoses.models import DraftPhoto, Photo
from diagnoses.sealing import LOST
from diagnoses.storage import whole
from diagnoses.thumbnails import MEDIUM, shrink, thumbnail


@login_required
@require_safe
def photo(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A case's picture; with ``?size=medium`` as much of it as a screen shows; with
    ``?size=thumb`` its small copy.

    Each look at a picture is audited. Small copies are not: a list shows many at once, and
    whoever may see one may see the case it stands for.
    """
    user, size = person(request), request.GET.get("size")
    found = get_object_or_404(Photo.objects.to_look_at(user), pk=pk)
    try:
        if size == "thumb":
            return private(thumbnail(found))
        content = whole(found.file)
        if size == "medium":  # made anew each time: no copy that could be forgotten on the disk
            content = shrink(content, MEDIUM)
    except OSError as error:
        return _cannot_be_shown(error)
    audit.record("photo.viewed", actor=user, about=f"case:{found.case_id}", photo=str(found.pk))
    return private(content)


@patient_required
@require_safe
def draft_thumb(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The photo kept in a form that is not sent yet, small; for whoever fills in that form."""
    mine = DraftPhoto.objects.filter(patient__in=User.objects.answered_for_by(person(request)))
    draft = get_object_or_404(mine, pk=pk)
    try:
        return private(shrink(whole(draft.file)))
    except OSError as error:
        return _cannot_be_shown(error)


def _cannot_be_shown(why: OSError) -> HttpResponseBase:
    """In a picture's place the words that say so: a page shows it where the photo would be."""
    lost = isinstance(why, LOST)
    drawn = render_to_string("photos/cannot_be_shown.svg", {"lost": lost})
    response = private(drawn.encode(), "image/svg+xml")
    response.status_code = HTTPStatus.GONE if lost else HTTPStatus.SERVICE_UNAVAILABLE
    if not lost:
        response["Retry-After"] = str(AGAIN)
    return response


def private(picture: bytes | IO[bytes], kind: str = "image/jpeg") -> HttpResponseBase:
    """A picture that no cache keeps, no other site embeds and no browser takes for another kind."""
    response: HttpResponseBase = (
        HttpResponse(picture, content_type=kind)
        if isinstance(picture, bytes)
        else FileResponse(picture, content_type=kind)
    )
    response["Cache-Control"] = "private, no-store"
    response["Content-Disposition"] = "inline"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response

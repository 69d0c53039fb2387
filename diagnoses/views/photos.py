"""The only door to a picture: gated, private to the browser that asked, and written down."""

from __future__ import annotations

import io
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
from diagnoses.models import DraftPhoto, Photo
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
        with found.file.open("rb") as file:
            content: bytes = file.read()  # all of it: nothing leaves before the whole is proved
    except OSError:
        return _cannot_be_shown()
    audit.record("photo.viewed", actor=user, about=f"case:{found.case_id}", photo=str(found.pk))
    if size == "medium":  # made anew each time: no copy that could be forgotten on the disk
        return private(shrink(io.BytesIO(content), MEDIUM))
    return private(content)


@patient_required
@require_safe
def draft_thumb(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The photo kept in a form that is not sent yet, small; for whoever fills in that form."""
    mine = DraftPhoto.objects.filter(patient__in=User.objects.answered_for_by(person(request)))
    draft = get_object_or_404(mine, pk=pk)
    try:
        with draft.file.open("rb") as picture:
            return private(shrink(picture))
    except OSError:
        return _cannot_be_shown()


def _cannot_be_shown() -> HttpResponseBase:
    """In a picture's place the words that say so: a page shows it where the photo would be."""
    drawn = render_to_string("photos/cannot_be_shown.svg")
    response = private(drawn.encode(), "image/svg+xml")
    response.status_code = HTTPStatus.GONE
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

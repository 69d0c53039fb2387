"""Photos on their way into a form: with the form, ahead of it, or ahead of it in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID, uuid4

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.access import patient_required, person
from accounts.models import User
from diagnoses import conversation, drafts, intake, pieces
from diagnoses.drafts import Slot
from diagnoses.models import Case, Draft
from diagnoses.views import whose
from mlservice.readers import pack_for_reader

REFUSED = "X-Refused"  # the head with the code, for programs
_NAME = re.compile(r"[0-9a-f]{8,64}")  # of an upload, drawn by the sender


def received_with(request: HttpRequest, draft: Draft, places: dict[str, Slot]) -> bool:
    """Keep the photos that came with the form in its ``places``; whether any was taken."""
    taken = False
    for name, slot in places.items():
        upload = request.FILES.get(f"{name}_photo")
        if isinstance(upload, UploadedFile):
            drafts.receive(draft.patient, draft.submit_key, slot, upload, person(request))
            taken = taken or slot.refused is None
    return taken


@patient_required
@require_http_methods(["GET", "POST"])
def draft_photo(request: HttpRequest) -> HttpResponse:
    """One photo sent ahead of its form. Answers what the form shows in its place.

    ``?of=new`` says that it is of a new case: then what was begun can be gone on with elsewhere.
    With ``upload``, ``start`` and ``total`` the file is one piece of it: the answer says how many
    bytes are here (202), or 409 and the same where the piece does not follow. GET only asks.
    """
    asked = request.POST if request.method == "POST" else request.GET
    key, about = form_key(asked.get("submit_key")), about_of(request)
    draft = whose.draft(request, key, about)
    patient, pack = draft.patient, pack_for_reader(draft.pack_name)
    slot = _slot(request, asked, drafts.slots(patient, key, pack))
    if slot is None or _sent(patient, key):
        return HttpResponse(status=409)
    upload = _upload(asked, patient, key, slot, person(request))
    if request.method == "GET":
        return JsonResponse({"received": pieces.received(upload) if upload else 0})
    file = request.FILES.get(f"{slot.name}_photo")
    if not isinstance(file, UploadedFile):
        return HttpResponse(status=409)
    if upload is None:
        drafts.receive(patient, key, slot, file, person(request))
        answer = _kept(request, slot)
    else:
        answer = _piece(request, slot, upload, file)
    if answer.status_code == 200 and request.GET.get("of") == "new":
        conversation.begin(patient, key, slot.pack, about)
    return answer


def about_of(request: HttpRequest) -> Case | None:
    """The earlier case whose mark the form asks about again, where ``?about=`` names one."""
    raw = request.GET.get("about")
    if not raw:
        return None
    try:
        key = UUID(raw)
    except ValueError as unreadable:
        raise Http404 from unreadable
    return whose.case_of(request, key)


def _piece(
    request: HttpRequest, slot: Slot, upload: pieces.Upload, file: UploadedFile[bytes]
) -> HttpResponse:
    try:
        here = pieces.add(upload, _start(request), file.read())
    except pieces.OutOfPlace as gap:
        return JsonResponse({"received": gap.received}, status=409)
    except intake.Refusal as refusal:
        slot.refused = refusal
        pieces.forget(upload.patient, upload.submit_key, slot.name)
        return _kept(request, slot)
    if here < upload.total:
        return JsonResponse({"received": here}, status=202)
    drafts.receive(upload.patient, upload.submit_key, slot, pieces.whole(upload))
    if slot.refused is None or not slot.refused.wait:  # else it is tried again as it is here
        pieces.forget(upload.patient, upload.submit_key, slot.name)
    return _kept(request, slot)


def _kept(request: HttpRequest, slot: Slot) -> HttpResponse:
    context = {"slot": slot, "error": slot.refusal}
    return refused_as(render(request, "cases/_kept.html", context), [slot])


def refused_as(response: HttpResponse, slots: Iterable[Slot]) -> HttpResponse:
    """The answer with HTTP's status for photos that were not taken, and the code in its head."""
    for refused in (slot.refused for slot in slots if slot.refused):
        response.status_code = max(response.status_code, refused.http)
        response[REFUSED] = refused.code
        if refused.wait:
            response["Retry-After"] = str(refused.wait)
    return response


def _slot(request: HttpRequest, asked: QueryDict, places: dict[str, Slot]) -> Slot | None:
    """The place the file is for: its field's name says it, or ``slot`` where there is no file."""
    for name, slot in places.items():
        if f"{name}_photo" in request.FILES or (not request.FILES and asked.get("slot") == name):
            return slot
    return None


def _upload(
    asked: QueryDict, patient: User, key: UUID, slot: Slot, by: User
) -> pieces.Upload | None:
    """What the piece belongs to; ``None`` where the whole file came at once."""
    name, total = asked.get("upload", ""), asked.get("total", "")
    if not _NAME.fullmatch(name) or not (total.isdecimal() and len(total) < 19):
        return None
    return pieces.Upload(patient, key, slot.name, name, int(total), by)


def form_key(raw: str | None) -> UUID:
    """The form's own key; a fresh one where there is none to read."""
    try:
        return UUID(raw or "")
    except ValueError:
        return uuid4()


def _start(request: HttpRequest) -> int:
    """The piece's place in the file; what is no number is no place that follows."""
    raw = request.POST.get("start", "")
    return int(raw) if raw.isdecimal() and len(raw) < 19 else -1


def _sent(patient: User, key: UUID) -> bool:
    return Case.objects.visible_to(patient).filter(submit_key=key).exists()

"""Sending a new case: one form, whose photos are kept from the moment they arrive."""

from __future__ import annotations

from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import people
from accounts.access import patient_required, person
from accounts.models import User
from diagnoses import drafts, workflow
from diagnoses.forms import SubmitForm
from diagnoses.intake import MAX_BYTES
from diagnoses.models import Case
from mlservice.packs import load_pack

ALREADY_SENT = (
    "You had already sent this form, so nothing was sent twice: this is its case. To ask about "
    "another mark, start a new one."
)


@patient_required
@require_http_methods(["GET", "POST"])
def case_new(request: HttpRequest) -> HttpResponse:
    """The form. ``?form=`` opens one again with the photos kept in it; ``?about=`` asks again
    about the mark of an earlier case."""
    patient = person(request)
    posted = request.method == "POST"
    key = _key(request.POST.get("submit_key") if posted else request.GET.get("form"))
    if case := _sent_with(patient, key):
        return _already_sent(request, case)
    slots = drafts.slots(patient, key, load_pack(settings.PACK))
    _receive(request, patient, key, slots)
    form = SubmitForm(
        request.POST if posted else None,
        patient=patient,
        pack=load_pack(settings.PACK),
        slots=slots,
        about=_earlier_case(request, patient),
    )
    if posted and form.is_valid() and (case := _send(patient, key, form)):
        return redirect("case", pk=case.pk)
    # The other click of a double click may have sent it, and taken the photos with it.
    if posted and (case := _sent_with(patient, key)):
        return _already_sent(request, case)
    context = {"form": form, "submit_key": key, "pack": form.pack, "max_mb": MAX_BYTES >> 20}
    return render(request, "cases/new.html", context, status=422 if posted else 200)


@patient_required
@require_POST
def draft_photo(request: HttpRequest) -> HttpResponse:
    """One photo sent ahead of its form. Answers what the form shows in its place."""
    patient = person(request)
    key = _key(request.POST.get("submit_key"))
    slots = drafts.slots(patient, key, load_pack(settings.PACK))
    slot = next((slot for name, slot in slots.items() if f"{name}_photo" in request.FILES), None)
    if slot is None or _sent_with(patient, key):
        return HttpResponse(status=409)
    _receive(request, patient, key, {slot.name: slot})
    status = 422 if slot.refusal else 200
    context = {"slot": slot, "error": slot.refusal}
    return render(request, "cases/_kept.html", context, status=status)


def _send(patient: User, key: UUID, form: SubmitForm) -> Case | None:
    """The case; or ``None``, with what stands against it in the form's errors."""
    _keep_what_was_agreed(patient, form)
    try:
        case = workflow.submit(patient, form.submission(key))
    except FileNotFoundError:
        drafts.discard(form.slots)
        form.add_error("main_photo", "We no longer have this photo. Please add it again.")
        return None
    except workflow.WorkflowError as error:
        form.add_error(None, error.sentence)
        return None
    drafts.discard(form.slots)
    return case


def _keep_what_was_agreed(patient: User, form: SubmitForm) -> None:
    """Consents and the number, before anything they are needed for begins."""
    for kind in form.consents():
        people.give_consent(patient, kind)
    if number := form.cleaned_data["contact"]:
        people.add_number(patient, number, opt_in=form.wants_messages)


def _receive(request: HttpRequest, patient: User, key: UUID, slots: dict[str, drafts.Slot]) -> None:
    for name, slot in slots.items():
        upload = request.FILES.get(f"{name}_photo")
        if isinstance(upload, UploadedFile):
            drafts.receive(patient, key, slot, upload)


def _key(raw: str | None) -> UUID:
    """The form's own key; a fresh one where there is none to read."""
    try:
        return UUID(raw or "")
    except ValueError:
        return uuid4()


def _sent_with(patient: User, key: UUID) -> Case | None:
    return Case.objects.visible_to(patient).filter(submit_key=key).first()


def _already_sent(request: HttpRequest, case: Case) -> HttpResponse:
    messages.info(request, ALREADY_SENT)
    return redirect("case", pk=case.pk)


def _earlier_case(request: HttpRequest, patient: User) -> Case | None:
    raw = request.GET.get("about")
    if not raw:
        return None
    return get_object_or_404(Case.objects.visible_to(patient), pk=_key(raw))

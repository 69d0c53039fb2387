"""The patient's side of the talk: writing to the doctors, and sending the photo they asked for."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import patient_required, person
from accounts.models import User
from diagnoses import drafts, intake, presenting, talking, workflow
from diagnoses.intake import MAX_BYTES
from diagnoses.models import Case, Retake
from diagnoses.sealing import LOST
from diagnoses.talk_forms import RetakeForm, TalkForm
from diagnoses.views import whose
from diagnoses.views.uploads import form_key, refused_as

CONFLICT = 409


@patient_required
@require_http_methods(["GET", "POST"])
def case_talk(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Write to the doctors. A page of its own, which never loads itself again under one's words."""
    found = whose.case_of(request, pk)
    patient = found.patient
    if found.status == Case.Status.CANCELLED:
        messages.info(request, _("You withdrew this case. No doctor reads messages about it."))
        return redirect("case", pk=found.pk)
    posted = request.method == "POST"
    form = TalkForm(request.POST if posted else None)
    refusal = ""
    if posted and form.is_valid():
        text = form.cleaned_data["text"]
        try:
            workflow.ask(found, patient, text, form.key_for(text))
        except workflow.WorkflowError as error:
            refusal = error.sentence
        else:
            messages.success(request, _("Your message is sent. Your doctors can read it now."))
            return redirect(reverse("case", args=[found.pk]) + "#talk")
    shown = talking.talk(found, patient)
    talking.mark_read(found, patient, shown)
    context = {"case": found, "form": form, "talk": shown, "refusal": refusal}
    status = CONFLICT if refusal else 422 if posted else 200
    return render(request, "talk/write.html", context, status=status)


@patient_required
@require_http_methods(["GET", "POST"])
def case_photo(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One new photo for an open case, judged as soon as it arrives."""
    found = whose.case_of(request, pk)
    patient = found.patient
    posted = request.method == "POST"
    key = form_key(request.POST.get("submit_key") if posted else request.GET.get("form"))
    if Retake.objects.filter(case=found, key=key).exists():
        return _sent(request, found)
    slot = drafts.slots(patient, key, found.pack)["main"]
    upload = request.FILES.get("main_photo")
    if isinstance(upload, UploadedFile):
        drafts.receive(patient, key, slot, upload, person(request))
    form = RetakeForm(request.POST if posted else None, slot=slot, kind=_kind_before(found))
    over = not found.is_open
    refusal = talking.refusal_to_patient(found, workflow.too_late(found)) if over else ""
    if posted and form.is_valid() and not refusal:
        refusal = _send(patient, found, form, key)
        if not refusal and not form.errors:
            return _sent(request, found)
    context = {
        "case": found,
        "form": form,
        "slot": slot,
        "submit_key": key,
        "refusal": refusal,
        "answering": found.is_signed and presenting.answer_for_patient(found) is None,
        "request_of_doctor": talking.request_of(found),
        "max_mb": MAX_BYTES >> 20,
    }
    status = CONFLICT if refusal else 422 if posted else 200
    return refused_as(render(request, "talk/photo.html", context, status=status), [slot])


def _send(patient: User, case: Case, form: RetakeForm, key: UUID) -> str:
    """Send the photo; the sentence that refuses it. What is wrong with the form is said there."""
    try:
        workflow.retake(case, patient, list(form.photos()), key)
    except LOST:
        drafts.discard({"main": form.slot})
        form.add_error("main_photo", _("We no longer have this photo. Please add it again."))
    except intake.Refusal as refusal:  # not now; the photo waits in its form
        form.slot.refused = refusal
        form.add_error("main_photo", refusal.sentence)
    except workflow.WorkflowError as error:
        return talking.refusal_to_patient(case, error)
    else:
        drafts.discard({"main": form.slot})
    return ""


def _sent(request: HttpRequest, case: Case) -> HttpResponse:
    messages.success(request, _("Your new photo is sent. Your doctors can see it now."))
    return redirect("case", pk=case.pk)


def _kind_before(case: Case) -> str:
    """How the case's photos were taken so far: most often the new one is taken the same way."""
    return case.photos.values_list("kind", flat=True).first() or ""

"""The page a reminder leads to: what it is about, the next step, and how to stop such reminders."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from accounts.access import patient_required, person
from accounts.reminder_stop import Reminder
from diagnoses import workflow
from diagnoses.models import Nudge, Photo, Review
from diagnoses.nudge_forms import VisitForm
from mlservice.readers import pack_for_reader

CONFLICT = 409
OVER = {
    Nudge.Why.NEW_PHOTO: _("You have sent a new photo since. There is nothing left to do."),
    Nudge.Why.AMENDED: _("Your doctor has changed the answer since. Please read what it says now."),
    Nudge.Why.ANSWERED: _("You have answered since. There is nothing left to do."),
}
NO_MORE = _("It counts no more. There is nothing left to do.")


@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
def reminder(request: HttpRequest, pk: UUID) -> HttpResponse:
    """With POST the answer to "did you see the doctor?"; the other kinds ask nothing."""
    user = person(request)
    mine = Nudge.objects.visible_to(user).select_related(
        "case__lesion", "review__doctor", "patient__carer"
    )
    nudge = get_object_or_404(mine, pk=pk)
    asks = nudge.kind == Reminder.SEE_DOCTOR
    if request.method == "POST" and not asks:
        raise Http404
    form, refusal = _form(request, nudge), ""
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            workflow.tell_of_visit(nudge, nudge.patient, said["reply"], said["words"])
        except workflow.WorkflowError as error:
            refusal = error.sentence
        else:
            messages.success(request, _("Thank you. Your doctors can read it."))
            return redirect("reminder", pk=nudge.pk)
    workflow.open_reminder(nudge)
    context = {"nudge": nudge, "form": form, "refusal": refusal, **_about(nudge)}
    status = CONFLICT if refusal else 422 if request.method == "POST" else 200
    return render(request, _template(nudge), context, status=status)


def _form(request: HttpRequest, nudge: Nudge) -> VisitForm:
    if request.method == "POST":
        return VisitForm(request.POST)
    return VisitForm(initial={"reply": nudge.reply})


def _template(nudge: Nudge) -> str:
    return f"nudges/{'over' if nudge.state == Nudge.State.STOPPED else nudge.kind}.html"


def _about(nudge: Nudge) -> dict[str, Any]:
    case = nudge.case
    if case is None:
        return {"lesson": pack_for_reader(settings.PACK).lesson}
    photos = Photo.objects.filter(case=case)
    if case.lesion_id:
        photos = Photo.objects.filter(case__lesion=case.lesion_id)
    return {
        "case": case,
        "site": case.place,
        "newest": photos.order_by("created_at", "pk").last(),
        "urgent": nudge.review is not None and nudge.review.plan == Review.Plan.REFER_URGENT,
        "over": OVER.get(Nudge.Why(nudge.why), NO_MORE) if nudge.why else "",
    }

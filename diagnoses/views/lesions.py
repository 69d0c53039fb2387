"""The patient's marks: all of them, one with its history and two photos side by side, its name."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit
from accounts.access import patient_required, person
from diagnoses import conversation, lesions, workflow
from diagnoses.lesions import Moment
from diagnoses.models import Case, Lesion, Nudge, Photo
from mlservice.readers import pack_for_reader

PAGE = 20
TOO_LONG = _("Make it shorter: a name has at most 60 letters.")


class NameForm(forms.Form):
    """A name of the patient's own for a mark."""

    name = forms.CharField(
        label=_("What do you call this mark?"),
        help_text=_(
            "A few words, such as “the one on my shoulder blade”. Your doctor sees it too."
        ),
        required=False,
        max_length=60,
        error_messages={"max_length": TOO_LONG},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())


@patient_required
@require_safe
def lesion_list(request: HttpRequest) -> HttpResponse:
    """Where a patient starts: every mark of theirs, those that wait for an answer first."""
    behind = request.GET.get("before")
    user = person(request)
    found, before = lesions.tiles(user, behind=behind, size=PAGE)
    context = {
        "tiles": found,
        "before": before,
        "first_page": not behind,
        "begun": conversation.begun_by(user).count(),
        "nudge": Nudge.objects.to_show(user).first(),
    }
    return render(request, "lesions/list.html", context)


@patient_required
@require_safe
def lesion(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One mark's history. ``?left=&right=`` name the two photos to compare."""
    user = person(request)
    photos = lesions.photos_of(pk, user)
    found = photos[0].case.lesion if photos else None
    if found is None:
        found = get_object_or_404(Lesion.objects.visible_to(user).select_related("patient"), pk=pk)
    behind = request.GET.get("before")
    cases, before = lesions.cases_of(found, user, behind=behind, size=PAGE)
    taken = lesions.shots(photos)
    try:
        pair = lesions.pair(taken, request.GET.get("left"), request.GET.get("right"))
    except LookupError as unknown:
        raise Http404 from unknown
    history = lesions.moments(cases, photos)
    audit.record("lesion.viewed", actor=user, about=f"lesion:{found.pk}")
    context = {
        "lesion": found,
        "site": cases[0].place if cases else pack_for_reader(found.pack).site(found.site).text,
        "history": history,
        "before": before,
        "first_page": not behind,
        "times": len({photo.case_id for photo in photos}),
        "newest": taken[0].photo if taken else None,
        "to_tell": _to_tell(history, photos),
        "taken": taken,
        "pair": pair,
    }
    return render(request, "lesions/lesion.html", context)


def _to_tell(history: list[Moment], photos: list[Photo]) -> Case | None:
    """The newest case that still waits, on whichever page of the history it stands."""
    waiting = [moment.case for moment in history if moment.waiting]
    waiting += [photo.case for photo in photos if photo.case.is_open]
    return waiting[0] if waiting else None


@patient_required
@require_http_methods(["GET", "POST"])
def lesion_name(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give the mark a name, change it, or take it away."""
    user = person(request)
    found = get_object_or_404(Lesion.objects.visible_to(user), pk=pk)
    posted = request.method == "POST"
    form = NameForm(request.POST if posted else None, initial={"name": found.name})
    if posted and form.is_valid():
        workflow.name_mark(found, found.patient, form.cleaned_data["name"])
        return redirect("lesion", pk=found.pk)
    context = {
        "form": form,
        "lesion": found,
        "site": pack_for_reader(found.pack).site(found.site).text,
    }
    return render(request, "lesions/name.html", context, status=422 if posted else 200)

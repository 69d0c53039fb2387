"""Learning from the clinic: what would be exported, what was, who has a copy, what has to go.

For admins. One of a clinic sees and exports that clinic's pictures; one of no clinic all of them.
"""

from __future__ import annotations

import csv
import uuid
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.db.models import Count
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.access import admin_required, person
from accounts.wording import WORDING
from diagnoses import learning
from diagnoses.learning import asking, summary
from diagnoses.learning.making import KEPT_FOR
from diagnoses.learning.which import RESEARCH, Source
from diagnoses.learning.withdrawing import about
from diagnoses.learning_forms import WantedForm
from diagnoses.models import ExportedPhoto, TrainingExport
from mlservice.readers import pack_for_reader

LATEST = 20


@never_cache
@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HttpRequest) -> HttpResponse:
    """What would be exported now; with POST have it made; what was before."""
    admin = person(request)
    asked = request.POST if request.method == "POST" else request.GET
    form = WantedForm(asked if "what" in asked else None, admin=admin)
    if request.method == "POST" and form.is_valid():
        export = learning.ask(form.wanted, admin, _press(request))
        return redirect("learning_export", export.pk)
    if not form.is_bound:
        first = {"what": form.fields["what"].choices[0][0]}  # type: ignore[attr-defined]  # a ChoiceField
        form = WantedForm(first, admin=admin)
    rows = TrainingExport.objects.visible_to(admin).select_related("clinic", "asked_by")
    context: dict[str, object] = {
        "form": form,
        "chosen": form.data,
        "press": uuid.uuid4(),
        "few": summary.FEW,
        "days": KEPT_FOR.days,
        "consent": WORDING[RESEARCH],
        "to_clean": list(TrainingExport.objects.visible_to(admin).to_clean()),
        "exports": list(rows[:LATEST]),
    }
    if form.is_valid():
        context["summary"] = learning.summarise(form.wanted)
        context["modality"] = dict(form.fields["what"].choices)[form.cleaned_data["what"]]  # type: ignore[attr-defined]  # the same
    status = 422 if form.errors else 200
    return render(request, "learning/list.html", context, status=status)


def _press(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("press", ""))
    except ValueError:
        return uuid.uuid4()


@never_cache
@admin_required
@require_http_methods(["GET", "HEAD"])
def export(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One export: how far it is, what is in it, who took it, what has to go from the copies."""
    rows = TrainingExport.objects.visible_to(person(request)).select_related("clinic", "asked_by")
    found = get_object_or_404(rows, pk=pk)
    reasons = _reasons(found)
    pack = pack_for_reader(found.pack)
    labels = found.counts.get("labels", {})
    context = {
        "export": found,
        "pack": pack,
        "modality": pack.modalities.get(found.modality, found.modality),
        "waits": found.state == TrainingExport.State.WAITING,
        "labels": [(label, labels[label.name]) for label in pack.labels if label.name in labels],
        "sources": _sources(found.counts.get("sources", {})),
        "copies": list(found.copies.select_related("by")),
        "to_delete": sum(number for _why, number in reasons),
        "reasons": reasons,
    }
    return render(request, "learning/export.html", context)


def _sources(counts: dict[str, int]) -> list[tuple[Source, int]]:
    return [(Source(name), number) for name, number in counts.items()]


def _reasons(found: TrainingExport) -> list[tuple[str, int]]:
    """Why pictures have to go -> how many."""
    rows = asking.to_delete(found).order_by("why").values_list("why").annotate(n=Count("pk"))
    return [(str(ExportedPhoto.Why(why).label), number) for why, number in rows]


@never_cache
@admin_required
@require_GET
def download(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The zip, to somebody who has just typed their password; written down that they have it."""
    found = get_object_or_404(TrainingExport.objects.visible_to(person(request)), pk=pk)
    answer: HttpResponseBase = _download(request, found)
    return answer


@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types
def _download(request: HttpRequest, found: TrainingExport) -> HttpResponseBase:
    admin = person(request)
    file = learning.take(found, admin)
    if file is None:
        messages.error(request, _("This file is no longer kept. Export again."))
        return redirect("learning_export", found.pk)
    name = f"{found.pack}-{found.modality}-{found.reference.lower()}.zip"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@never_cache
@admin_required
@require_GET
def withdrawn(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The names of the pictures that have to go from the copies, as a csv."""
    admin = person(request)
    found = get_object_or_404(TrainingExport.objects.visible_to(admin), pk=pk)
    names = list(asking.to_delete(found).values_list("name", flat=True))
    audit.record("export.withdrawn_listed", actor=admin, about=about(found), pictures=len(names))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="withdrawn.csv"'
    response["Cache-Control"] = "private, no-store"
    csv.writer(response).writerows([["image_id"], *([name] for name in names)])
    return response


@admin_required
@require_POST
def cleaned(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The admin says that no copy holds these pictures any more."""
    admin = person(request)
    found = get_object_or_404(TrainingExport.objects.visible_to(admin), pk=pk)
    known = request.POST.get("pictures", "")
    if known.isdecimal() and learning.clean_up(found, admin, int(known)):
        messages.success(request, _("Thank you. It is written down."))
    else:
        messages.error(request, _("Meanwhile there are other pictures to delete. Look again."))
    return redirect("learning_export", found.pk)

"""The buttons: into service, past the gate, back, a pause and its end. Each says what follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import person
from mlservice import deciding, registry
from mlservice.deciding import Refusal
from mlservice.models import ModelVersion, Override, Pause
from mlservice.packs import available_packs
from mlservice.readers import pack_for_reader
from mlservice.views.doors import decider_required
from mlservice.views.pages import gate_shown

CONFLICT: Final = 409
ask_first = require_http_methods(["GET", "HEAD", "POST"])


@ask_first
@decider_required
def model_activate(request: HttpRequest, pk: int) -> HttpResponse:
    """The gate line by line; then into service, or a reason for a second admin."""
    version = get_object_or_404(ModelVersion, pk=pk)
    if request.method != "POST":
        return _ask_to_activate(request, version)
    by, instead_of = person(request), _key(request)
    reason = request.POST.get("reason", "")
    try:
        if "override" in request.POST:
            asked = deciding.ask_override(version, by, instead_of, reason)
            messages.success(request, _("A second admin is needed now. Nothing has changed yet."))
            return redirect("model_override", pk=asked.pk)
        deciding.promote(version, by, instead_of)
    except Refusal as refusal:
        return _ask_to_activate(request, version, refusal, reason)
    messages.success(request, _("%(version)s scores new cases now.") % {"version": version})
    return redirect("models")


def _ask_to_activate(
    request: HttpRequest, version: ModelVersion, refusal: Refusal | None = None, reason: str = ""
) -> HttpResponse:
    current = registry.active(version.pack)
    context = {
        "version": version,
        "current": current,
        "serves": version == current,
        "gate": gate_shown(version, current),
        "asked": Override.objects.filter(version=version, outcome="").first(),
        "refusal": refusal,
        "reason": reason,
        "longest": deciding.LONGEST_REASON,
    }
    return render(request, "models/activate.html", context, status=CONFLICT if refusal else 200)


@ask_first
@decider_required
def model_override(request: HttpRequest, pk: int) -> HttpResponse:
    """What somebody asked to let past the gate, and the second admin's yes or no."""
    rows = Override.objects.select_related("version", "instead_of", "asked_by", "decided_by")
    asked = get_object_or_404(rows, pk=pk)
    by = person(request)
    if request.method == "POST":
        said = request.POST.get("said", "")
        if said not in ("yes", "no"):
            raise Http404
        try:
            if said == "yes":
                deciding.agree(asked, by)
                words = _("%(version)s scores new cases now.") % {"version": asked.version}
            else:
                deciding.turn_down(asked, by)
                words = _("It stays as it was.")
        except Refusal as refusal:
            messages.warning(request, str(refusal))
            return redirect("model_override", pk=asked.pk)
        messages.success(request, words)
        return redirect("models")
    context = {
        "asked": asked,
        "version": asked.version,
        "mine": asked.asked_by == by,
        "current": registry.active(asked.version.pack),
        "gate": gate_shown(asked.version, asked.instead_of),
    }
    return render(request, "models/override.html", context)


@require_POST
@decider_required
def model_back(request: HttpRequest, pk: int) -> HttpResponse:
    """From this version back to the one before, in one press."""
    version = get_object_or_404(ModelVersion, pk=pk)

    def go_back() -> str:
        before = deciding.roll_back(version, person(request))
        return _("%(version)s scores new cases again.") % {"version": before}

    return _done(request, go_back)


@ask_first
@decider_required
def pack_pause(request: HttpRequest, pack: str) -> HttpResponse:
    """What a pause means, and why; then it begins."""
    if pack not in available_packs():
        raise Http404
    refusal, reason = "", request.POST.get("reason", "")
    if request.method == "POST":
        try:
            deciding.pause(pack, person(request), reason)
        except Refusal as error:
            refusal = str(error)
        else:
            messages.success(
                request, _("The computer is paused. Cases go straight to the doctors.")
            )
            return redirect("models")
    context = {
        "pack": pack,
        "title": pack_for_reader(pack).title,
        "paused": Pause.objects.filter(pack=pack, ended_at=None).select_related("by").first(),
        "refusal": refusal,
        "reason": reason,
        "longest": deciding.LONGEST_REASON,
    }
    return render(request, "models/pause.html", context, status=CONFLICT if refusal else 200)


@require_POST
@decider_required
def pack_resume(request: HttpRequest, pack: str) -> HttpResponse:
    """The computer looks at new cases again."""

    def go_on() -> str:
        deciding.resume(pack, person(request))
        return _("The computer looks at new cases again.")

    return _done(request, go_on)


def _done(request: HttpRequest, change: Callable[[], str]) -> HttpResponse:
    try:
        messages.success(request, change())
    except Refusal as refusal:
        messages.warning(request, str(refusal))
    return redirect("models")


def _key(request: HttpRequest) -> int | None:
    """The version that the admin saw in service."""
    said = request.POST.get("instead_of", "")
    return int(said) if said.isdecimal() else None

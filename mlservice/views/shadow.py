"""A candidate begins to look along, unseen, and ends."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import person
from mlservice import deciding, registry, shadowing
from mlservice.deciding import Refusal
from mlservice.models import ModelVersion
from mlservice.views.decide import CONFLICT, ask_first
from mlservice.views.doors import decider_required


@ask_first
@decider_required
def shadow_start(request: HttpRequest, pk: int) -> HttpResponse:
    """What it means, and of which share of the cases; then it begins."""
    version = get_object_or_404(ModelVersion, pk=pk)
    share, refusal = request.POST.get("share", "100"), ""
    reason = request.POST.get("reason", "")
    if request.method == "POST":
        try:
            percent = int(share) if share.isdecimal() and len(share) <= len("100") else 0
            shadowing.start(version, person(request), percent, reason)
        except Refusal as error:
            refusal = str(error)
        else:
            messages.success(
                request, _("%(version)s looks along now, unseen.") % {"version": version}
            )
            return redirect("model_shadow", pk=version.pk)
    context = {
        "version": version,
        "current": registry.active(version.pack),
        "run": version.shadows.filter(ended_at=None).first(),
        "refusal": refusal,
        "share": share,
        "reason": reason,
        "longest": deciding.LONGEST_REASON,
    }
    return render(request, "models/shadow_start.html", context, status=CONFLICT if refusal else 200)


@require_POST
@decider_required
def shadow_stop(request: HttpRequest, pk: int) -> HttpResponse:
    """It looks at no further case. What was compared stays."""
    version = get_object_or_404(ModelVersion, pk=pk)
    try:
        shadowing.stop(version, person(request))
        messages.success(request, _("%(version)s looks along no more.") % {"version": version})
    except Refusal as refusal:
        messages.warning(request, str(refusal))
    return redirect("model_shadow", pk=version.pk)

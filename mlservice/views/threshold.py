"""Another threshold of the 80 % rule: the second admin's yes or no."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import person
from mlservice import price, thresholds
from mlservice.deciding import Refusal
from mlservice.engine import BundleError
from mlservice.models import ThresholdChange
from mlservice.views.doors import decider_required


@require_http_methods(["GET", "HEAD", "POST"])
@decider_required
def model_threshold(request: HttpRequest, pk: int) -> HttpResponse:
    """What somebody asked for, what it would do, and the answer."""
    rows = ThresholdChange.objects.select_related("version", "asked_by", "decided_by")
    asked = get_object_or_404(rows, pk=pk)
    if request.method == "POST":
        return _decided(request, asked)
    reader = person(request)
    context: dict[str, Any] = {
        "asked": asked,
        "version": asked.version,
        "mine": asked.asked_by == reader,
        "alone": thresholds.alone(reader),
    }
    try:
        measured = price.of_version(asked.version)
    except BundleError as error:
        context["unmeasured"] = str(error)
    else:
        context["price"] = price.shown(measured, asked.version, asked.before, asked.after)
    return render(request, "models/threshold.html", context)


def _decided(request: HttpRequest, asked: ThresholdChange) -> HttpResponse:
    said = request.POST.get("said", "")
    if said not in ("yes", "no"):
        raise Http404
    try:
        if said == "yes":
            thresholds.agree(asked, person(request))
            words = _("%(version)s names a disease from %(share)s on now.") % {
                "version": asked.version,
                "share": asked.percent_after,
            }
        else:
            thresholds.turn_down(asked, person(request))
            words = _("It stays as it was.")
    except Refusal as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, words)
    return redirect("model_threshold", pk=asked.pk)

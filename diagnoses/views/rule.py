"""The price of the 80 % rule, and asking for another threshold.

It stands beside the pages of model versions (``mlservice.views``), and in this room because it also
says what another threshold would have made of the reader's own cases.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import admin_required, person
from diagnoses.flips import LAST, flips
from mlservice import price, thresholds
from mlservice.deciding import LONGEST_REASON, Refusal, may_decide
from mlservice.engine import BundleError
from mlservice.engine.rule import THRESHOLDS
from mlservice.models import ModelVersion
from mlservice.price import Series

CONFLICT: Final = 409
HAIR: Final = 1e-9


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def model_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """What the rule costs now, what it would at another threshold; asking a second admin for it."""
    version = get_object_or_404(ModelVersion, pk=pk)
    if request.method != "POST":
        return _page(request, version, request.GET.get("at"))
    if not may_decide(person(request)):
        raise Http404
    at, reason = request.POST.get("at", ""), request.POST.get("reason", "")
    try:
        after, seen = _share(at), _number(request.POST.get("seen", ""))
        asked = thresholds.ask(version, person(request), seen=seen, after=after, reason=reason)
    except Refusal as refusal:
        return _page(request, version, at, refusal=str(refusal), reason=reason)
    messages.success(request, _("A second admin is needed now. Nothing has changed yet."))
    return redirect("model_threshold", pk=asked.pk)


def _page(
    request: HttpRequest,
    version: ModelVersion,
    at: str | None,
    *,
    refusal: str = "",
    reason: str = "",
) -> HttpResponse:
    reader = person(request)
    context: dict[str, Any] = {
        "version": version,
        "decides": may_decide(reader),
        "alone": may_decide(reader) and thresholds.alone(reader),
        "asked": thresholds.open_change(version),
        "history": thresholds.decided_changes(version),
        "refusal": refusal,
        "reason": reason,
        "longest": LONGEST_REASON,
        "seen": repr(version.threshold),
        "last": LAST,
    }
    tried = version.threshold
    if at is not None:
        try:
            tried = _share(at)
        except Refusal as error:
            context["beside_the_scale"] = "" if refusal else str(error)
    try:
        measured = price.of_version(version)
    except BundleError as error:
        context["unmeasured"] = str(error)
    else:
        shown = price.shown(measured, version, version.threshold, tried)
        context |= {
            "price": shown,
            "at": f"{THRESHOLDS[shown.at_tried]:.2f}",
            "lowest": f"{THRESHOLDS[0]:.2f}",
            "highest": f"{THRESHOLDS[-1]:.2f}",
            "own": _own(request, version, shown),
        }
    return render(request, "models/rule.html", context, status=CONFLICT if refusal else 200)


def _own(request: HttpRequest, version: ModelVersion, shown: price.Price) -> dict[str, Any]:
    """The reader's own cases, as far as there are enough."""
    found = flips(person(request), version)
    if not found.enough:
        return {"n": found.n, "enough": False}

    def series(counts: tuple[int, ...]) -> Series:
        return Series(tuple(map(str, counts)), shown.at_now, shown.at_tried)

    return {
        "n": found.n,
        "enough": True,
        "lost": series(found.lost),
        "gained": series(found.gained),
    }


def _share(text: str) -> float:
    """A threshold of the scale as the address has it, "0.75"; raises :class:`Refusal`."""
    place = price.nearest(_number(text))
    if not abs(THRESHOLDS[place] - _number(text)) <= HAIR:  # not a number is not near either
        raise Refusal(_("Choose a threshold from 30 % to 99 %."))
    return THRESHOLDS[place]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refusal(_("Choose a threshold from 30 % to 99 %.")) from None

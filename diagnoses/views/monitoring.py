"""How a model version does with the clinics' cases. For admins; of one clinic, with its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.access import admin_required, person
from diagnoses.models import Alarm
from diagnoses.monitoring import alarms, drift, words
from diagnoses.monitoring.charts import Lines, lines, modality_bars, short, tier_bars
from diagnoses.monitoring.flow import Flow, flow
from diagnoses.monitoring.scope import PERIODS, Scope, clinics_of, scope_for
from diagnoses.monitoring.truth import MOST, Agreement, Truth, rights
from diagnoses.numbers import ENOUGH
from mlservice import numbers, registry
from mlservice.deciding import may_decide
from mlservice.measured import OF_GROUP, Figure, figures, groups
from mlservice.models import ModelVersion
from mlservice.packs import Pack
from mlservice.views.doors import decider_required

AGREEMENT: Final = {
    "blind": gettext_lazy("before they saw its view"),
    "signed": gettext_lazy("when they signed"),
}


@require_safe
@admin_required
def model_monitoring(request: HttpRequest, pk: int) -> HttpResponse:
    """How much it sees, how fast, how sure it is, and whether what it sees has changed."""
    scope, frame = _asked(request, pk, "model_monitoring")
    whole, days, failed = flow(scope)
    pack = numbers.pack_of(scope.version)
    manifest = registry.manifest(scope.version)
    context = {
        **frame,
        "alarms": list(alarms.open_alarms(scope.version, scope.clinic).select_related("case")),
        "decides": may_decide(person(request)),
        "whole": whole,
        "days": [(short(day.day), day) for day in days],
        "failures": failed,
        "tiers": tier_bars(days),
        "tier_names": words.tier_titles(),
        "modalities": words.modalities(pack, whole),
        "modality_bars": modality_bars(days),
        "modality_names": words.modality_titles(pack),
        "sure": lines(
            days,
            1.0,
            confidence=lambda day: day.confidence,
            no_disease=lambda day: day.no_disease_share,
        ),
        "waits": lines(days, wait=lambda day: day.wait, wait_long=lambda day: day.wait_long),
        "distances": _distances(days, manifest.ood_cut if manifest else None),
        "drift": drift.drift(scope),
    }
    return render(request, "models/monitoring.html", context)


@require_safe
@admin_required
def model_truth(request: HttpRequest, pk: int) -> HttpResponse:
    """How often doctors agree with it, and how right it was where the truth is known by now."""
    scope, frame = _asked(request, pk, "model_truth")
    pack = numbers.pack_of(scope.version)
    if pack is None:  # a pack that is gone: nobody can say what its labels were
        raise Http404
    found = rights(scope, pack)
    context = {
        **frame,
        "agreement": _agreement(found.agreement),
        "truths": [
            _truth("signed", _("Against what doctors signed"), found.signed, pack),
            _truth("histology", _("Against histology"), found.histology, pack),
        ],
        "cut_off": MOST if found.cut_off else 0,
        "group_columns": list(OF_GROUP.values()),
    }
    return render(request, "models/truth.html", context)


@require_POST
@decider_required
def alarm_seen(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A missed case has been looked at."""
    alarm = get_object_or_404(Alarm, pk=pk, kind=Alarm.Kind.MISSED)
    if alarms.seen(alarm, person(request)):
        messages.success(request, _("Noted: somebody has looked at this case."))
    return redirect("model_monitoring", pk=alarm.version_id)


def _asked(request: HttpRequest, pk: int, here: str) -> tuple[Scope, dict[str, Any]]:
    """What is asked for, and what both pages have: the version, the periods and the clinics."""
    version, clinics = get_object_or_404(ModelVersion, pk=pk), clinics_of(person(request))
    period, clinic = (request.GET.get(name, "") for name in ("period", "clinic"))
    scope = scope_for(person(request), version, period, clinic, clinics)
    if scope is None:
        raise Http404
    return scope, {
        "here": here,
        "version": version,
        "scope": scope,
        "periods": [(key, PERIODS[key][0], key == scope.period) for key in PERIODS],
        "clinics": clinics,
        "enough": ENOUGH,
    }


def _distances(days: Sequence[Flow], cut: float | None) -> Lines:
    return lines(days, limit=cut, distance=lambda day: day.distance)


def _agreement(found: Agreement) -> list[Figure]:
    """Each with its words, n and interval."""
    counts = {"blind": found.blind, "signed": found.signed}
    return [
        Figure(
            name,
            numbers.number({**found.shares, "n": counts[name]}, name, str(text)),
            counts[name],
        )
        for name, text in AGREEMENT.items()
    ]


def _truth(name: str, title: str, truth: Truth, pack: Pack) -> dict[str, Any]:
    """One truth's figures and its groups, kind by kind."""
    shown: dict[str, Any] = {"name": name, "title": title, "truth": truth}
    if truth.numbers is None:
        return shown
    kinds = []
    for kind in truth.numbers["subgroups"]:
        found = groups(truth.numbers, kind)
        rows = [(words.group_title(pack, kind, group.value), group) for group in found]
        kinds.append((kind, words.kind_title(pack, kind), rows))
    return shown | {"figures": figures(truth.numbers, pack), "kinds": kinds}

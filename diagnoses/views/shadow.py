"""What a candidate says in the shadow, beside the version that serves; for admins alone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.access import admin_required, person
from diagnoses import comparing
from diagnoses.numbers import ENOUGH
from mlservice import numbers, registry, reports
from mlservice.deciding import may_decide
from mlservice.models import ModelVersion, Shadow

RUNS = 10


@require_safe
@admin_required
def model_shadow(request: HttpRequest, pk: int) -> HttpResponse:
    """A run in numbers, then every difference, the most serious first."""
    version, user = get_object_or_404(ModelVersion, pk=pk), person(request)
    runs = list(version.shadows.select_related("started_by", "ended_by")[:RUNS])
    wanted = _number(request, "run")
    run = next((one for one in runs if one.pk == wanted), next(iter(runs), None))
    context: dict[str, object] = {
        "version": version,
        "run": run,
        "runs": runs if len(runs) > 1 else [],
        "decides": may_decide(user),
        "enough": ENOUGH,
    }
    if run is not None:
        context |= _of_run(request, version, run)
    audit.record("model.shadow_viewed", actor=user, about=registry.about(version))
    return render(request, "models/shadow.html", context)


def _of_run(request: HttpRequest, version: ModelVersion, run: Shadow) -> dict[str, object]:
    user, wanted = person(request), _number(request, "beside")
    stood = comparing.beside(run, user)
    chosen = next((one for one in stood if one.version.pk == wanted), next(iter(stood), None))
    found: dict[str, object] = {
        "stood": stood if len(stood) > 1 else [],
        "chosen": chosen,
        "queue": comparing.queue(run, user),
        "paused": run.ended_at is None and version.pack in registry.paused_packs(),
        "refusal": "" if run.ended_at else reports.refusal(version),
    }
    if chosen is None:
        return found
    pack = numbers.pack_of(version)
    rows = comparing.seen_by_both(run, chosen.version, user)
    page = comparing.differences(rows, pack, after=_number(request, "after"))
    more = f"run={run.pk}&beside={chosen.version.pk}&after={page.after}"
    return found | {
        "agreement": comparing.agreement(rows),
        "signed": comparing.signed(rows, chosen.version, version, pack),
        "page": page,
        "next_page": more if page.after else "",
        "order": [tier.value for tier in comparing.ORDER],
    }


def _number(request: HttpRequest, name: str) -> int | None:
    said = request.GET.get(name, "")
    return int(said) if said.isdecimal() and len(said) < len(str(2**63)) else None

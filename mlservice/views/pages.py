"""Model versions to look at: the list, one with its card and numbers, two side by side."""

from __future__ import annotations

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.access import admin_required, person
from mlservice import card, deciding, numbers, overview, plots, registry, shadowing
from mlservice.engine.bundle import Manifest, file_sha256
from mlservice.models import ModelVersion

# The plots that a training run draws, and what they show.
PLOTS: Final = {
    "reliability": _("Reliability: how often it is right, by how sure it is"),
    "roc": _("ROC: sensitivity against false alarms"),
    "risk": _("The risk of harmful and of benign pictures, and the cuts"),
    "recall": _("Recall of each class, with its interval"),
    "confusion": _("Confusion matrix"),
}
BESIDE: Final = ("reliability", "roc", "risk")  # what the page does not draw itself


@require_safe
@admin_required
def model_list(request: HttpRequest) -> HttpResponse:
    """Every pack, what serves it, and what may be done about that."""
    context = {
        "sections": overview.sections(),
        "checks": overview.checks(),
        "decides": deciding.may_decide(person(request)),
    }
    return render(request, "models/list.html", context)


@require_safe
@admin_required
def model_version(request: HttpRequest, pk: int) -> HttpResponse:
    """One version: its numbers, its card, its receipt."""
    version = get_object_or_404(ModelVersion.objects.select_related("registered_by"), pk=pk)
    manifest = registry.manifest(version)
    labels = manifest.labels if manifest else ()
    current = registry.active(version.pack)
    decides = deciding.may_decide(person(request))
    dots = plots.reliability(version.metrics)
    beside = BESIDE[1:] if dots else BESIDE
    context = {
        "version": version,
        "manifest": manifest,
        "whole": manifest is not None,
        "rows": numbers.rows(version),
        "classes": numbers.classes(version, labels),
        "confusion": numbers.confusion(version.metrics, labels),
        "labels": labels,
        "reliability": dots,
        "plots": [(name, PLOTS[name]) for name in beside if _has(manifest, name)],
        "card": _card(version, manifest),
        "gate": gate_shown(version, current),
        "current": current,
        "beside": _beside(version, current),
        "history": version.activations.select_related("by", "agreed_by", "replaced"),
        "past": version.overrides.exclude(outcome="").select_related("asked_by", "decided_by"),
        "decides": decides,
        "run": shadowing.latest(version),
        "may": decides and manifest is not None and current not in (None, version),
    }
    return render(request, "models/version.html", context)


@require_safe
@admin_required
def model_plot(_request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """A plot as the training run drew it, if it is the one that was registered."""
    version = get_object_or_404(ModelVersion, pk=pk)
    manifest = registry.manifest(version)
    if manifest is None or name not in PLOTS or not _has(manifest, name):
        raise Http404
    path = registry.bundle_folder(version) / f"{name}.png"
    try:
        if file_sha256(path) != manifest.sha256[path.name]:
            raise Http404
        content = path.read_bytes()
    except OSError:
        raise Http404 from None
    return HttpResponse(content, content_type="image/png")


@require_safe
@admin_required
def model_compare(request: HttpRequest) -> HttpResponse:
    """Two versions on the same frozen pictures; of others it says why not."""
    versions = list(ModelVersion.objects.all())
    one, other = (_asked(request, name, versions) for name in ("one", "other"))
    chosen = one or _first(versions)
    context: dict[str, object] = {
        "versions": versions,
        "one": one,
        "other": other,
        "chosen": chosen,
        "beside": other or (_beside(chosen, registry.active(chosen.pack)) if chosen else None),
    }
    if one is not None and one == other:
        context["same"] = True
    elif one is not None and other is not None:
        context["apart"] = deciding.not_comparable(one, other)
        if not context["apart"]:
            context["rows"] = numbers.side_by_side(one, other)
    return render(request, "models/compare.html", context)


def _asked(request: HttpRequest, name: str, versions: list[ModelVersion]) -> ModelVersion | None:
    wanted = request.GET.get(name, "")
    return next((version for version in versions if str(version.pk) == wanted), None)


def _first(versions: list[ModelVersion]) -> ModelVersion | None:
    """What is looked at where nobody has chosen: the newest that does not serve."""
    waiting = [one for one in versions if one.state != ModelVersion.State.ACTIVE]
    return next(iter(waiting or versions), None)


def _beside(version: ModelVersion, current: ModelVersion | None) -> ModelVersion | None:
    """What it is first compared with: the one in service, or for that one the newest other."""
    if current is not None and current != version:
        return current
    return ModelVersion.objects.filter(pack=version.pack).exclude(pk=version.pk).first()


def gate_shown(version: ModelVersion, current: ModelVersion | None) -> dict[str, object]:
    """The gate as its table shows it."""
    found = deciding.gate(version, current)
    return {
        "passed": found.passed,
        "apart": found.apart,
        "against": found.against,
        "conditions": numbers.conditions(found.lines, numbers.pack_of(version)),
    }


def _card(version: ModelVersion, manifest: Manifest | None) -> str:
    """The card, if it is the one that was registered."""
    if manifest is None:
        return ""
    path = registry.bundle_folder(version) / manifest.files.card
    try:
        if file_sha256(path) != manifest.sha256.get(manifest.files.card):
            return ""
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    drawn = {name for name in PLOTS if _has(manifest, name)}
    return card.as_html(
        text, lambda name: reverse("model_plot", args=[version.pk, name]) if name in drawn else ""
    )


def _has(manifest: Manifest | None, name: str) -> bool:
    return manifest is not None and f"{name}.png" in manifest.sha256

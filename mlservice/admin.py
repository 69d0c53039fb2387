"""Model versions, for admins: register a bundle, put it into service, change its threshold.

A version scores every clinic's cases, so only admins who look after all clinics decide here.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from accounts.access import person
from accounts.admin_base import ReadOnlyAdmin, answered
from mlservice import registry
from mlservice.engine import BundleError
from mlservice.models import ModelVersion


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=300, help_text="It is kept in the audit trail.")


class ThresholdForm(ReasonForm):
    threshold = forms.FloatField(
        min_value=0.01,
        max_value=0.99,
        help_text="Below this top confidence the answer is “no disease”, e.g. 0.80.",
    )
    field_order = ("threshold", "reason")


class BundleForm(forms.Form):
    """One of the folders that lie among the bundles."""

    folder = forms.ChoiceField(label="Bundle")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        manifests = sorted(registry.BUNDLES.glob("*/manifest.json"))
        names = [manifest.parent.name for manifest in manifests]
        self.fields["folder"] = forms.ChoiceField(
            label="Bundle", choices=[(name, name) for name in names]
        )


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """A registered bundle never changes; which one serves, and its threshold, do."""

    refusal = BundleError
    list_display = ("__str__", "state", "threshold", "price", "activated_at", "registered_at")
    list_filter = ("pack", "state")
    actions = ("activate", "change_threshold")
    fieldsets = (
        (None, {"fields": ("pack", "version", "state", "threshold", "price", "card")}),
        ("Cuts", {"fields": ("temperature", "r95", "r99")}),
        (
            "Receipt",
            {
                "fields": (
                    "folder", "weights_hash", "manifest_hash", "preprocess_hash",
                    "registered_at", "registered_by", "activated_at",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = ("price", "card")
    change_list_template = "mlservice/admin_versions.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.register_bundle)
        return [path("bundle/", view, name="mlservice_register"), *super().get_urls()]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request) and person(request).clinic_id is None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        decides = {"decides": self.has_decide_permission(request)}
        page: HttpResponse = super().changelist_view(request, (extra_context or {}) | decides)
        return page

    @admin.display(description="price of the rule")
    def price(self, version: ModelVersion) -> str:
        """How many harmful lesions of the frozen test set the plain rule would have missed."""
        missed = version.metrics.get("rule_no_disease_malignant")
        harmful = version.metrics.get("n_malignant")
        if missed is None or harmful is None:
            return "not measured"
        green = version.metrics.get("green_malignant", "?")
        return f"{missed} of {harmful} harmful called “no disease”; {green} of {harmful} end GREEN"

    @admin.display(description="model card")
    def card(self, version: ModelVersion) -> str:
        """The card as the training run wrote it; its pictures lie beside it in the bundle."""
        try:
            text = registry.verified(version).card_path.read_text(encoding="utf-8")
        except (BundleError, OSError) as error:
            return str(error)
        return format_html('<pre class="model-card">{}</pre>', text)

    def register_bundle(self, request: HttpRequest) -> HttpResponse:
        """Enter a bundle that lies among the shipped ones; it serves only once activated."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        form = BundleForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                version = registry.register(
                    registry.BUNDLES / form.cleaned_data["folder"], by=person(request)
                )
            except BundleError as error:
                form.add_error("folder", str(error))
            else:
                self.message_user(request, f"{version} is registered.", messages.SUCCESS)
                return redirect("admin:mlservice_modelversion_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Register a bundle",
            "form": form,
        }
        return TemplateResponse(request, "mlservice/admin_register.html", context)

    @admin.action(description="Put into service; the one before is retired", permissions=["decide"])
    def activate(self, request: HttpRequest, rows: QuerySet[ModelVersion]) -> HttpResponse | None:
        if rows.count() != 1:
            self.message_user(request, "Choose one version.", messages.ERROR)
            return None
        form = ReasonForm(request.POST if answered(request) else None)
        if not form.is_valid():
            title = "Put this version into service?"
            return self.ask(request, rows, form, title=title, button="Put into service")
        by, reason = person(request), form.cleaned_data["reason"]
        self.attempt(
            request, rows, lambda version: registry.activate(version, by, reason), "In service"
        )
        return None

    @admin.action(description="Change the threshold of the 80 % rule", permissions=["decide"])
    def change_threshold(
        self, request: HttpRequest, rows: QuerySet[ModelVersion]
    ) -> HttpResponse | None:
        form = ThresholdForm(request.POST if answered(request) else None)
        if not form.is_valid():
            title = "Change the threshold of these versions?"
            return self.ask(request, rows, form, title=title, button="Change the threshold")
        by, value, reason = (
            person(request),
            form.cleaned_data["threshold"],
            form.cleaned_data["reason"],
        )
        self.attempt(
            request,
            rows,
            lambda version: registry.set_threshold(version, value, by, reason),
            "Changed",
        )
        return None

"""Model versions among the raw tables, and the threshold of the 80 % rule.

What else is decided about versions has pages of its own (mlservice/views). A version scores every
clinic's cases, so only admins who look after all clinics decide here.
"""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from accounts.access import person
from accounts.admin_base import ReadOnlyAdmin, answered
from mlservice import registry
from mlservice.deciding import may_decide
from mlservice.engine import BundleError
from mlservice.models import Activation, BundleCheck, ModelVersion, Override, Pause, Shadow


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=300, help_text="It is kept in the audit trail.")


class ThresholdForm(ReasonForm):
    threshold = forms.FloatField(
        min_value=0.01,
        max_value=0.99,
        help_text="Below this top confidence the answer is “no disease”, e.g. 0.80.",
    )
    field_order = ("threshold", "reason")


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """A registered bundle never changes; which one serves, and its threshold, do."""

    refusal = BundleError
    list_display = ("__str__", "state", "threshold", "price", "activated_at", "registered_at")
    list_filter = ("pack", "state")
    actions = ("change_threshold",)
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

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return may_decide(person(request))

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


admin.site.register([Activation, Override, Pause, Shadow, BundleCheck], ReadOnlyAdmin)

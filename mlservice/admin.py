"""Model versions among the raw tables, to look at.

What is decided about them has pages of its own (mlservice/views).
"""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html

from accounts.admin_base import ReadOnlyAdmin
from mlservice import registry
from mlservice.engine import BundleError
from mlservice.models import (
    Activation,
    BundleCheck,
    ModelVersion,
    Override,
    Pause,
    Shadow,
    ThresholdChange,
)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """A registered bundle never changes; which one serves, and its threshold, do: elsewhere."""

    list_display = ("__str__", "state", "threshold", "price", "activated_at", "registered_at")
    list_filter = ("pack", "state")
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


admin.site.register(
    [Activation, Override, ThresholdChange, Pause, Shadow, BundleCheck], ReadOnlyAdmin
)

"""Cases for admins: how they travel, why one is stuck. To look at; one action, through workflow.

Photos, the patient's answers and what doctors wrote stay on the doctors' pages. The computer's
part is here, because admins answer for the model.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

import diagnoses.nudge_admin  # noqa: F401 - the page of the reminders, which registers itself
from accounts.access import person
from accounts.admin_base import ReadOnlyAdmin
from diagnoses import workflow
from diagnoses.models import Case, CaseEvent, Comparison, Prediction, Review, Scoring


class Late(admin.SimpleListFilter):
    """Where the notice about late cases leads an admin to."""

    title = "past their due time"
    parameter_name = "late"

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        model_admin: Any,  # noqa: ARG002 - Django's signature
    ) -> list[tuple[str, str]]:
        return [("yes", "Open and past their due time")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:  # noqa: ARG002 - Django's signature
        if self.value() != "yes":
            return queryset
        waiting = (Case.Status.REGISTERED, Case.Status.PARTIAL)
        return queryset.filter(status__in=waiting, answer_due_at__lt=Now())


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    refusal = workflow.WorkflowError
    clinic_path = "clinic"
    list_display = ("reference", "patient", "status", "tier", "answer_due_at", "submitted_at")
    list_filter = (Late, "status", "tier", "clinic")
    list_select_related = ("patient",)
    search_fields = ("patient__name", "patient__email", "id")
    ordering = ("-submitted_at",)
    show_full_result_count = False
    actions = ("requeue",)
    fields = (
        *("reference", "id", "patient", "clinic", "doctor", "invitation", "status", "tier"),
        *("submitted_at", "answer_due_at", "signed_at", "signed_by", "computer_check"),
    )

    @admin.action(description="Have the computer look again")
    def requeue(self, request: HttpRequest, rows: QuerySet[Case]) -> None:
        by = person(request)
        self.attempt(request, rows, lambda case: workflow.requeue(case, by), "Sent to the computer")


@admin.register(Scoring)
class ScoringAdmin(ReadOnlyAdmin):
    """The queue, row by row."""

    clinic_path = "case__clinic"
    list_display = (
        *("case", "model_version", "purpose", "round", "attempts"),
        *("run_after", "lease_until", "settled_at", "error"),
    )
    list_filter = (("settled_at", admin.EmptyFieldListFilter), "purpose", "model_version")
    list_select_related = ("case", "model_version")
    ordering = ("-pk",)
    show_full_result_count = False
    exclude = ("token",)


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    """What the computer said, with its receipt."""

    clinic_path = "case__clinic"
    list_display = (
        *("case", "scoring__purpose", "tier", "no_disease", "model_version", "created_at"),
    )
    list_filter = ("scoring__purpose", "tier", "no_disease", "modality", "model_version")
    list_select_related = ("case", "model_version", "scoring")
    ordering = ("-pk",)
    show_full_result_count = False
    exclude = ("embedding", "heat")


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    """What the active version and a candidate said of one case."""

    clinic_path = "case__clinic"
    list_display = ("case", "active", "active_tier", "run", "candidate_tier", "seriousness", "at")
    list_filter = ("seriousness", "active")
    list_select_related = ("case", "active", "run__version")
    ordering = ("-pk",)
    show_full_result_count = False


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """Who signed, and when."""

    clinic_path = "case__clinic"
    list_display = ("case", "doctor", "plan", "agrees", "signed_at", "effective_at")
    list_filter = ("plan", "agrees")
    list_select_related = ("case", "doctor")
    ordering = ("-pk",)
    show_full_result_count = False
    fields = ("case", "doctor", "plan", "agrees", "signed_at", "effective_at")


@admin.register(CaseEvent)
class CaseEventAdmin(ReadOnlyAdmin):
    clinic_path = "case__clinic"
    list_display = ("at", "case", "kind", "actor")
    list_filter = ("kind",)
    list_select_related = ("case", "actor")
    search_fields = ("case__id",)
    ordering = ("-pk",)
    show_full_result_count = False
    fields = ("at", "case", "kind", "actor")

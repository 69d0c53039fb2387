"""Reminders for admins: each row to look at, and how they fare on a page of counts."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts.access import person
from accounts.admin_base import ReadOnlyAdmin
from diagnoses.models import Nudge
from diagnoses.nudge_counts import ENOUGH, MONTHS, WIDTH, counts


@admin.register(Nudge)
class NudgeAdmin(ReadOnlyAdmin):
    """What is due, and what became of it. What people answered stays on the doctors' pages."""

    clinic_path = "clinic"
    list_display = ("kind", "patient", "state", "why", "due_at", "told_at", "acted_at")
    list_filter = ("kind", "state", "why", "clinic")
    list_select_related = ("patient",)
    search_fields = ("patient__name", "patient__email", "case__id")
    ordering = ("-due_at",)
    show_full_result_count = False
    exclude = ("reply", "review")
    change_list_template = "nudges/admin_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.counts)
        return [path("counts/", view, name="diagnoses_nudge_counts"), *super().get_urls()]

    def counts(self, request: HttpRequest) -> HttpResponse:
        """Per month and kind: due, told, opened, acted upon, held back, and how many said no."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "How reminders fare",
            "lines": counts(person(request)),
            "enough": ENOUGH,
            "months": MONTHS,
            "width": WIDTH,
        }
        return TemplateResponse(request, "nudges/admin_counts.html", context)

"""The people, their clinics and the audit trail, for admins."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts import people
from accounts.access import person
from accounts.admin_base import ReadOnlyAdmin, answered
from accounts.audit import record
from accounts.models import AuditEntry, Clinic, Role, SuspensionReason, User


class SuspendForm(forms.Form):
    reason = forms.ChoiceField(choices=SuspensionReason.choices)


@admin.register(User)
class PersonAdmin(ReadOnlyAdmin):
    """Who is here, and may they come in."""

    clinic_path = "clinic"
    refusal = people.PeopleError
    list_display = ("name", "email", "role", "clinic", "state", "date_joined")
    list_filter = ("role", "is_active", ("verified_at", admin.EmptyFieldListFilter), "clinic")
    search_fields = ("name", "email")
    ordering = ("name",)
    actions = ["verify", "suspend", "restore"]
    change_form_template = "accounts/admin_person.html"
    fields = (
        *("name", "email", "role", "clinic", "state", "verified_at", "verified_by"),
        *("date_joined", "last_login", "phone_numbers", "agreements", "trail"),
    )

    @admin.display(description="state")
    def state(self, user: User) -> str:
        if user.erased_at:
            return "Erased"
        if not user.is_active:
            return "Suspended"
        return "Not confirmed yet" if _waits(user) else "Active"

    @admin.display(description="phone numbers")
    def phone_numbers(self, user: User) -> SafeString:
        return _lines(
            (number, "messages" if number.reachable else "no messages")
            for number in user.numbers.all()
        )

    @admin.display(description="consents")
    def agreements(self, user: User) -> SafeString:
        return _lines(
            (consent, _span(consent.given_at, consent.withdrawn_at))
            for consent in user.consents.order_by("-given_at")
        )

    @admin.display(description="audit trail, latest first")
    def trail(self, user: User) -> SafeString:
        entries = AuditEntry.objects.filter(about=f"user:{user.pk}").select_related("actor")[:50]
        return _lines(
            (f"{_minute(entry.at)} {entry.action}", f"by {entry.actor or 'their phone'}")
            for entry in entries
        )

    @admin.action(description="Confirm as a doctor of the clinic")
    def verify(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        by = person(request)
        self.attempt(request, rows, lambda user: people.verify_doctor(user, by), "Confirmed")

    @admin.action(description="Suspend: end their sessions and keep them out")
    def suspend(self, request: HttpRequest, rows: QuerySet[User]) -> HttpResponse | None:
        form = SuspendForm(request.POST if answered(request) else None)
        if not form.is_valid():
            return self.ask(request, rows, form, title="Suspend these people?", button="Suspend")
        by, reason = person(request), form.cleaned_data["reason"]
        self.attempt(request, rows, lambda user: people.suspend(user, by, reason), "Suspended")
        return None

    @admin.action(description="Let them in again")
    def restore(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        by = person(request)
        self.attempt(request, rows, lambda user: people.restore(user, by), "May log in again")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        user: User | None = kwargs.get("obj")
        if user is not None:
            context["offers"] = _offers(user)
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page


@admin.register(Clinic)
class ClinicAdmin(ReadOnlyAdmin):
    """The one page here that edits: a clinic's own rules, each change in the audit trail."""

    clinic_path = "pk"
    list_display = ("name", "release_policy", "blind_reading")
    fields = (
        *("name", "release_policy", "blind_reading", "double_reading_percent"),
        *("red_answer_hours", "amber_answer_hours", "green_answer_hours"),
        *("time_zone", "sun_month", "full_report"),
    )

    def has_add_permission(self, request: HttpRequest, *_args: object) -> bool:
        return self.has_module_permission(request) and person(request).clinic_id is None

    def has_change_permission(self, request: HttpRequest, obj: Clinic | None = None) -> bool:  # type: ignore[override]  # this page has clinics only
        return self.has_view_permission(request, obj)

    def save_model(
        self,
        request: HttpRequest,
        obj: Clinic,
        form: forms.ModelForm[Clinic],
        change: bool,
    ) -> None:
        super().save_model(request, obj, form, change)
        record(
            "clinic.changed" if change else "clinic.added",
            actor=person(request),
            about=f"clinic:{obj.pk}",
            **{name: form.cleaned_data[name] for name in form.changed_data if name != "name"},
        )


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """Who did what to what. Admins of one clinic read what its people did."""

    clinic_path = "actor__clinic"
    list_display = ("at", "actor", "action", "about", "detail")
    list_filter = ("action",)
    search_fields = ("about", "action", "actor__email")
    list_select_related = ("actor",)
    show_full_result_count = False
    fields = ("at", "actor", "action", "about", "detail")


def _waits(user: User) -> bool:
    return user.role == Role.DOCTOR and user.verified_at is None


def _offers(user: User) -> list[tuple[str, str]]:
    """The actions that would change something for ``user``, with the words on their buttons."""
    if user.erased_at:
        return []
    offers = [("verify", "Confirm as a doctor")] if _waits(user) else []
    return [*offers, ("suspend", "Suspend") if user.is_active else ("restore", "Let in again")]


def _lines(pairs: Iterable[tuple[object, object]]) -> SafeString:
    return format_html_join("", "<div>{} – {}</div>", pairs)


def _minute(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


def _span(start: datetime, end: datetime | None) -> str:
    return f"given {_minute(start)}" + (f", withdrawn {_minute(end)}" if end else "")

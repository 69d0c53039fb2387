"""The people, their clinics and the audit trail as rows, to look at.

What can be done about them is on the pages under /manage/, each asked once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.admin_base import ReadOnlyAdmin
from accounts.models import AuditEntry, Clinic, Role, User


@admin.register(User)
class PersonAdmin(ReadOnlyAdmin):
    """Who is here, and may they come in."""

    clinic_path = "clinic"
    list_display = ("name", "email", "role", "clinic", "state", "date_joined")
    list_filter = ("role", "is_active", ("verified_at", admin.EmptyFieldListFilter), "clinic")
    search_fields = ("name", "email")
    ordering = ("name",)
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
        return "Not verified yet" if _waits(user) else "Active"

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


@admin.register(Clinic)
class ClinicAdmin(ReadOnlyAdmin):
    """How each works."""

    clinic_path = "pk"
    list_display = ("name", "release_policy", "blind_reading")


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


def _lines(pairs: Iterable[tuple[object, object]]) -> SafeString:
    return format_html_join("", "<div>{} – {}</div>", pairs)


def _minute(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


def _span(start: datetime, end: datetime | None) -> str:
    return f"given {_minute(start)}" + (f", withdrawn {_minute(end)}" if end else "")

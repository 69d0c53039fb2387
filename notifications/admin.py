"""The ledger and the invitations as rows, to look at; sending again is an action."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.access import person
from accounts.admin_base import ReadOnlyAdmin, answered
from notifications import again
from notifications.models import Channel, Inbound, Invitation, Message


class Attention(admin.SimpleListFilter):
    """What a person has to look at, first."""

    title = "needs someone"
    parameter_name = "needs"
    # A code that did not arrive is asked for again by the one who waits for it.
    NEEDS = Q(state__in=(Message.State.FAILED, Message.State.UNKNOWN), code=None) | Q(
        channel=Channel.STAFF, state=Message.State.PENDING
    )

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        model_admin: Any,  # noqa: ARG002 - Django's signature
    ) -> list[tuple[str, str]]:
        return [("yes", "Failed, in doubt, or to be told by hand")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        return queryset.filter(self.NEEDS) if self.value() == "yes" else queryset


class ResendForm(forms.Form):
    """Asks before a message in doubt is sent again."""

    sure = forms.BooleanField(
        label="Send again, though some may have arrived",
        help_text="For messages in doubt nobody knows yet. The person may get it twice.",
    )


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    refusal = again.NotAgain
    clinic_path = "recipient__clinic"
    list_display = ("event", "recipient", "channel", "state", "why", "created_at", "sent_at")
    list_filter = (Attention, "state", "event", "channel")
    search_fields = ("about", "recipient__name", "recipient__email", "address__exact", "error_code")
    list_select_related = ("recipient",)
    date_hierarchy = "created_at"
    exclude = ("token", "lease_until", "link", "code", "words")
    actions = ("send_again", "told_by_hand")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """A clinic's admin sees what was said to its people and to those it invited."""
        rows = Message.objects.order_by("-created_at")
        clinic = getattr(request.user, "clinic_id", None)
        if not clinic:
            return rows
        return rows.filter(Q(recipient__clinic=clinic) | Q(invitation__clinic=clinic))

    @admin.display(description="reason")
    def why(self, message: Message) -> str:
        return " ".join(part for part in (message.error_code, message.error) if part)

    @admin.action(description="Send again")
    def send_again(self, request: HttpRequest, rows: QuerySet[Message]) -> HttpResponse | None:
        form = ResendForm(request.POST if answered(request) else None)
        if rows.filter(state=Message.State.UNKNOWN).exists() and not form.is_valid():
            title = "Some of these are in doubt"
            return self.ask(request, rows, form, title=title, button="Send again")
        by = person(request)
        self.attempt(request, rows, lambda row: again.resend(row, by), "Sent again")
        return None

    @admin.action(description="I have told them myself")
    def told_by_hand(self, request: HttpRequest, rows: QuerySet[Message]) -> None:
        by = person(request)
        self.attempt(request, rows, lambda row: again.done_by_hand(row, by), "Told by hand")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Made, sent again and taken back on the pages under /manage/."""

    clinic_path = "clinic"
    list_display = (
        "name",
        "role",
        "clinic",
        "invited_by",
        "created_at",
        "accepted_by",
        "revoked_at",
    )
    list_filter = ("role", "clinic")
    search_fields = ("name", "e164__exact", "email")
    exclude = ("token", "token_sha256")
    change_list_template = "notifications/admin_invitations.html"


@admin.register(Inbound)
class InboundAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "word", "number")
    list_filter: ClassVar = ["word"]
    exclude = ("e164",)

    @admin.display(description="from")
    def number(self, row: Inbound) -> str:
        return f"{row.e164[:4]}…{row.e164[-2:]}"

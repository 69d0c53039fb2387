"""The ledger and the invitations, to look at; resending and inviting are actions."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts.access import person
from accounts.admin_base import ReadOnlyAdmin, answered
from accounts.forms import PhoneField
from accounts.models import Clinic, Role
from notifications import again, invitations
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
    search_fields = ("about", "recipient__name", "recipient__email", "address", "error_code")
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


class InviteForm(forms.Form):
    """Whom to invite, and where to."""

    name = forms.CharField(max_length=120)
    clinic = forms.ModelChoiceField(Clinic.objects.none(), empty_label=None)
    number = PhoneField(label="WhatsApp number", max_length=40, required=False)
    email = forms.EmailField(
        label="E-mail address", required=False, help_text="Used if there is no number, or it fails."
    )

    def __init__(self, clinics: QuerySet[Clinic], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["clinic"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = clinics

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and not (data.get("number") or data.get("email")):
            raise forms.ValidationError("Give a number or an e-mail address.")
        return data


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    refusal = invitations.InvitationError
    clinic_path = "clinic"
    list_display = ("name", "clinic", "invited_by", "created_at", "accepted_by", "revoked_at")
    list_filter = ("clinic",)
    search_fields = ("name", "e164", "email")
    exclude = ("token", "token_sha256")
    actions = ("revoke",)
    change_list_template = "notifications/admin_invitations.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.invite)
        invite = path("invite/", view, name="notifications_invitation_invite")
        return [invite, *super().get_urls()]

    def invite(self, request: HttpRequest) -> HttpResponse:
        by = person(request)
        clinics = Clinic.objects.filter(pk=by.clinic_id) if by.clinic_id else Clinic.objects.all()
        form = InviteForm(clinics, request.POST or None)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            invitations.invite(
                name=data["name"],
                clinic=data["clinic"],
                invited_by=by,
                e164=data["number"],
                email=data["email"],
                role=Role.DOCTOR,
            )
            self.message_user(request, f"{data['name']} is invited.", messages.SUCCESS)
            return redirect("admin:notifications_invitation_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Invite a doctor",
            "form": form,
        }
        return TemplateResponse(request, "notifications/admin_invite.html", context)

    @admin.action(description="Take back")
    def revoke(self, request: HttpRequest, rows: QuerySet[Invitation]) -> None:
        by = person(request)
        self.attempt(request, rows, lambda row: invitations.revoke(row, by), "Taken back")


@admin.register(Inbound)
class InboundAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "word", "number")
    list_filter: ClassVar = ["word"]
    exclude = ("e164",)

    @admin.display(description="from")
    def number(self, row: Inbound) -> str:
        return f"{row.e164[:4]}…{row.e164[-2:]}"

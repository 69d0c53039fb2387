"""What every admin page of ours is: to look at. Changes are actions, and go through the rooms.

``class CaseAdmin(ReadOnlyAdmin): clinic_path = "clinic"`` shows an admin of one clinic that
clinic's cases, and an admin of none all of them. An action that needs an answer first (a reason,
a clinic) asks for it with ``ask``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.models import User

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin  # Django's class takes no parameter when it runs


class ReadOnlyAdmin(ModelAdmin):
    """Look, don't touch."""

    # The look-up from the model to its clinic. Empty: nothing of one clinic's, all admins see it.
    clinic_path: ClassVar[str] = ""
    # What the room's functions raise when something may not be done; its text is for the admin.
    refusal: ClassVar[type[Exception]] = PermissionDenied

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        clinic = getattr(request.user, "clinic_id", None)
        return rows.filter(**{self.clinic_path: clinic}) if self.clinic_path and clinic else rows

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Without the choice of clinics for an admin of one: it would list the others."""
        bound = getattr(request.user, "clinic_id", None) is not None
        filters = super().get_list_filter(request)
        return [entry for entry in filters if not (bound and entry == self.clinic_path)]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_admin(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - get_queryset has left out what is not theirs
        return _is_admin(request)

    def has_add_permission(self, request: HttpRequest, *_args: object) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def attempt(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        change: Callable[[Any], object],
        done: str,
    ) -> None:
        """Do ``change`` to each row; say how many went through (``done``) and why others did not.

        Each row is its own transaction: one that is refused takes no other with it.
        """
        changed = 0
        for row in rows:
            try:
                change(row)
            except self.refusal as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                changed += 1
        if changed:
            self.message_user(request, f"{done}: {changed}", messages.SUCCESS)

    def ask(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        form: forms.Form,
        *,
        title: str,
        button: str,
    ) -> HttpResponse:
        """The page between choosing an action and doing it; it posts to the same action again."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "button": button,
            "form": form,
            "rows": rows,
            "action": request.POST["action"],
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "accounts/admin_ask.html", context)


def answered(request: HttpRequest) -> bool:
    """Whether this is ``ask``'s page coming back."""
    return "answered" in request.POST


def _is_admin(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_admin

"""Django's admin behind the one login that everyone uses, showing only pages that look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.admin_base import ReadOnlyAdmin
from accounts.models import User

LIBRARIES = ("django.", "allauth.", "knox.")


class Site(AdminSite):
    """For admins; for everyone else logged in it does not exist."""

    site_header = "Lentigo"
    site_title = "Lentigo admin"
    index_title = "People, models, messages"
    site_url = "/manage/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and request.user.is_admin and request.user.is_staff

    def login(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 - Django's signature
    ) -> HttpResponse:
        """No second door: the portal's own login, and 404 for someone without business here."""
        if request.user.is_authenticated:
            raise Http404
        return redirect_to_login(request.GET.get("next", request.get_full_path()))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def hidden(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if request.user.is_authenticated and not self.has_permission(request):
                raise Http404
            response: HttpResponse = guarded(request, *args, **kwargs)
            return response

        return hidden

    def password_change(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """The portal's own page, which knows the audit trail."""
        return redirect("account_change_password")

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Only pages that are read-only unless they say otherwise.

        The pages libraries bring would let a superuser edit tokens, groups and addresses past
        the audit trail; they are left out.
        """
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        ours = [model for model in models if not model.__module__.startswith(LIBRARIES)]
        if not ours:
            return
        if admin_class is None or not issubclass(admin_class, ReadOnlyAdmin):
            raise TypeError(f"Base the page of {ours} on accounts.admin_base.ReadOnlyAdmin.")
        super().register(ours, admin_class, **options)

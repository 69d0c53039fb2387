from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        from accounts import checks, receivers  # needs the models

        checks.add()
        receivers.connect()


class AdminConfig(DjangoAdminConfig):
    """Django's admin, behind our login and read-only by default."""

    default_site = "accounts.admin_site.Site"

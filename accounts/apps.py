from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        from accounts import checks, factor_keys, receivers, resealing, sealed  # noqa: F401 - the checks are known once imported

        receivers.connect()
        resealing.also("second factors", factor_keys.reseal)
        if settings.DATA_KEYS:  # a process with half a key would lose what it seals
            sealed.data_keys()


class AdminConfig(DjangoAdminConfig):
    """Django's admin, behind our login and read-only by default."""

    default_site = "accounts.admin_site.Site"

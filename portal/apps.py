from __future__ import annotations

from django.apps import AppConfig
from django.forms import Field
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        # Django's own sentence speaks of fields, a word of programmers. It has no setting.
        Field.default_error_messages["required"] = _("This is needed.")

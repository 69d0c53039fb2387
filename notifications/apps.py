from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Messages"

    def ready(self) -> None:
        """A setting nobody can read ends the start, not the first message at night."""
        from notifications import quiet

        quiet.night(settings.QUIET_HOURS)

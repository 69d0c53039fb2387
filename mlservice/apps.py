from __future__ import annotations

from django.apps import AppConfig


class MlserviceConfig(AppConfig):
    name = "mlservice"
    verbose_name = "Models"

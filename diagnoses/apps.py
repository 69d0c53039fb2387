from __future__ import annotations

from django.apps import AppConfig


class DiagnosesConfig(AppConfig):
    name = "diagnoses"
    verbose_name = "Cases"

    def ready(self) -> None:
        from accounts import resealing
        from diagnoses import rekeying

        resealing.also("keys of files", rekeying.rewrap)

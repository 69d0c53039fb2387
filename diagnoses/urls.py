"""Where cases answer: the patient's pages, the doctor's pages, the pictures."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []

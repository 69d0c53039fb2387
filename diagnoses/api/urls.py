"""Where the API answers, under ``/api/v1/``."""

from __future__ import annotations

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from diagnoses.api.tokens import TokenView
from diagnoses.api.views import CasesView, CaseView, NowhereView, PhotoView

urlpatterns = [
    path("auth/token/", TokenView.as_view(), name="api-token"),
    path("cases", CasesView.as_view(), name="api-cases"),
    path("cases/<uuid:pk>", CaseView.as_view(), name="api-case"),
    path("cases/<uuid:pk>/photos/<uuid:photo>", PhotoView.as_view(), name="api-photo"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    re_path("", NowhereView.as_view(), name="api-nowhere"),
]

"""Where the API answers, under ``/api/v1/``."""

from __future__ import annotations

from csp.decorators import csp_update
from django.urls import path, re_path
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from diagnoses.api.people import PeopleView
from diagnoses.api.talk import NewPhotoView, TalkView
from diagnoses.api.tokens import TokenView
from diagnoses.api.views import CasesView, CaseView, HeatmapView, NowhereView, PhotoView

# Swagger UI draws its icons from data: addresses; its scripts and styles keep to the common policy.
# Only to be read: the library has no template for a refusal and would break over one.
docs = csp_update({"img-src": ["data:"]})(
    require_safe(
        SpectacularSwaggerSplitView.as_view(url_name="api-schema", template_name="api/docs.html")
    )
)

urlpatterns = [
    path("auth/token/", TokenView.as_view(), name="api-token"),
    path("cases", CasesView.as_view(), name="api-cases"),
    path("cases/<uuid:pk>", CaseView.as_view(), name="api-case"),
    path("cases/<uuid:pk>/photos/<uuid:photo>", PhotoView.as_view(), name="api-photo"),
    path("cases/<uuid:pk>/photos/<uuid:photo>/heatmap", HeatmapView.as_view(), name="api-heatmap"),
    path("cases/<uuid:pk>/messages/", TalkView.as_view(), name="api-messages"),
    path("cases/<uuid:pk>/photos/", NewPhotoView.as_view(), name="api-new-photo"),
    path("people", PeopleView.as_view(), name="api-people"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", docs, name="api-docs"),
    re_path("", NowhereView.as_view(), name="api-nowhere"),
]

"""Where the API answers, under ``/api/v1/``."""

from __future__ import annotations

from csp.decorators import csp_update
from django.urls import path, re_path, register_converter
from django.urls.converters import IntConverter
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from diagnoses.api.account import AccountView, ConsentView, ExportView, NoticesView
from diagnoses.api.archive import ArchiveView, ImportView
from diagnoses.api.doctor import ClaimView, OwnReadingView, ReviewsView, ReviewView, WorklistView
from diagnoses.api.moves import NewsView, ReportView, WithdrawView
from diagnoses.api.people import PeopleView
from diagnoses.api.talk import NewPhotoView, TalkView
from diagnoses.api.tokens import TokenView
from diagnoses.api.views import CasesView, CaseView, HeatmapView, NowhereView, PhotoView
from diagnoses.api.vocabulary import PacksView


class Id(IntConverter):
    """A row's number; one that no column holds is no address."""

    regex = "[1-9][0-9]{0,17}"


register_converter(Id, "id")

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
    path("cases/import/", ImportView.as_view(), name="api-import"),
    path("cases/<uuid:pk>", CaseView.as_view(), name="api-case"),
    path("cases/<uuid:pk>/photos/<uuid:photo>", PhotoView.as_view(), name="api-photo"),
    path("cases/<uuid:pk>/photos/<uuid:photo>/heatmap", HeatmapView.as_view(), name="api-heatmap"),
    path("cases/<uuid:pk>/messages/", TalkView.as_view(), name="api-messages"),
    path("cases/<uuid:pk>/photos/", NewPhotoView.as_view(), name="api-new-photo"),
    path("cases/<uuid:pk>/news/", NewsView.as_view(), name="api-news"),
    path("cases/<uuid:pk>/withdraw/", WithdrawView.as_view(), name="api-withdraw"),
    path("cases/<uuid:pk>/report", ReportView.as_view(), name="api-report"),
    path("cases/<uuid:pk>/archive", ArchiveView.as_view(), name="api-archive"),
    path("cases/<uuid:pk>/claim", ClaimView.as_view(), name="api-claim"),
    path("cases/<uuid:pk>/reading/", OwnReadingView.as_view(), name="api-reading"),
    path("cases/<uuid:pk>/reviews/", ReviewsView.as_view(), name="api-reviews"),
    path("cases/<uuid:pk>/reviews/<id:review>", ReviewView.as_view(), name="api-review"),
    path("worklist", WorklistView.as_view(), name="api-worklist"),
    path("packs", PacksView.as_view(), name="api-packs"),
    path("account", AccountView.as_view(), name="api-account"),
    path("account/consents/<str:kind>", ConsentView.as_view(), name="api-consent"),
    path("account/messages", NoticesView.as_view(), name="api-notices"),
    path("account/export/", ExportView.as_view(), name="api-export"),
    path("people", PeopleView.as_view(), name="api-people"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", docs, name="api-docs"),
    re_path("", NowhereView.as_view(), name="api-nowhere"),
]

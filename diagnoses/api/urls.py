"""Where the API answers, under ``/api/v1/``."""

from __future__ import annotations

from csp.decorators import csp_update
from django.urls import path, re_path, register_converter
from django.urls.converters import IntConverter
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from diagnoses.api.account import AccountView, ConsentView, ExportView, NoticesView
from diagnoses.api.afterwards import LettersView, LetterView, OutcomesView
from diagnoses.api.archive import ArchiveView, ImportView
from diagnoses.api.colleagues import (
    AskedView,
    ColleaguesView,
    OpinionsView,
    OpinionView,
)
from diagnoses.api.doctor import ClaimView, OwnReadingView, ReviewsView, ReviewView, WorklistView
from diagnoses.api.lesions import LesionNameView, LesionsView, LesionView
from diagnoses.api.moves import NewsView, ReportView, WithdrawView
from diagnoses.api.nudges import (
    ReminderKindsView,
    ReminderKindView,
    RemindersView,
    ReminderView,
    VisitView,
)
from diagnoses.api.numbers import (
    NumberCodeView,
    NumberConfirmView,
    NumberMessagesView,
    NumbersView,
    NumberView,
)
from diagnoses.api.people import PeopleView, PersonConsentView, PersonExportView, PersonView
from diagnoses.api.shares import SharesView, ShareView
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
    path("cases/<uuid:pk>/opinions/", OpinionsView.as_view(), name="api-opinions"),
    path("cases/<uuid:pk>/shares", SharesView.as_view(), name="api-shares"),
    path("cases/<uuid:pk>/shares/<uuid:share>", ShareView.as_view(), name="api-share"),
    path("cases/<uuid:pk>/outcomes/", OutcomesView.as_view(), name="api-outcomes"),
    path("cases/<uuid:pk>/letters/", LettersView.as_view(), name="api-letters"),
    path("letters/<uuid:letter>", LetterView.as_view(), name="api-letter"),
    path("colleagues", ColleaguesView.as_view(), name="api-colleagues"),
    path("opinions", AskedView.as_view(), name="api-asked"),
    path("opinions/<uuid:opinion>", OpinionView.as_view(), name="api-opinion"),
    path("worklist", WorklistView.as_view(), name="api-worklist"),
    path("packs", PacksView.as_view(), name="api-packs"),
    path("account", AccountView.as_view(), name="api-account"),
    path("account/consents/<str:kind>", ConsentView.as_view(), name="api-consent"),
    path("account/messages", NoticesView.as_view(), name="api-notices"),
    path("account/export/", ExportView.as_view(), name="api-export"),
    path("account/numbers", NumbersView.as_view(), name="api-numbers"),
    path("account/numbers/<id:number>", NumberView.as_view(), name="api-number"),
    path(
        "account/numbers/<id:number>/messages",
        NumberMessagesView.as_view(),
        name="api-number-messages",
    ),
    path("account/numbers/<id:number>/code/", NumberCodeView.as_view(), name="api-number-code"),
    path(
        "account/numbers/<id:number>/confirmation",
        NumberConfirmView.as_view(),
        name="api-number-confirm",
    ),
    path("account/reminders", ReminderKindsView.as_view(), name="api-reminder-kinds"),
    path("account/reminders/<str:kind>", ReminderKindView.as_view(), name="api-reminder-kind"),
    path("reminders", RemindersView.as_view(), name="api-reminders"),
    path("reminders/<uuid:reminder>", ReminderView.as_view(), name="api-reminder"),
    path("reminders/<uuid:reminder>/answer", VisitView.as_view(), name="api-visit"),
    path("lesions", LesionsView.as_view(), name="api-lesions"),
    path("lesions/<uuid:lesion>", LesionView.as_view(), name="api-lesion"),
    path("lesions/<uuid:lesion>/name", LesionNameView.as_view(), name="api-lesion-name"),
    path("people", PeopleView.as_view(), name="api-people"),
    path("people/<id:person>", PersonView.as_view(), name="api-person"),
    path(
        "people/<id:person>/consents/<str:kind>",
        PersonConsentView.as_view(),
        name="api-person-consent",
    ),
    path("people/<id:person>/export/", PersonExportView.as_view(), name="api-person-export"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", docs, name="api-docs"),
    re_path("", NowhereView.as_view(), name="api-nowhere"),
]

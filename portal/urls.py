"""Where everything answers."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from portal import health, overview, reporting, trail, views
from portal.operations import metrics, pages

urlpatterns = [
    path("", views.home, name="home"),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    # As they were first called.
    path("healthz", health.live, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("operations/", pages.operations, name="operations"),
    path("operations/jobs/", pages.job, name="operation_job"),
    path(".well-known/security.txt", reporting.security_txt, name="security_txt"),
    path("manifest.webmanifest", views.manifest, name="manifest"),
    path("manage/", overview.overview, name="manage"),
    path("manage/trail/", trail.trail, name="manage_trail"),
    path("styleguide/", views.styleguide, name="styleguide"),
    path("styleguide/photo/<int:number>/", views.sample_photo, name="sample_photo"),
    path("accounts/", include("allauth.urls")),
    path("", include("accounts.urls")),
    path("", include("notifications.urls")),
    path("", include("mlservice.urls")),
    path("", include("diagnoses.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.permission_denied"
handler404 = "portal.views.page_not_found"
handler500 = "portal.views.server_error"

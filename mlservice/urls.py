"""Where the pages of model versions answer."""

from __future__ import annotations

from django.urls import path

from mlservice.views import decide, pages, register, shadow, threshold

urlpatterns = [
    path("models/", pages.model_list, name="models"),
    path("models/compare/", pages.model_compare, name="model_compare"),
    path("models/register/", register.model_register, name="model_register"),
    path("models/checks/<int:pk>/", register.model_check, name="model_check"),
    path("models/asked/<int:pk>/", decide.model_override, name="model_override"),
    path("models/thresholds/<int:pk>/", threshold.model_threshold, name="model_threshold"),
    path("models/packs/<slug:pack>/pause/", decide.pack_pause, name="pack_pause"),
    path("models/packs/<slug:pack>/resume/", decide.pack_resume, name="pack_resume"),
    path("models/<int:pk>/", pages.model_version, name="model_version"),
    path("models/<int:pk>/plots/<slug:name>.png", pages.model_plot, name="model_plot"),
    path("models/<int:pk>/activate/", decide.model_activate, name="model_activate"),
    path("models/<int:pk>/back/", decide.model_back, name="model_back"),
    path("models/<int:pk>/shadow/start/", shadow.shadow_start, name="shadow_start"),
    path("models/<int:pk>/shadow/stop/", shadow.shadow_stop, name="shadow_stop"),
]

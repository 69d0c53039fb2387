"""Where FHIR answers, under ``/api/fhir/``."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from diagnoses.fhir.read import ALL_VIEWS, BundleView, MetadataView, NowhereView

# Whose id is one; the others' begins with their case's, or is a hash.
UUIDS = frozenset({"Patient", "ServiceRequest", "DiagnosticReport", "Media", "BodyStructure"})


def _of(name: str) -> list[URLPattern]:
    one, some = ALL_VIEWS[name]
    key = "<uuid:key>" if name in UUIDS else "<str:key>"
    return [
        path(name, some, name=f"api-fhir-{name.lower()}-list"),
        path(f"{name}/{key}", one, name=f"api-fhir-{name.lower()}"),
    ]


urlpatterns = [
    path("metadata", MetadataView.as_view(), name="api-fhir-metadata"),
    path("Bundle/<uuid:key>", BundleView.as_view(), name="api-fhir-bundle"),
    *(pattern for name in ALL_VIEWS for pattern in _of(name)),
    re_path("", NowhereView.as_view(), name="api-fhir-nowhere"),
]

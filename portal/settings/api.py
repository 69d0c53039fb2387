"""The API, and the document that describes it."""

from __future__ import annotations

from datetime import timedelta

from portal.settings.environment import BEHIND_PROXY, env

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "diagnoses.api.authentication.ByToken",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["diagnoses.api.scopes.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["diagnoses.api.rates.PostRate"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "diagnoses.api.document.Document",
    "EXCEPTION_HANDLER": "diagnoses.api.problems.problem_response",
    "NUM_PROXIES": int(BEHIND_PROXY),
    "DEFAULT_THROTTLE_RATES": {"login": "10/min", "submit": "120/min", "talk": "60/min"},
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Requests a minute that one token may make.
API_RATE = env.int("API_RATE", default=600)
KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105 - a table, no token
REST_KNOX = {"TOKEN_TTL": timedelta(days=30), "TOKEN_LIMIT_PER_USER": 20}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lentigo",
    "DESCRIPTION": "Submit a photo of a skin lesion, follow its case, read the signed answer.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    # A photo is a file when it is sent, and an address when it is told.
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "diagnoses.api.document.any_of",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ConsentKind": "accounts.models.Consent.Kind",
        "RemarkKind": "diagnoses.models.Remark.Kind",
        "Relation": "accounts.models.Relation",
        "WhyAsked": "diagnoses.models.SecondReading.Why",
        "WhyEnded": "diagnoses.models.CaseShare.Why",
        "QuestionKind": ["choice", "choices", "text"],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "defaultModelsExpandDepth": 0},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

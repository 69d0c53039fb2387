"""Every refusal as an OperationOutcome: the standard's code, our own code, a sentence."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from rest_framework.response import Response

from diagnoses.api.problems import problem_response
from diagnoses.fhir.library import checked

MEDIA_TYPE: Final = "application/fhir+json"
# The standard's issue types, by HTTP's status.
ISSUES: Final = {
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.UNAUTHORIZED: "login",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "not-supported",
    HTTPStatus.NOT_ACCEPTABLE: "not-supported",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
}


def outcome_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """As the API answers the same refusal, in FHIR's form; statuses and headers are the same."""
    response = problem_response(error, context)
    if response is None:
        return None
    problem = response.data
    issue = {
        "severity": "error",
        "code": ISSUES.get(HTTPStatus(response.status_code), "processing"),
        "details": {"coding": [{"code": problem["code"]}], "text": problem["detail"]},
    }
    response.data = checked({"resourceType": "OperationOutcome", "issue": [issue]})
    response.content_type = MEDIA_TYPE
    return response

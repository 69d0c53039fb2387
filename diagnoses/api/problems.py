"""Every refusal of the API as ``application/problem+json`` (RFC 9457).

``code`` is for programs and stays the same; ``detail`` is a sentence for people. ``type`` is
``about:blank``, so ``title`` is HTTP's own name for the status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import Http404, HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import (
    APIException,
    NotFound,
    ParseError,
    Throttled,
    ValidationError,
)
from rest_framework.exceptions import PermissionDenied as NotAllowed
from rest_framework.response import Response

from diagnoses.intake import AGAIN
from diagnoses.states import Moved, WorkflowError

API = "/api/"  # whoever asks below it is a program, and is refused as one
NOTHING_HERE = "There is nothing here that is yours to see."
MEDIA_TYPE = "application/problem+json"
KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Chosen by you, one for each: the same request can then be sent again safely.",
)


class Refused(APIException):
    """A refusal with a code of its own; ``extra`` members go beside it.

    ``wait`` is after how many seconds it may be tried again, where that is known.
    """

    wait: int | None = None

    def __init__(self, status: HTTPStatus, code: str, sentence: str, **extra: Any) -> None:
        super().__init__(sentence, code)
        self.status_code = int(status)
        self.extra = extra


def photo_away() -> Refused:
    """The storage gives no photo at this moment; of the photo that says nothing."""
    away = "The photo cannot be fetched at this moment. Ask for it again."
    refused = Refused(HTTPStatus.SERVICE_UNAVAILABLE, "photo_away", away)
    refused.wait = AGAIN
    return refused


def forbidden(code: str, sentence: str) -> Refused:
    return Refused(HTTPStatus.FORBIDDEN, code, sentence)


def unprocessable(code: str, sentence: str, **extra: Any) -> Refused:
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, code, sentence, **extra)


def wrong_together(errors: Mapping[str, Sequence[Any]]) -> Refused:
    """Each field may be what it is, but not together, or not of this case."""
    told = {name: [str(one) for one in sentences] for name, sentences in errors.items()}
    return unprocessable("refused", next(iter(told.values()))[0], errors=told)


def valid(sent: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    """What was sent, by field; raises ``ValidationError`` where one is not what it may be."""
    sent.is_valid(raise_exception=True)
    return dict(sent.validated_data)


def must_fit(form: BaseForm) -> None:
    """Raises :func:`wrong_together` with what the form says."""
    if not form.is_valid():
        raise wrong_together(dict(form.errors))


def refused(
    refusal: WorkflowError, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY
) -> Refused:
    """Somebody was first, and the case has moved on: 409. Anything else is in the request: 422."""
    if isinstance(refusal, Moved):
        return Refused(HTTPStatus.CONFLICT, "moved", refusal.sentence)
    return Refused(status, "refused", refusal.sentence)


class ProblemSerializer(serializers.Serializer[dict[str, Any]]):
    """What every refusal looks like."""

    type = serializers.CharField(help_text="Always about:blank.")
    title = serializers.CharField(help_text="HTTP's name for the status.")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="For programs; stays the same.")
    detail = serializers.CharField(help_text="A sentence for people.")
    errors = serializers.DictField(  # type: ignore[assignment]  # RFC 9457's usual name; the serializer's own .errors is not used
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="By field, where fields are at fault.",
    )


def problems(*statuses: int) -> dict[Any, Any]:
    """For the document: these statuses are refusals."""
    return {(status, MEDIA_TYPE): ProblemSerializer for status in statuses}


def plain_problem(status: HTTPStatus, code: str, sentence: str) -> HttpResponse:
    """A refusal from where no view of the API was reached, or one broke."""
    return JsonResponse(problem(status, code, sentence), status=status, content_type=MEDIA_TYPE)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's ``EXCEPTION_HANDLER``: its own statuses and headers, our body."""
    from rest_framework.views import exception_handler  # which loads this module

    error = _as_api_exception(error)
    response = exception_handler(error, context)
    if response is None or not isinstance(error, APIException):
        return None
    status = HTTPStatus(response.status_code)
    response.data = problem(status, "", "") | _what_is_wrong(error)
    response.content_type = MEDIA_TYPE
    return response


def problem(status: HTTPStatus, code: str, detail: str) -> dict[str, Any]:
    """The body of a refusal."""
    named = {"type": "about:blank", "title": status.phrase, "status": status.value}
    return named | {"code": code, "detail": detail}


def _as_api_exception(error: Exception) -> Exception:
    if isinstance(error, WorkflowError):  # no view need say so
        return refused(error)
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return NotAllowed()
    return error


def _what_is_wrong(error: APIException) -> dict[str, Any]:
    if isinstance(error, ValidationError):
        fields = by_field(error.detail)
        first = next((texts[0] for texts in fields.values() if texts), "")
        return {"code": "invalid", "detail": f"Something is missing or wrong: {first}"} | {
            "errors": fields
        }
    if isinstance(error, Refused):
        return {"code": error.get_codes(), "detail": str(error.detail)} | error.extra
    if isinstance(error, NotFound):
        return {"code": "not_found", "detail": NOTHING_HERE}
    if isinstance(error, Throttled):
        return {"code": "too_many_requests", "detail": str(error.detail)}
    if isinstance(error, ParseError):
        return {"code": "unreadable", "detail": "The request could not be read."}
    return {"code": str(error.get_codes()), "detail": str(error.detail)}


def by_field(detail: Any) -> dict[str, list[str]]:
    """DRF's nested errors, flattened to one list of sentences for each field."""
    if not isinstance(detail, dict):
        return {"request": _sentences(detail)}
    return {str(field): _sentences(errors) for field, errors in detail.items()}


def _sentences(errors: Any) -> list[str]:
    if isinstance(errors, dict):
        errors = list(errors.values())
    if isinstance(errors, list):
        return [sentence for error in errors for sentence in _sentences(error)]
    return [str(errors)]

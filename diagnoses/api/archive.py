"""A case to take along, and one that is brought here."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Role, Scope, User
from diagnoses import intake
from diagnoses.api.doctor import doctor_of
from diagnoses.api.problems import Refused, problems, valid
from diagnoses.api.serializers import DoctorCaseSerializer
from diagnoses.api.submission import refused_photo
from diagnoses.api.views import user_of
from diagnoses.archive.refusal import ArchiveRefusedError
from diagnoses.archive.sending import as_archive
from diagnoses.archive.taking import take_in


class ArchiveSerializer(serializers.Serializer[dict[str, Any]]):
    """Its context holds the ``doctor`` who brings it."""

    archive = serializers.FileField(
        allow_empty_file=True, help_text="The zip, as another portal wrote it; at most 128 MB."
    )
    patient = serializers.UUIDField(
        help_text="Whose it is: a patient of your clinic, by the id that FHIR's Patient has."
    )

    def validate_patient(self, public_id: UUID) -> User:
        here = User.objects.get_queryset().filter(
            role=Role.PATIENT, clinic=self.context["doctor"].clinic, is_active=True, erased_at=None
        )
        found = here.select_related("carer", "clinic").filter(public_id=public_id).first()
        if found is None:
            raise ValidationError("There is no such patient in your clinic.")
        return found


class ArchiveView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="cases_archive",
        summary="A case to take along",
        description=(
            "A zip with everything of it that you may see, its photos, and the same as FHIR; "
            "another portal can take it in."
        ),
        responses={(200, "application/zip"): OpenApiTypes.BINARY} | problems(404),
    )
    def get(self, request: Request, pk: UUID) -> StreamingHttpResponse:
        base = str(request.build_absolute_uri("/")).rstrip("/")
        return as_archive(user_of(request), pk, base, where="api")


class ImportView(APIView):
    scope = Scope.CASES_WRITE
    parser_classes = [MultiPartParser]
    throttle_scope = "submit"

    @extend_schema(
        operation_id="cases_import",
        summary="Bring a case from another portal",
        description=(
            "For doctors. It becomes a new case of the patient's, to be looked at and signed here. "
            "The same archive again is the case that is already there."
        ),
        request={"multipart/form-data": ArchiveSerializer},
        responses={
            201: OpenApiResponse(DoctorCaseSerializer, "Brought."),
            200: OpenApiResponse(DoctorCaseSerializer, "Brought before."),
        }
        | problems(400, 403, 409, 413, 422, 429, 503),
    )
    def post(self, request: Request) -> Response:
        doctor = doctor_of(request)
        said = valid(ArchiveSerializer(data=request.data, context={"doctor": doctor}))
        try:
            taken = take_in(said["archive"], said["patient"], doctor)
        except ArchiveRefusedError as refusal:
            raise Refused(refusal.http, refusal.code, refusal.sentence) from refusal
        except intake.Refusal as refusal:
            raise refused_photo(refusal) from refusal
        case = DoctorCaseSerializer(taken.case, context={"request": request}).data
        status = HTTPStatus.CREATED if taken.new else HTTPStatus.OK
        return Response(case, status=status, headers={"Location": case["url"]})

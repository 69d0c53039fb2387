"""Cases over HTTP. What is not yours is 404, as on the pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework.exceptions import NotAuthenticated, NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from accounts import audit
from accounts.models import Scope, User
from diagnoses import gathered, hearing, heat, presenting, workflow
from diagnoses.api.problems import KEY, Refused, forbidden, photo_away, problems, valid
from diagnoses.api.serializers import (
    CaseSummarySerializer,
    DoctorCaseSerializer,
    DoctorSummarySerializer,
    PatientCaseSerializer,
    PatientSummarySerializer,
    SharedCaseSerializer,
)
from diagnoses.api.submission import SubmissionSerializer, submit
from diagnoses.gathered import EVENTS, FIRST_READINGS, PHOTOS, RETAKES, REVIEWS
from diagnoses.models import Case, CaseQuerySet, Photo
from diagnoses.sealing import LOST
from diagnoses.storage import whole
from diagnoses.thumbnails import thumbnail

EITHER = (
    "The patient's own case in the patient's words, a doctor's case of the clinic, or one that "
    "another clinic shares with the doctor."
)
CASE = PolymorphicProxySerializer(
    component_name="Case",
    serializers=[PatientCaseSerializer, DoctorCaseSerializer, SharedCaseSerializer],
    resource_type_field_name=None,
)
LINE = PolymorphicProxySerializer(
    component_name="CaseLine",
    serializers=[PatientSummarySerializer, DoctorSummarySerializer],
    resource_type_field_name=None,
    many=True,
)

SIZES = ["full", "thumb"]


def user_of(request: Request) -> User:
    """Who asks; the permission classes let nobody else in."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def patient_of(request: Request) -> User:
    """A patient who asks; everybody else is told that it is not for them."""
    user = user_of(request)
    if not user.is_patient:
        raise forbidden("patients_only", "Only patients do that.")
    return user


def patient_here(request: Request) -> User:
    """The same at an address that names something of theirs: nobody else learns that it exists."""
    user = user_of(request)
    if not user.is_patient:
        raise NotFound
    return user


def cases_of(user: User) -> CaseQuerySet:
    """Clinical content is for the patient and for reading doctors; admins have their own pages."""
    return Case.objects.told_to(user)


def cases_to_look_at(user: User) -> CaseQuerySet:
    """The same, and what another clinic shares with a doctor: to read one, never to act on it."""
    cases = Case.objects.to_look_at(user).select_related("patient__carer", "clinic", "doctor")
    return cases.none() if user.is_admin else cases


def words_for(user: User, case: Case) -> type[BaseSerializer[Case]]:
    """How much of a case they are told."""
    if user.is_patient:
        return PatientCaseSerializer
    return DoctorCaseSerializer if user.clinic_id == case.clinic_id else SharedCaseSerializer


def speaks_as(user: User, case: Case) -> User:
    """On which side of a case somebody is: a carer is the patient there."""
    return case.patient if user.answers_for(case.patient) else user


class NewestFirst(CursorPagination):
    page_size = 25
    ordering = ("-submitted_at", "-id")

    def decode_cursor(self, request: Request) -> Any:
        """As DRF, which leaves the time in a made-up cursor for the database to choke on."""
        cursor: Any = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None:
            try:
                known = parse_datetime(cursor.position)
            except ValueError:
                known = None
            if known is None or known.tzinfo is None:
                raise NotFound
        return cursor


@extend_schema(exclude=True)
class NowhereView(APIView):
    """Every other address under the API: a problem like all the others, not a page."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []

    def initial(self, *_args: object, **_kwargs: object) -> None:
        raise NotFound


class CasesView(GenericAPIView[Case]):
    queryset = Case.objects.none()
    pagination_class = NewestFirst
    parser_classes = [MultiPartParser, FormParser]
    metadata_class = None  # OPTIONS would describe one serializer, and there are three
    throttle_scope = "submit"
    scope = {"GET": Scope.CASES_READ, "POST": Scope.CASES_WRITE}

    @extend_schema(
        operation_id="cases_list",
        summary="Your cases, newest first",
        description="A patient's own cases; for a doctor, the clinic's, each with its urgency.",
        parameters=[OpenApiParameter("cursor", str, description="From next or previous.")],
        responses={200: LINE} | problems(404),
    )
    def get(self, request: Request) -> Response:
        user = user_of(request)
        page = self.paginate_queryset(cases_of(user))
        line: type[CaseSummarySerializer] = (
            PatientSummarySerializer if user.is_patient else DoctorSummarySerializer
        )
        return self.get_paginated_response(
            line(page, many=True, context=self.get_serializer_context()).data
        )

    @extend_schema(
        operation_id="cases_create",
        summary="Submit a case",
        description=(
            "For patients who agreed to care. Answers at once; the result follows at the case's "
            "address. With an Idempotency-Key the same request can be sent again safely."
        ),
        parameters=[KEY],
        request={"multipart/form-data": SubmissionSerializer},
        responses={
            201: OpenApiResponse(PatientCaseSerializer, "Submitted."),
            200: OpenApiResponse(PatientCaseSerializer, "Submitted before with the same key."),
        }
        | problems(400, 401, 403, 422, 429, 503),
    )
    def post(self, request: Request) -> Response:
        user = user_of(request)
        if not user.is_patient:
            raise Refused(HTTPStatus.FORBIDDEN, "patients_only", "Only patients submit cases.")
        said = valid(SubmissionSerializer(data=request.data, context={"user": user}))
        patient = said.pop("patient", user)
        key = request.headers.get("Idempotency-Key", "")
        done = submit(patient, said, key, by=user)
        case = PatientCaseSerializer(done.case, context=self.get_serializer_context()).data
        status = HTTPStatus.CREATED if done.new else HTTPStatus.OK
        return Response(case, status=status, headers={"Location": case["url"]})


class CaseView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="cases_read",
        summary="One case",
        description=EITHER,
        parameters=[
            OpenApiParameter(
                "Prefer",
                str,
                OpenApiParameter.HEADER,
                description=(
                    "wait=5: answer when the computer has checked the case, after five seconds at "
                    "the latest. Where too many wait already, the answer comes at once."
                ),
            )
        ],
        responses={200: OpenApiResponse(CASE, EITHER)} | problems(401, 404),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        user = user_of(request)
        cases = cases_to_look_at(user).select_related("invitation__accepted_by")
        parts = (PHOTOS, *((EVENTS,) if user.is_patient else (FIRST_READINGS, RETAKES)), REVIEWS)
        case = gathered.one_or_404(cases, pk, *parts)
        if hearing.waited(case, request.headers):
            case = gathered.one_or_404(cases, pk, *parts)
        with audit.together():
            audit.record("case.viewed", actor=user, about=f"case:{case.pk}", where="api")
            told = words_for(user, case)(case, context={"request": request}).data
        answer = presenting.answer_for_patient(case) if user.is_patient else None
        if answer is not None:
            workflow.open_answer(answer, user)
        return Response(told)


class HeatmapView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="cases_photo_heatmap",
        summary="Where the computer looked in a picture",
        description=(
            "For a doctor whose own reading is in: a PNG with the picture's proportions, to be "
            "laid over it. Clear where nothing speaks for the label, and outside the middle square."
        ),
        parameters=[
            OpenApiParameter("label", str, description="By default the label the view names.")
        ],
        responses={(200, "image/png"): OpenApiTypes.BINARY} | problems(401, 404),
    )
    def get(self, request: Request, pk: UUID, photo: UUID) -> HttpResponse:
        user = user_of(request)
        case = get_object_or_404(cases_to_look_at(user), pk=pk)
        if not user.is_reading_doctor:
            raise NotFound
        picture = get_object_or_404(Photo, case=case, pk=photo)
        label = request.query_params.get("label", "")
        found = heat.shown_to(case, picture, user, label, where="api")
        if found is None:
            raise NotFound
        response = HttpResponse(found, content_type="image/png")
        response["Cache-Control"] = "private, no-store"
        return response


class PhotoView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="cases_photo",
        summary="One picture of a case",
        parameters=[OpenApiParameter("size", str, enum=SIZES, default="full")],
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY} | problems(400, 404, 410, 503),
    )
    def get(self, request: Request, pk: UUID, photo: UUID) -> HttpResponse:
        user = user_of(request)
        picture = get_object_or_404(
            Photo.objects.filter(case__in=cases_to_look_at(user), case=pk), pk=photo
        )
        size = request.query_params.get("size", "full")
        if size not in SIZES:
            raise ValidationError({"size": f"Choose one of these: {', '.join(SIZES)}."})
        try:
            if size == "thumb":  # not written down, as on the pages: a list shows many
                return HttpResponse(thumbnail(picture), content_type="image/jpeg")
            content = whole(picture.file)
        except LOST:
            gone = "This photo cannot be shown: its file is missing or was changed."
            raise Refused(HTTPStatus.GONE, "photo_unreadable", gone) from None
        except OSError:
            raise photo_away() from None
        about, seen = f"case:{picture.case_id}", str(picture.pk)
        audit.record("photo.viewed", actor=user, about=about, photo=seen, where="api")
        return HttpResponse(content, content_type="image/jpeg")

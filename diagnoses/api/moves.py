"""What a patient does with a case that was sent: tell what is new, take it back, print it."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from diagnoses import workflow
from diagnoses.answering import AnswersField, checked_answers
from diagnoses.api.problems import (
    KEY,
    by_field,
    forbidden,
    photo_away,
    problems,
    unprocessable,
    valid,
    wrong_together,
)
from diagnoses.api.serializers import PatientCaseSerializer
from diagnoses.api.submission import submit_key
from diagnoses.api.views import cases_of, user_of
from diagnoses.models import Case
from diagnoses.sealing import AwayError
from diagnoses.strict import StrictSerializer
from diagnoses.views.report import as_pdf


class NewsSerializer(StrictSerializer):
    """What has changed since: in words, in answers, or both."""

    what = serializers.CharField(required=False, default="", allow_blank=True, max_length=1000)
    answers = AnswersField(
        required=False, default=dict, help_text='By question: {"bleeding": "bleeds"}.'
    )


class NewsView(APIView):
    scope = Scope.CASES_WRITE
    throttle_scope = "talk"

    @extend_schema(
        operation_id="cases_news_create",
        summary="Tell what has changed",
        description="For its patient, while it is open. It only ever makes a case more urgent.",
        parameters=[KEY],
        request=NewsSerializer,
        responses={
            201: OpenApiResponse(PatientCaseSerializer, "Told."),
            200: OpenApiResponse(PatientCaseSerializer, "Told before with the same key."),
        }
        | problems(400, 404, 409, 422),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        case = case_of_patient(request, pk)
        said = valid(NewsSerializer(data=request.data))
        what, answers = said["what"], said["answers"]
        try:
            checked_answers(case.pack, answers)
        except serializers.ValidationError as error:
            raise wrong_together(by_field(error.detail)) from error
        if not what.strip() and not answers:
            raise unprocessable("refused", "Answer a question or say what has changed.")
        raw = request.headers.get("Idempotency-Key", "")
        key = submit_key(user_of(request), f"{case.pk}:{raw}").hex if raw else ""
        told = case.events.filter(kind="told_more", detail__key=key)
        before = bool(key) and told.exists()
        if not before:
            workflow.raise_urgency(case, case.patient, what, answers, key=key)
        # Looked at afterwards too: others with this key may have come meanwhile.
        kept = told.get().detail if key else None
        if kept is not None and (kept["what"], kept["answers"]) != (what, answers):
            raise unprocessable(
                "idempotency_key_reused", "This Idempotency-Key was used for other news."
            )
        return as_patient(request, case, 200 if before else 201)


class WithdrawView(APIView):
    scope = Scope.CASES_WRITE

    @extend_schema(
        operation_id="cases_withdraw",
        summary="Take a case back",
        description=(
            "For its patient, while nobody has answered it. Nobody will. Asked again, it is the "
            "same answer."
        ),
        request=None,
        responses={200: PatientCaseSerializer} | problems(404, 409),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        case = case_of_patient(request, pk)
        if case.status != Case.Status.CANCELLED:
            workflow.withdraw(case, case.patient)
        return as_patient(request, case)


class ReportView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="cases_report",
        summary="The report of a case, as a PDF",
        description="For its patient and for the doctors of its clinic.",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY} | problems(404, 503),
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        user = user_of(request)
        case = get_object_or_404(cases_of(user), pk=pk)
        try:
            return as_pdf(user, case, where="api")
        except AwayError:
            raise photo_away() from None


def case_of_patient(request: Request, pk: UUID) -> Case:
    """A case of theirs, or of whom they look after; a doctor of it is told that it is not for
    them."""
    user = user_of(request)
    case = get_object_or_404(cases_of(user), pk=pk)
    if not user.is_patient:
        raise forbidden("patients_only", "Only patients do that.")
    return case


def as_patient(request: Request, case: Case, status: int = 200) -> Response:
    """The case as it is now, in its patient's words."""
    now = cases_of(user_of(request)).get(pk=case.pk)
    words = PatientCaseSerializer(now, context={"request": request}).data
    return Response(words, status=status)

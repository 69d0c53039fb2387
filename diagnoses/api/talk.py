"""The talk on a case over HTTP, and a new photo for one that is open."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit
from accounts.models import Scope, User
from diagnoses import intake, talking, workflow
from diagnoses.answering import known
from diagnoses.api.problems import (
    KEY,
    Refused,
    problems,
    refused,
    unprocessable,
    valid,
)
from diagnoses.api.serializers import PatientCaseSerializer
from diagnoses.api.submission import clean_photo, count, refused_photo, submit_key
from diagnoses.api.views import cases_of, speaks_as, user_of
from diagnoses.models import MOST_SAID, Case, Remark, Retake
from diagnoses.strict import StrictSerializer

REUSED = "idempotency_key_reused"


class RemarkSerializer(serializers.ModelSerializer[Remark]):
    """One remark. ``sentences`` are the ready words of a request for a new photo."""

    author = serializers.CharField(source="author.name")
    by = serializers.SerializerMethodField(help_text="patient or doctor")
    sentences = serializers.SerializerMethodField()
    reasons = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Remark
        fields = ["id", "author", "by", "kind", "text", "reasons", "sentences", "created_at"]

    def get_by(self, remark: Remark) -> str:
        return "patient" if remark.author_id == remark.case.patient_id else "doctor"

    def get_sentences(self, remark: Remark) -> list[str]:
        return list(talking.sentences(remark.case.pack, remark))


class TalkSerializer(serializers.Serializer[Any]):
    """Everything said on a case, oldest first."""

    unread = serializers.IntegerField(help_text="How many of these are new to you.")
    messages = RemarkSerializer(many=True)


class SayingSerializer(StrictSerializer):
    """A message; or, by a doctor, a request for a new photo."""

    text = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=MOST_SAID, help_text="The words."
    )
    kind = serializers.ChoiceField(
        choices=Remark.Kind.choices, required=False, default=Remark.Kind.MESSAGE.value
    )
    reasons = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        default=list,
        max_length=20,
        help_text="What is wrong with the photo: the pack's words for quality. For doctors.",
    )


class NewPhotoSerializer(serializers.Serializer[dict[str, Any]]):
    """One photo that joins an open case."""

    photo = serializers.FileField(allow_empty_file=True, help_text="As for a new case.")
    kind = serializers.CharField(required=False, help_text="The pack's first kind by default.")
    send_anyway = serializers.BooleanField(required=False, default=False)


class TalkView(APIView):
    throttle_scope = "talk"
    scope = {"GET": Scope.CASES_READ, "POST": Scope.CASES_WRITE}

    @extend_schema(
        operation_id="cases_messages_list",
        summary="What was said on a case",
        description="For its patient and the clinic's doctors. Asking counts as reading.",
        responses={200: TalkSerializer} | problems(401, 404),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        user = user_of(request)
        case = get_object_or_404(cases_of(user), pk=pk)
        audit.record("case.viewed", actor=user, about=f"case:{case.pk}", where="api")
        shown = talking.talk(case, speaks_as(user, case))
        remarks = list(case.remarks.select_related("author", "case"))
        body = TalkSerializer({"unread": shown.unread, "messages": remarks}).data
        talking.mark_read(case, speaks_as(user, case), shown)
        return Response(body)

    @extend_schema(
        operation_id="cases_messages_create",
        summary="Say something on a case",
        description="A message by either side; a request for a new photo by a doctor.",
        parameters=[KEY],
        request=SayingSerializer,
        responses={
            201: OpenApiResponse(RemarkSerializer, "Said."),
            200: OpenApiResponse(RemarkSerializer, "Said before with the same key."),
        }
        | problems(400, 401, 403, 404, 409, 422, 429),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        user = user_of(request)
        case = get_object_or_404(cases_of(user), pk=pk)
        said = valid(SayingSerializer(data=request.data))
        raw = request.headers.get("Idempotency-Key", "")
        key = submit_key(user, f"{case.pk}:{raw}" if raw else "")
        author = speaks_as(user, case)
        before = case.remarks.filter(author=author, key=key).exists()
        remark = _said(case, author, said, key)
        if not _says(remark, said):
            raise unprocessable(REUSED, _("This Idempotency-Key was used for other words."))
        status = HTTPStatus.OK if before else HTTPStatus.CREATED
        return Response(RemarkSerializer(remark).data, status=status)


class NewPhotoView(APIView):
    parser_classes = [MultiPartParser, FormParser]
    throttle_scope = "submit"
    scope = Scope.CASES_WRITE

    @extend_schema(
        operation_id="cases_photos_create",
        summary="Send a new photo for an open case",
        description=(
            "For its patient. The photo joins the case, which is scored again and returns to the "
            "doctors; its urgency is never lowered by it."
        ),
        parameters=[KEY],
        request={"multipart/form-data": NewPhotoSerializer},
        responses={
            201: OpenApiResponse(PatientCaseSerializer, "Joined the case."),
            200: OpenApiResponse(PatientCaseSerializer, "Sent before with the same key."),
        }
        | problems(400, 401, 403, 404, 409, 422, 429, 503),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        user = user_of(request)
        case = get_object_or_404(cases_of(user), pk=pk)
        if not user.is_patient:
            raise Refused(HTTPStatus.FORBIDDEN, "patients_only", _("Only patients send photos."))
        said = valid(NewPhotoSerializer(data=request.data))
        raw = request.headers.get("Idempotency-Key", "")
        key = submit_key(user, f"{case.pk}:{raw}" if raw else "")
        before = Retake.objects.filter(case=case, key=key).exists()
        if not before:
            count(user, [said["photo"]])
        joined = _joined(case, case.patient, said, key)
        words = PatientCaseSerializer(joined.case, context={"request": request}).data
        return Response(words, status=HTTPStatus.OK if before else HTTPStatus.CREATED)


def _said(case: Case, user: User, data: dict[str, Any], key: UUID) -> Remark:
    if data["kind"] == Remark.Kind.MESSAGE:
        return workflow.ask(case, user, data["text"], key)
    if not user.is_reading_doctor:
        raise Refused(HTTPStatus.FORBIDDEN, "doctors_only", _("Only doctors ask for a new photo."))
    return workflow.request_retake(case, user, data["reasons"], data["text"], key)


def _joined(case: Case, patient: User, data: dict[str, Any], key: UUID) -> Retake:
    kind = data.get("kind") or case.pack.photo_kinds[0].name
    known("kind", case.pack.photo_kind, kind)
    new = clean_photo(case.pack, data["photo"], kind, send_anyway=data["send_anyway"])
    try:
        joined = workflow.retake(case, patient, [new], key)
    except intake.Refusal as refusal:
        raise refused_photo(refusal) from refusal
    except workflow.WorkflowError as refusal:
        refusal.sentence = talking.refusal_to_patient(case, refusal)
        raise refused(refusal) from refusal
    if not joined.photos.filter(kind=kind, sha256=new.photo.sha256).exists():
        raise unprocessable(REUSED, _("This Idempotency-Key was used for another photo."))
    return joined


def _says(remark: Remark, data: dict[str, Any]) -> bool:
    """Whether this remark is what was sent: the same words of the same kind."""
    sent = (data["kind"], data["text"].replace("\r\n", "\n").strip(), data["reasons"])
    kept = remark.reasons if remark.kind == Remark.Kind.RETAKE_REQUEST else data["reasons"]
    return (remark.kind, remark.text, kept) == sent

"""A case that is shared with a doctor of another clinic: the patient's yes or no, and its end."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit
from accounts.models import Scope
from diagnoses import talking, workflow
from diagnoses.api.doctor import doctors_case
from diagnoses.api.moves import case_of_patient
from diagnoses.api.problems import problems, refused, valid
from diagnoses.api.views import cases_of, user_of
from diagnoses.models import Case
from diagnoses.strict import StrictSerializer
from diagnoses.views.shares import Shown, of_case

STATES = ["asking", "open", "closed", "refused"]


class ShareSerializer(serializers.Serializer[Shown]):
    """With whom; how it stands: the patient is asked, it is open, closed again, refused."""

    id = serializers.UUIDField(source="share.pk")
    doctor = serializers.CharField(source="share.doctor.name")
    clinic = serializers.CharField(source="share.doctor.clinic.name")
    shared_by = serializers.CharField(source="share.shared_by.name")
    state = serializers.ChoiceField(choices=STATES)
    created_at = serializers.DateTimeField(source="share.created_at")
    agreed_at = serializers.DateTimeField(source="share.agreed_at", allow_null=True)
    ends_at = serializers.DateTimeField(source="share.ends_at")


class AnswerShareSerializer(StrictSerializer):
    agreed = serializers.BooleanField(help_text="Yes opens the case to them; no closes it.")


class SharesView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="cases_shares_list",
        summary="Which doctors of other clinics were asked about a case",
        description="For its patient and the doctors of its clinic; the oldest first.",
        responses={200: ShareSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        user = user_of(request)
        case = get_object_or_404(cases_of(user), pk=pk)
        audit.record("case.viewed", actor=user, about=f"case:{case.pk}", where="api")
        return Response(_told(case))


class ShareView(APIView):
    scope = {"PUT": Scope.CASES_WRITE, "DELETE": Scope.REVIEWS_WRITE}

    @extend_schema(
        operation_id="cases_shares_answer",
        summary="Whether the doctor of another clinic may look",
        description=(
            "For its patient. With yes they see the photos and answers, and the computer's view "
            "after their own reading, for 14 days at most, without your name. No ends it at once."
        ),
        request=AnswerShareSerializer,
        responses={200: ShareSerializer(many=True)} | problems(404, 409, 422),
    )
    def put(self, request: Request, pk: UUID, share: UUID) -> Response:
        case = case_of_patient(request, pk)
        found = get_object_or_404(case.shares, pk=share)
        said = valid(AnswerShareSerializer(data=request.data))
        answer = workflow.agree_to_share if said["agreed"] else workflow.refuse_share
        try:
            answer(found, case.patient)
        except workflow.WorkflowError as refusal:
            refusal.sentence = talking.refusal_to_patient(case, refusal)
            raise refused(refusal) from refusal
        return Response(_told(case))

    @extend_schema(
        operation_id="cases_shares_delete",
        summary="Close the case to the doctor of the other clinic",
        description="For any doctor of the case's clinic. What was not read is asked no more.",
        request=None,
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, pk: UUID, share: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        workflow.take_back_share(get_object_or_404(case.shares, pk=share), doctor)
        return Response(status=HTTPStatus.NO_CONTENT)


def _told(case: Case) -> Any:
    shown: Any = of_case(case, waits=case.is_open)
    return ShareSerializer(shown, many=True).data

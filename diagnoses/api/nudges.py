"""Reminders: which kinds somebody wants, those they were sent, and what they say to one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import reminders
from accounts.models import Scope, User
from accounts.reminder_stop import Reminder
from accounts.reminders import Choice
from diagnoses import workflow
from diagnoses.api.evidence import absolute
from diagnoses.api.problems import must_fit, problems, refused, valid
from diagnoses.api.serializers import PersonSerializer
from diagnoses.api.views import NewestFirst, patient_here, patient_of, user_of
from diagnoses.models import Nudge
from diagnoses.nudge_forms import MOST_WORDS, VisitForm
from diagnoses.strict import StrictSerializer
from diagnoses.views.nudges import NO_MORE, OVER


class ReminderKindSerializer(serializers.Serializer[Choice]):
    kind = serializers.ChoiceField(choices=Reminder.values)
    text = serializers.CharField(source="kind.label")
    meaning = serializers.CharField()
    stopped = serializers.BooleanField(help_text="No more of these are sent.")


class StoppedSerializer(StrictSerializer):
    stopped = serializers.BooleanField(help_text="Yes stops them, no has them sent again.")


class ReminderSerializer(serializers.ModelSerializer[Nudge]):
    """One reminder that was sent."""

    text = serializers.CharField(source="get_kind_display")
    patient = PersonSerializer(help_text="Whose it is: yours, or of whom you look after.")
    case_url = serializers.SerializerMethodField(help_text="null: it is about no case.")
    over_because = serializers.SerializerMethodField(help_text="Empty while it counts.")
    reply = serializers.ChoiceField(
        choices=["", *Nudge.Reply.values], help_text="What you have said; empty: nothing yet."
    )

    class Meta:
        model = Nudge
        fields = ["id", "kind", "text", "patient", "case_url", "told_at", "over_because", "reply"]

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_case_url(self, nudge: Nudge) -> str | None:
        return absolute(self, "api-case", nudge.case_id) if nudge.case_id else None

    def get_over_because(self, nudge: Nudge) -> str:
        return str(OVER.get(Nudge.Why(nudge.why), NO_MORE)) if nudge.why else ""


class VisitSerializer(StrictSerializer):
    """What became of the visit that was advised."""

    reply = serializers.ChoiceField(choices=Nudge.Reply.choices)
    words = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=MOST_WORDS
    )


class LastTold(NewestFirst):
    ordering = ("-told_at", "-id")


class ReminderKindsView(APIView):
    scope = Scope.ACCOUNT_READ

    @extend_schema(
        operation_id="account_reminders_list",
        summary="The kinds of reminders, and which you stopped",
        description="None for doctors and admins: nobody reminds them.",
        responses={200: ReminderKindSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        told: Any = reminders.choices(user_of(request))
        return Response(ReminderKindSerializer(told, many=True).data)


class ReminderKindView(APIView):
    scope = Scope.ACCOUNT_WRITE

    @extend_schema(
        operation_id="account_reminders_change",
        summary="Stop one kind of reminder, or have it again",
        description="For patients. Each kind stands alone.",
        parameters=[OpenApiParameter("kind", str, "path", enum=Reminder.values)],
        request=StoppedSerializer,
        responses={200: ReminderKindSerializer} | problems(404),
    )
    def put(self, request: Request, kind: str) -> Response:
        user = patient_here(request)
        if kind not in Reminder.values:
            raise NotFound
        said = valid(StoppedSerializer(data=request.data))
        change = reminders.stop if said["stopped"] else reminders.resume
        change(user, Reminder(kind))
        now = next(one for one in reminders.choices(user) if one.kind == kind)
        return Response(ReminderKindSerializer(now).data)


class RemindersView(GenericAPIView[Nudge]):
    scope = Scope.CASES_READ
    queryset = Nudge.objects.none()
    serializer_class = ReminderSerializer
    pagination_class = LastTold

    @extend_schema(
        operation_id="reminders_list",
        summary="The reminders you were sent, newest first",
        description="For patients: their own, and those of whom they look after; 25 a page.",
        responses={200: ReminderSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(
            Nudge.objects.visible_to(patient_of(request)).select_related("patient")
        )
        told = ReminderSerializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(told.data)


class ReminderView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="reminders_read",
        summary="One reminder",
        description="Asking opens it, as its page does.",
        responses={200: ReminderSerializer} | problems(404),
    )
    def get(self, request: Request, reminder: UUID) -> Response:
        _user, nudge = _of(request, reminder)
        workflow.open_reminder(nudge)
        return Response(ReminderSerializer(nudge, context={"request": request}).data)


class VisitView(APIView):
    scope = Scope.CASES_WRITE

    @extend_schema(
        operation_id="reminders_answer",
        summary="Say whether you saw the doctor",
        description=(
            "Of a reminder of the kind `see_doctor`. “Not yet” is asked once more; who got no "
            "appointment stands on the doctors' list. The same again is the same."
        ),
        request=VisitSerializer,
        responses={200: ReminderSerializer} | problems(404, 409, 422),
    )
    def put(self, request: Request, reminder: UUID) -> Response:
        _user, nudge = _of(request, reminder)
        if nudge.kind != Reminder.SEE_DOCTOR:
            raise NotFound
        form = VisitForm(valid(VisitSerializer(data=request.data)))
        must_fit(form)
        reply, words = form.cleaned_data["reply"], form.cleaned_data["words"]
        try:
            workflow.tell_of_visit(nudge, nudge.patient, reply, words)
        except workflow.WorkflowError as refusal:
            raise refused(refusal, status=HTTPStatus.CONFLICT) from refusal
        nudge.refresh_from_db(fields=["state", "reply", "why"])
        return Response(ReminderSerializer(nudge, context={"request": request}).data)


def _of(request: Request, key: UUID) -> tuple[User, Nudge]:
    user = patient_here(request)
    mine = Nudge.objects.visible_to(user).select_related("patient__carer", "case")
    return user, get_object_or_404(mine, pk=key)

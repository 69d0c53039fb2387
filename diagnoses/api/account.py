"""Who I am to the portal, what I agreed to, what I was told; and a copy of everything."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import people
from accounts.agreements import Agreement, agreements, kinds, no_longer_asked
from accounts.models import Consent, Role, Scope, User
from diagnoses import workflow
from diagnoses.api.numbers import NumberSerializer
from diagnoses.api.problems import forbidden, problems, valid
from diagnoses.api.views import NewestFirst, user_of
from diagnoses.strict import StrictSerializer
from diagnoses.views.mine import as_zip
from notifications.models import Message


class AgreementSerializer(serializers.Serializer[Agreement]):
    """One thing to agree to, in the words it is asked in."""

    kind = serializers.ChoiceField(choices=Consent.Kind.values)
    text = serializers.CharField(source="wording.text")
    meaning = serializers.CharField(source="wording.meaning")
    version = serializers.CharField(source="wording.version")
    agreed_at = serializers.DateTimeField(
        source="given_at", allow_null=True, help_text="null: not agreed to these words."
    )


class AccountSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.values)
    verified = serializers.BooleanField(help_text="Of a doctor: an admin has confirmed them.")
    clinic = serializers.CharField(allow_null=True)
    language = serializers.CharField()
    numbers = NumberSerializer(many=True)
    consents = AgreementSerializer(many=True)


class ConsentSerializer(StrictSerializer):
    agreed = serializers.BooleanField(help_text="Yes gives it, no takes it back.")


class NoticeSerializer(serializers.ModelSerializer[Message]):
    """A message to you: what it was about, and how far it came. Never what was found."""

    about = serializers.CharField(source="get_event_display")

    class Meta:
        model = Message
        fields = ["id", "event", "about", "channel", "state", "created_at", "sent_at"]


class NoticePages(NewestFirst):
    ordering = ("-created_at", "-id")


class AccountView(APIView):
    scope = Scope.ACCOUNT_READ

    @extend_schema(
        operation_id="account_read",
        summary="Your account",
        responses={200: AccountSerializer},
    )
    def get(self, request: Request) -> Response:
        user = user_of(request)
        told = {
            "id": user.pk,
            "name": user.name,
            "email": user.email,
            "role": user.role,
            "verified": user.verified_at is not None,
            "clinic": user.clinic.name if user.clinic else None,
            "language": user.language,
            "numbers": list(user.numbers.order_by("pk")),
            "consents": agreements(user),
        }
        return Response(AccountSerializer(told).data)


class ConsentView(APIView):
    scope = Scope.ACCOUNT_WRITE

    @extend_schema(
        operation_id="account_consent",
        summary="Agree, or take it back",
        description="Each stands alone. What waits because of one stops when it is taken back.",
        parameters=[OpenApiParameter("kind", str, "path", enum=Consent.Kind.values)],
        request=ConsentSerializer,
        responses={200: AgreementSerializer} | problems(404),
    )
    def put(self, request: Request, kind: str) -> Response:
        return decided(user_of(request), kind, request.data)


class NoticesView(GenericAPIView[Message]):
    scope = Scope.ACCOUNT_READ
    queryset = Message.objects.none()
    serializer_class = NoticeSerializer
    pagination_class = NoticePages

    @extend_schema(
        operation_id="account_messages",
        summary="Messages to you, newest first",
        description="By WhatsApp, SMS or e-mail, with how far each came.",
        responses={200: NoticeSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request) -> Response:
        mine = user_of(request).notices.all()
        page = self.paginate_queryset(mine)
        return self.get_paginated_response(NoticeSerializer(page, many=True).data)


class ExportView(APIView):
    scope = Scope.ACCOUNT_EXPORT

    @extend_schema(
        operation_id="account_export",
        summary="A copy of everything",
        description="For patients: a zip with lentigo.json, a page to read, and every photo.",
        request=None,
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def post(self, request: Request) -> StreamingHttpResponse:
        user = user_of(request)
        if not user.is_patient:
            raise forbidden("patients_only", "Only patients have such a copy.")
        return as_zip(user, where="api")


def decided(user: User, kind: str, data: Any) -> Response:
    """Give or take back one consent of ``user``'s, as ``data`` says."""
    if kind not in kinds(user):
        raise NotFound
    said = valid(ConsentSerializer(data=data))
    chosen = Consent.Kind(kind)
    if said["agreed"]:
        people.give_consent(user, chosen)
    else:
        workflow.withdraw_consent(user, chosen)
    # One that the clinic asks no more is not asked again once it is taken back.
    now = [one for one in agreements(user) if one.kind == chosen] or [no_longer_asked(chosen)]
    return Response(AgreementSerializer(now[0]).data)

"""Whom a patient looks after: writing them down, what is agreed to for them, a copy of theirs."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import care
from accounts.agreements import agreements
from accounts.care_views import DescribeForm, LookAfterForm
from accounts.models import Consent, Relation, Scope, User
from accounts.people import PeopleError
from diagnoses.api.account import AgreementSerializer, ConsentSerializer, decided
from diagnoses.api.problems import must_fit, problems, unprocessable, valid
from diagnoses.api.views import patient_here, patient_of
from diagnoses.strict import StrictSerializer
from diagnoses.views.mine import as_zip


class LookedAfterSerializer(serializers.ModelSerializer[User]):
    relation = serializers.ChoiceField(
        choices=Relation.choices,
        allow_blank=True,
        help_text="Who they are to you; empty: yourself.",
    )

    class Meta:
        model = User
        fields = ["id", "name", "relation"]


class ConsentsOfSerializer(LookedAfterSerializer):
    """Somebody you look after, with what you agreed to for them."""

    consents = serializers.SerializerMethodField()

    class Meta(LookedAfterSerializer.Meta):
        fields = [*LookedAfterSerializer.Meta.fields, "consents"]

    @extend_schema_field(AgreementSerializer(many=True))
    def get_consents(self, person: User) -> Any:
        found: Any = agreements(person)
        return AgreementSerializer(found, many=True).data


class DescribeSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, trim_whitespace=False)
    relation = serializers.ChoiceField(choices=Relation.choices)


class LookAfterSerializer(DescribeSerializer):
    may_decide = serializers.BooleanField(
        help_text="You are their parent or guardian, or they want you to do this for them. Only "
        "then can you send their photos."
    )


class PeopleView(APIView):
    scope = {"GET": Scope.ACCOUNT_READ, "POST": Scope.ACCOUNT_WRITE}
    throttle_scope = "talk"

    @extend_schema(
        operation_id="people_list",
        summary="For whom you can send cases",
        description="For patients: yourself first, then whom you look after.",
        responses={200: LookedAfterSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        user = patient_of(request)
        mine = User.objects.answered_for_by(user)
        people = sorted(mine, key=lambda each: (each.pk != user.pk, each.pk))
        return Response(LookedAfterSerializer(people, many=True).data)

    @extend_schema(
        operation_id="people_create",
        summary="Look after somebody without a login",
        description="A child, an older relative; ten at most. The same name is the same person.",
        request=LookAfterSerializer,
        responses={
            201: OpenApiResponse(ConsentsOfSerializer, "Written down."),
            200: OpenApiResponse(ConsentsOfSerializer, "Somebody of this name was there."),
        }
        | problems(422),
    )
    def post(self, request: Request) -> Response:
        user = patient_of(request)
        form = LookAfterForm(valid(LookAfterSerializer(data=request.data)))
        must_fit(form)
        name, relation = form.cleaned_data["name"], Relation(form.cleaned_data["relation"])
        before = user.cared_for.filter(name__iexact=name).exists()
        try:
            added = care.look_after(user, name, relation)
        except PeopleError as refusal:
            raise unprocessable("refused", str(refusal)) from refusal
        return Response(ConsentsOfSerializer(added).data, status=200 if before else 201)


class PersonView(APIView):
    scope = {"GET": Scope.ACCOUNT_READ, "PUT": Scope.ACCOUNT_WRITE}

    @extend_schema(
        operation_id="people_read",
        summary="Somebody you look after",
        responses={200: ConsentsOfSerializer} | problems(404),
    )
    def get(self, request: Request, person: int) -> Response:
        return Response(ConsentsOfSerializer(looked_after(request, person)).data)

    @extend_schema(
        operation_id="people_describe",
        summary="Mend the name or who they are to you",
        request=DescribeSerializer,
        responses={200: ConsentsOfSerializer} | problems(404, 422),
    )
    def put(self, request: Request, person: int) -> Response:
        found = looked_after(request, person)
        form = DescribeForm(valid(DescribeSerializer(data=request.data)))
        must_fit(form)
        care.describe(found, form.cleaned_data["name"], Relation(form.cleaned_data["relation"]))
        return Response(ConsentsOfSerializer(found).data)


class PersonConsentView(APIView):
    scope = Scope.ACCOUNT_WRITE

    @extend_schema(
        operation_id="people_consent",
        summary="Agree for somebody you look after, or take it back",
        description="As for yourself. Messages about them go to you, by your own consent.",
        parameters=[OpenApiParameter("kind", str, "path", enum=Consent.Kind.values)],
        request=ConsentSerializer,
        responses={200: AgreementSerializer} | problems(404),
    )
    def put(self, request: Request, person: int, kind: str) -> Response:
        return decided(looked_after(request, person), kind, request.data)


class PersonExportView(APIView):
    scope = Scope.ACCOUNT_EXPORT

    @extend_schema(
        operation_id="people_export",
        summary="A copy of everything of somebody you look after",
        request=None,
        responses={(200, "application/zip"): OpenApiTypes.BINARY} | problems(404),
    )
    def post(self, request: Request, person: int) -> StreamingHttpResponse:
        return as_zip(looked_after(request, person), where="api")


def looked_after(request: Request, key: int) -> User:
    mine = patient_here(request).cared_for.select_related("carer", "clinic")
    return get_object_or_404(mine, pk=key)

"""A patient's marks: all of them, one with its cases, its name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit
from accounts.models import Scope, User
from diagnoses import lesions, workflow
from diagnoses.api.evidence import absolute
from diagnoses.api.problems import must_fit, problems, valid
from diagnoses.api.serializers import (
    PatientAnswerSerializer,
    PatientSummarySerializer,
    PersonSerializer,
    PhotoSerializer,
    ResultSerializer,
    SiteSerializer,
)
from diagnoses.api.views import patient_here, patient_of
from diagnoses.models import Lesion
from diagnoses.strict import StrictSerializer
from diagnoses.views.lesions import PAGE, NameForm
from mlservice.readers import pack_for_reader


class AfterQuery(serializers.Serializer[dict[str, Any]]):
    """Where a page starts."""

    after = serializers.UUIDField(
        required=False, default=None, help_text="The case the page starts behind: see `next`."
    )


class LesionLineSerializer(serializers.Serializer[lesions.Tile]):
    """One mark, told by its newest case."""

    id = serializers.UUIDField(
        source="case.lesion_id", allow_null=True, help_text="null: its only case stands alone."
    )
    url = serializers.SerializerMethodField(help_text="Of the mark, else of its only case.")
    name = serializers.CharField(help_text="What the patient calls it; may be empty.")
    pack = serializers.CharField(source="case.pack_name")
    site = serializers.SerializerMethodField()
    patient = PersonSerializer(source="case.patient")
    photographed = serializers.IntegerField(source="times", help_text="How often.")
    newest_case = serializers.UUIDField(source="case.pk")
    submitted_at = serializers.DateTimeField(source="case.submitted_at")
    status_text = serializers.CharField(source="status")
    answer_due_at = serializers.DateTimeField(
        source="due", allow_null=True, help_text="Of the answer awaited first; null: none is."
    )
    new_message = serializers.BooleanField(source="case.new_words")
    photo_url = serializers.SerializerMethodField()

    @extend_schema_field(serializers.URLField())
    def get_url(self, tile: lesions.Tile) -> str:
        if tile.case.lesion_id is None:
            return absolute(self, "api-case", tile.case.pk)
        return absolute(self, "api-lesion", tile.case.lesion_id)

    @extend_schema_field(SiteSerializer)
    def get_site(self, tile: lesions.Tile) -> dict[str, str]:
        return {"name": tile.case.site, "text": tile.case.place}

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_photo_url(self, tile: lesions.Tile) -> str | None:
        return absolute(self, "api-photo", tile.case.pk, tile.photo) if tile.photo else None


class LesionPageSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    results = LesionLineSerializer(many=True)


class MomentSerializer(serializers.Serializer[lesions.Moment]):
    """One case in the history of a mark, with what its patient reads of it now."""

    case = PatientSummarySerializer()
    status_text = serializers.CharField(source="status")
    photos = PhotoSerializer(many=True)
    result = ResultSerializer(source="card", allow_null=True, help_text="null once withdrawn.")
    answer = PatientAnswerSerializer(source="review", allow_null=True)
    plan_text = serializers.CharField(source="plan", help_text="What the answer says is next.")


class LesionSerializer(serializers.ModelSerializer[Lesion]):
    """One mark; its cases, newest first, in pages of their own."""

    site = serializers.SerializerMethodField()
    patient = PersonSerializer()

    class Meta:
        model = Lesion
        fields = ["id", "name", "pack", "site", "patient"]

    @extend_schema_field(SiteSerializer)
    def get_site(self, lesion: Lesion) -> dict[str, str]:
        return {"name": lesion.site, "text": pack_for_reader(lesion.pack).site(lesion.site).text}


class LesionHistorySerializer(LesionSerializer):
    photographed = serializers.IntegerField(help_text="How often.")
    next = serializers.URLField(allow_null=True, help_text="Older cases.")
    cases = MomentSerializer(many=True)

    class Meta(LesionSerializer.Meta):
        fields = [*LesionSerializer.Meta.fields, "photographed", "next", "cases"]


class MarkNameSerializer(StrictSerializer):
    name = serializers.CharField(max_length=60, allow_blank=True, help_text="Empty: none.")


class LesionsView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="lesions_list",
        summary="Your marks",
        description="For patients: those that wait for an answer, then the newest; 20 a page.",
        parameters=[AfterQuery],
        responses={200: LesionPageSerializer} | problems(400),
    )
    def get(self, request: Request) -> Response:
        found, after = lesions.tiles(patient_of(request), behind=_after(request), size=PAGE)
        tiles: Any = found
        lines = LesionLineSerializer(tiles, many=True, context={"request": request}).data
        return Response({"next": _following(request, after), "results": lines})


class LesionView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="lesions_read",
        summary="One mark with its cases",
        description="Its cases newest first, 20 a page. Looking at it is written to the trail.",
        parameters=[AfterQuery],
        responses={200: LesionHistorySerializer} | problems(400, 404),
    )
    def get(self, request: Request, lesion: UUID) -> Response:
        user, found = _of(request, lesion)
        photos = lesions.photos_of(found.pk, user)
        cases, after = lesions.cases_of(found, user, behind=_after(request), size=PAGE)
        audit.record("lesion.viewed", actor=user, about=f"lesion:{found.pk}", where="api")
        moments: Any = lesions.moments(cases, photos)
        history = {
            "photographed": len({photo.case_id for photo in photos}),
            "next": _following(request, after),
            "cases": MomentSerializer(moments, many=True, context={"request": request}).data,
        }
        return Response({**LesionSerializer(found).data, **history})


class LesionNameView(APIView):
    scope = Scope.CASES_WRITE

    @extend_schema(
        operation_id="lesions_name",
        summary="Give a mark a name of your own",
        description="Its doctors see it too. An empty name takes it away.",
        request=MarkNameSerializer,
        responses={200: LesionSerializer} | problems(404, 422),
    )
    def put(self, request: Request, lesion: UUID) -> Response:
        _user, found = _of(request, lesion)
        form = NameForm(valid(MarkNameSerializer(data=request.data)))
        must_fit(form)
        workflow.name_mark(found, found.patient, form.cleaned_data["name"])
        found.refresh_from_db(fields=["name"])
        return Response(LesionSerializer(found).data)


def _of(request: Request, key: UUID) -> tuple[User, Lesion]:
    user = patient_here(request)
    mine = Lesion.objects.visible_to(user).select_related("patient")
    return user, get_object_or_404(mine, pk=key)


def _after(request: Request) -> str | None:
    after = valid(AfterQuery(data=request.query_params.dict()))["after"]
    return after and str(after)


def _following(request: Request, after: UUID | None) -> str | None:
    """The address of the next page, where there is one."""
    return request.build_absolute_uri(f"{request.path}?after={after}") if after else None

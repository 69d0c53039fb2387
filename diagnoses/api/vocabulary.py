"""The words a program has to use: what each disease area asks, and by which names."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from mlservice.packs import Pack, available_packs, load_pack
from mlservice.readers import pack_for_reader


class NamedSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    text = serializers.CharField()


class PhotoKindSerializer(NamedSerializer):
    hint = serializers.CharField()
    scored = serializers.BooleanField(help_text="Whether the computer looks at it.")


class ChoiceSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()
    text = serializers.CharField()


class QuestionSerializer(NamedSerializer):
    why = serializers.CharField()
    kind = serializers.ChoiceField(choices=["choice", "choices", "text"])
    safety = serializers.BooleanField(help_text="Left open, it rules out GREEN.")
    choices = ChoiceSerializer(many=True)


class DiagnosisSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()


class PackSerializer(serializers.Serializer[Pack]):
    """A disease area. The names are what cases, readings and reviews are written in."""

    name = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    sites = NamedSerializer(many=True)
    photo_kinds = PhotoKindSerializer(many=True, help_text="The first is the default.")
    questions = QuestionSerializer(many=True)
    labels = DiagnosisSerializer(many=True)


class PacksView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="packs_list",
        summary="The disease areas, and the words of each",
        description="Sites, kinds of photo, questions with their choices, diagnoses.",
        responses={200: PackSerializer(many=True)},
    )
    def get(self, _request: Request) -> Response:
        packs: Any = [pack_for_reader(name) for name in available_packs()]
        return Response(PackSerializer(packs, many=True).data)


def diagnoses() -> list[str]:
    """Every label's name there is, and the empty one, which is none of them."""
    names = {label.name for name in available_packs() for label in load_pack(name).labels}
    return ["", *sorted(names)]


def sites() -> list[str]:
    return sorted({site.name for name in available_packs() for site in load_pack(name).sites})

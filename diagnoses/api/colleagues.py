"""A second pair of eyes over HTTP: asking, the list of what is to be read again, the blind reading.

Whoever reads again is told of the case what the blind page tells, and of nobody's view of it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit
from accounts.models import Scope, User
from diagnoses import gathered, presenting, workflow
from diagnoses.again_forms import AskColleagueForm, SecondReadingForm
from diagnoses.api.doctor import as_typed, doctor_of, doctors_case
from diagnoses.api.doctor_words import OwnReadingSerializer
from diagnoses.api.evidence import absolute
from diagnoses.api.problems import must_fit, problems, valid, wrong_together
from diagnoses.api.serializers import PersonSerializer, SharedCaseSerializer
from diagnoses.api.views import user_of
from diagnoses.gathered import SECOND_READINGS, SHARES
from diagnoses.models import Case, CaseShare, SecondReading
from diagnoses.strict import StrictSerializer
from diagnoses.views.again import NOBODY, Opinion, opinions_of

FIRST, LATELY = 50, 20  # as many as the page has


class BlindCaseSerializer(SharedCaseSerializer):
    """A case with what its patient said and sent, and nobody's view of it."""

    class Meta(SharedCaseSerializer.Meta):
        fields = ["id", "reference", "pack", "site", "submitted_at", "answers", "photos"]


class AskedSerializer(serializers.ModelSerializer[SecondReading]):
    """One reading that is asked of you."""

    url = serializers.SerializerMethodField()
    case_id = serializers.UUIDField()
    why_text = serializers.CharField(source="get_why_display")
    asked_by = serializers.CharField(
        source="asked_by.name", allow_null=True, default=None, help_text="null: it was drawn."
    )
    clinic = serializers.CharField(source="case.clinic.name", help_text="Whose case it is.")

    class Meta:
        model = SecondReading
        fields = [
            *("id", "url", "case_id", "why", "why_text", "asked_by", "clinic"),
            *("question", "created_at", "read_at"),
        ]

    @extend_schema_field(serializers.URLField())
    def get_url(self, asked: SecondReading) -> str:
        return absolute(self, "api-opinion", asked.pk)


class OwnOpinionSerializer(serializers.ModelSerializer[SecondReading]):
    class Meta:
        model = SecondReading
        fields = ["diagnosis", "confidence", "plan", "words", "read_at"]


class AskedCaseSerializer(AskedSerializer):
    """The same with the case, blind; once read, with what you said and the case's address."""

    case = serializers.SerializerMethodField()
    case_url = serializers.SerializerMethodField(help_text="null until you have read it.")
    reading = serializers.SerializerMethodField(help_text="Yours; null: it waits for you.")

    class Meta(AskedSerializer.Meta):
        fields = [*AskedSerializer.Meta.fields, "case", "case_url", "reading"]

    @extend_schema_field(BlindCaseSerializer)
    def get_case(self, asked: SecondReading) -> Any:
        return BlindCaseSerializer(asked.case, context=self.context).data

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_case_url(self, asked: SecondReading) -> str | None:
        return absolute(self, "api-case", asked.case_id) if asked.is_read else None

    @extend_schema_field(OwnOpinionSerializer(allow_null=True))
    def get_reading(self, asked: SecondReading) -> Any:
        return OwnOpinionSerializer(asked).data if asked.is_read else None


class AskedListSerializer(serializers.Serializer[Any]):
    waiting = AskedSerializer(many=True, help_text="At most 50, the oldest first.")
    read = AskedSerializer(many=True, help_text="Your last 20, the newest first.")


class OpinionSerializer(serializers.Serializer[Opinion]):
    """What a colleague was asked, and what they saw."""

    id = serializers.UUIDField(source="asked.pk")
    why = serializers.ChoiceField(source="asked.why", choices=SecondReading.Why.values)
    question = serializers.CharField(source="asked.question")
    asked_by = serializers.CharField(source="asked.asked_by.name", allow_null=True, default=None)
    asked_of = serializers.CharField(
        source="asked.doctor.name", allow_null=True, default=None, help_text="null: of anybody."
    )
    created_at = serializers.DateTimeField(source="asked.created_at")
    read_by = serializers.CharField(source="asked.read_by.name", allow_null=True, default=None)
    read_at = serializers.DateTimeField(source="asked.read_at", allow_null=True)
    diagnosis = serializers.CharField(source="asked.diagnosis")
    confidence = serializers.CharField(source="asked.confidence")
    plan = serializers.CharField(source="asked.plan")
    words = serializers.CharField(source="asked.words")
    differs = serializers.BooleanField(help_text="From the answer that was read again.")


class AskSerializer(StrictSerializer):
    """Whom, and what about. Of anybody of the clinic where nobody is named."""

    colleague = serializers.IntegerField(
        required=False,
        default=None,
        allow_null=True,
        min_value=1,
        max_value=2**31 - 1,
        help_text="The id of one of `colleagues`.",
    )
    elsewhere = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=254,
        help_text="Or the e-mail address of a doctor of another clinic. Your patient is asked.",
    )
    question = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=1000,
        help_text="Your colleague reads blind: do not write what you think it is.",
    )


class AskedForSerializer(serializers.Serializer[Any]):
    """What is asked now."""

    id = serializers.UUIDField()
    share = serializers.UUIDField(
        allow_null=True, help_text="Of a doctor elsewhere: the share that the patient answers."
    )


class ReadAgainSerializer(OwnReadingSerializer):
    words = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=2000, help_text="To whoever asked."
    )


class ColleaguesView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="colleagues_list",
        summary="The other doctors of your clinic, to be asked",
        responses={200: PersonSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        doctor = doctor_of(request)
        here = User.objects.reading_doctors().filter(clinic=doctor.clinic_id)
        others = here.exclude(pk=doctor.pk).order_by("name", "pk")
        return Response(PersonSerializer(others, many=True).data)


class OpinionsView(APIView):
    """What colleagues say of a case, and asking one."""

    scope = {"GET": Scope.CASES_READ, "POST": Scope.REVIEWS_WRITE}
    throttle_scope = "talk"

    @extend_schema(
        operation_id="cases_opinions_list",
        summary="What colleagues said of a case",
        description=(
            "Where the clinic reads blind it is empty until your own reading is in, or the case is "
            "signed."
        ),
        responses={200: OpinionSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        audit.record("case.viewed", actor=doctor, about=f"case:{case.pk}", where="api")
        found: Any = []
        if presenting.own_is_in(case, doctor):
            whole = gathered.one_or_404(
                Case.objects.readable_by_doctor(doctor), case.pk, SECOND_READINGS, SHARES
            )
            found = opinions_of(whole)
        return Response(OpinionSerializer(found, many=True).data)

    @extend_schema(
        operation_id="cases_opinions_create",
        summary="Ask a colleague before you sign",
        description=(
            "One question at a time; the same again is the one that waits. A doctor of another "
            "clinic sees nothing before the patient has agreed. You can sign without waiting."
        ),
        request=AskSerializer,
        responses={200: AskedForSerializer} | problems(404, 409, 422),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        form = AskColleagueForm(valid(AskSerializer(data=request.data)), case=case, doctor=doctor)
        must_fit(form)
        asked = workflow.ask_here_or_elsewhere(case, doctor, **form.cleaned_data)
        if asked is None:
            raise wrong_together({"elsewhere": [NOBODY]})
        key, share = (
            (asked.asked_id, asked.pk) if isinstance(asked, CaseShare) else (asked.pk, None)
        )
        return Response(AskedForSerializer({"id": key, "share": share}).data)


class AskedView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="opinions_list",
        summary="What you are asked to read a second time",
        description="By colleagues, by the draw, or to settle a difference; and what you read.",
        responses={200: AskedListSerializer},
    )
    def get(self, request: Request) -> Response:
        doctor = doctor_of(request)
        with_all = ("asked_by", "case__clinic")
        waiting = SecondReading.objects.to_read_by(doctor).select_related(*with_all)[:FIRST]
        read = SecondReading.objects.open_to(doctor).filter(read_by=doctor)
        lately = read.select_related(*with_all).order_by("-read_at", "-pk")[:LATELY]
        told = AskedListSerializer(
            {"waiting": waiting, "read": lately}, context={"request": request}
        )
        return Response(told.data)


class OpinionView(APIView):
    scope = {"GET": Scope.CASES_READ, "PUT": Scope.REVIEWS_WRITE}

    @extend_schema(
        operation_id="opinions_read",
        summary="A case to be read again, blind",
        description="Neither the computer's view nor a colleague's stands beside it.",
        responses={200: AskedCaseSerializer} | problems(404),
    )
    def get(self, request: Request, opinion: UUID) -> Response:
        doctor, asked = _open_to(request, opinion)
        waits = SecondReading.objects.to_read_by(doctor).filter(pk=asked.pk).exists()
        if not waits and asked.read_by_id != doctor.pk:
            raise NotFound  # it is another's, or not needed any more
        about = f"case:{asked.case_id}"
        audit.record("case.viewed", actor=doctor, about=about, where="api")
        return Response(AskedCaseSerializer(asked, context={"request": request}).data)

    @extend_schema(
        operation_id="opinions_reading",
        summary="Say what you see",
        description=(
            "Kept as it is: asked again, it is told as it was recorded. Where somebody was first, "
            "or the case is answered, it is 409 `moved`."
        ),
        request=ReadAgainSerializer,
        responses={200: OwnOpinionSerializer} | problems(404, 409, 422),
    )
    def put(self, request: Request, opinion: UUID) -> Response:
        doctor, asked = _open_to(request, opinion)
        form = SecondReadingForm(
            as_typed(valid(ReadAgainSerializer(data=request.data))), pack=asked.case.pack
        )
        must_fit(form)
        kept = workflow.read_again(asked, doctor, **form.cleaned_data)
        return Response(OwnOpinionSerializer(kept).data)


def _open_to(request: Request, key: UUID) -> tuple[User, SecondReading]:
    """One about a case of the doctor's clinic, or the one that another clinic shares with them."""
    user = user_of(request)
    mine = SecondReading.objects.open_to(user).select_related(
        "asked_by", "case__clinic", "case__patient__carer"
    )
    return user, get_object_or_404(mine, pk=key)

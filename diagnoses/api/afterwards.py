"""After the answer: what it turned out to be, and letters to whoever sees the patient next."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit
from accounts.models import Scope
from diagnoses import presenting, workflow
from diagnoses.again_forms import LetterForm, OutcomeForm
from diagnoses.api.doctor import as_typed, doctors_case
from diagnoses.api.evidence import absolute
from diagnoses.api.problems import must_fit, photo_away, problems, valid
from diagnoses.api.views import user_of
from diagnoses.api.vocabulary import diagnoses
from diagnoses.models import Case, Letter, Outcome
from diagnoses.sealing import AwayError
from diagnoses.strict import StrictSerializer
from diagnoses.views.afterwards import as_paper


class OutcomeSerializer(serializers.ModelSerializer[Outcome]):
    recorded_by = serializers.CharField(source="recorded_by.name")

    class Meta:
        model = Outcome
        fields = ["id", "source", "diagnosis", "words", "found_on", "recorded_by", "created_at"]


class NewOutcomeSerializer(StrictSerializer):
    diagnosis = serializers.ChoiceField(
        choices=diagnoses(), help_text="A label of the case's pack; empty for none of them."
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]  # taken out of the class by DRF
        choices=Outcome.Source.choices
    )
    found_on = serializers.DateField(help_text="The day of the report or the visit.")
    words = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=300,
        help_text="Needed where it is none of the labels.",
    )


class LetterSerializer(serializers.ModelSerializer[Letter]):
    doctor = serializers.CharField(source="doctor.name")
    review = serializers.IntegerField(source="review_id", help_text="The answer it is about.")
    url = serializers.SerializerMethodField(help_text="The paper, a PDF.")

    class Meta:
        model = Letter
        fields = ["id", "url", "doctor", "review", "addressee", "words", "with_photos"]
        fields += ["created_at"]

    @extend_schema_field(serializers.URLField())
    def get_url(self, letter: Letter) -> str:
        return absolute(self, "api-letter", letter.pk)


class NewLetterSerializer(StrictSerializer):
    addressee = serializers.CharField(
        max_length=200, trim_whitespace=False, help_text="A person, a department, or both."
    )
    words = serializers.CharField(
        max_length=4000,
        trim_whitespace=False,
        help_text="The patient's name, the answers, the diagnosis and the photos are added.",
    )
    with_photos = serializers.BooleanField(required=False, default=True)


class AboutSigned(APIView):
    """What is posted here is posted once; the same again is what is there."""

    scope = {"GET": Scope.CASES_READ, "POST": Scope.REVIEWS_WRITE}
    throttle_scope = "talk"


class OutcomesView(AboutSigned):
    @extend_schema(
        operation_id="cases_outcomes_list",
        summary="What it turned out to be",
        description=(
            "The newest counts and comes first. Where the clinic reads blind it is empty until "
            "your own reading is in, or the case is signed."
        ),
        responses={200: OutcomeSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        audit.record("case.viewed", actor=doctor, about=f"case:{case.pk}", where="api")
        known = case.outcomes.select_related("recorded_by").order_by("-pk")
        if not presenting.own_is_in(case, doctor):
            known = known.none()
        return Response(OutcomeSerializer(known, many=True).data)

    @extend_schema(
        operation_id="cases_outcomes_create",
        summary="Record what histology or time has shown",
        description="Of a signed case. Nothing is overwritten: another one counts instead.",
        request=NewOutcomeSerializer,
        responses={200: OutcomeSerializer} | problems(404, 422),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        form = OutcomeForm(as_typed(valid(NewOutcomeSerializer(data=request.data))), pack=case.pack)
        must_fit(form)
        kept = workflow.record_outcome(case, doctor, **form.cleaned_data)
        return Response(OutcomeSerializer(kept).data)


class LettersView(AboutSigned):
    @extend_schema(
        operation_id="cases_letters_list",
        summary="The letters about a case",
        description="For the doctors of its clinic, once it is signed; the oldest first.",
        responses={200: LetterSerializer(many=True)} | problems(404),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        audit.record("case.viewed", actor=doctor, about=f"case:{case.pk}", where="api")
        letters = case.letters.select_related("doctor") if case.is_signed else Letter.objects.none()
        told = LetterSerializer(letters, many=True, context={"request": request})
        return Response(told.data)

    @extend_schema(
        operation_id="cases_letters_create",
        summary="Write a referral letter",
        description="About the answer that stands. Kept as written; the same again is the same.",
        request=NewLetterSerializer,
        responses={200: LetterSerializer} | problems(404, 422),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        form = LetterForm(valid(NewLetterSerializer(data=request.data)))
        must_fit(form)
        kept = workflow.write_letter(case, doctor, **form.cleaned_data)
        return Response(LetterSerializer(kept, context={"request": request}).data)


class LetterView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="letters_read",
        summary="A letter on paper, as a PDF",
        description="Written to the trail as printed.",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY} | problems(404, 503),
    )
    def get(self, request: Request, letter: UUID) -> HttpResponse:
        doctor = user_of(request)
        mine = Letter.objects.filter(case__in=Case.objects.readable_by_doctor(doctor))
        try:
            return as_paper(mine, letter, doctor, where="api")
        except AwayError:
            raise photo_away() from None

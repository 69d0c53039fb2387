"""What a clinic's system does for a doctor: the list, the claim, the own reading, the signature.

The rules are the forms' and the workflow's: an answer goes through the form that the page shows.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope, User
from diagnoses import claims, presenting, workflow
from diagnoses import worklist as waiting
from diagnoses.api.doctor_words import (
    AnswerSerializer,
    ClaimSerializer,
    OwnReadingSerializer,
    WorklistQuery,
    WorklistSerializer,
    worklist_row,
)
from diagnoses.api.problems import (
    forbidden,
    must_fit,
    problems,
    refused,
    valid,
    wrong_together,
)
from diagnoses.api.serializers import FirstReadingSerializer, ReviewSerializer
from diagnoses.api.views import cases_of, user_of
from diagnoses.doctor_forms import NO_LABEL, AmendForm, AnswerForm, FirstReadingForm
from diagnoses.models import Case, Review


class WorklistView(APIView):
    scope = Scope.CASES_READ

    @extend_schema(
        operation_id="worklist",
        summary="What waits for a doctor, the most urgent first",
        description="For doctors: 25 cases a page; the next page starts behind the last case.",
        parameters=[WorklistQuery],
        responses={200: WorklistSerializer} | problems(400),
    )
    def get(self, request: Request) -> Response:
        doctor = doctor_of(request)
        asked = valid(WorklistQuery(data=request.query_params.dict()))
        filters = waiting.Filters.read(request.query_params).looked_up()
        page = waiting.page(doctor, filters, after=asked["after"])
        following = None
        if page.after:
            query = filters.query(after=str(page.after))
            following = request.build_absolute_uri(f"{request.path}?{query}")
        rows = [worklist_row(row, request) for row in page.rows]
        return Response({"next": following, "results": rows})


class ClaimView(APIView):
    """A claim runs out by itself; it keeps nobody from reading."""

    scope = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="cases_claim",
        summary="Show colleagues that you have the case open",
        description="Repeat it while it is; two minutes without a word end it. It locks nothing.",
        request=None,
        responses={200: ClaimSerializer} | problems(404),
    )
    def put(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        claims.keep(case, doctor)
        alive_at, others = claims.of_case(case, doctor)
        open_with = [{"doctor": one.doctor.name, "since": one.since} for one in others]
        return Response(ClaimSerializer({"alive_at": alive_at, "open_with": open_with}).data)

    @extend_schema(
        operation_id="cases_claim_delete",
        summary="The case is closed again",
        request=None,
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        claims.let_go(case, doctor, timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class OwnReadingView(APIView):
    scope = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="cases_reading_create",
        summary="Record your own reading",
        description=(
            "Before the computer's view opens. The first one stands: asked again, it is told as "
            "it was recorded."
        ),
        request=OwnReadingSerializer,
        responses={
            201: OpenApiResponse(FirstReadingSerializer, "Recorded."),
            200: OpenApiResponse(FirstReadingSerializer, "Recorded before, and as it was."),
        }
        | problems(404, 409, 422),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        form = FirstReadingForm(
            as_typed(valid(OwnReadingSerializer(data=request.data))), pack=case.pack
        )
        must_fit(form)
        before = case.first_readings.filter(doctor=doctor).exists()
        kept = workflow.read_first(case, doctor, **form.cleaned_data)
        return Response(FirstReadingSerializer(kept).data, status=200 if before else 201)


class ReviewsView(APIView):
    scope = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="cases_reviews_create",
        summary="Sign the answer, or amend it",
        description=(
            "It leaves for the patient ten seconds later; until then DELETE takes it back. With "
            "`after`, the newest answer's id, it amends a signed case, and nothing can be undone. "
            "The same answer again is the one that is already there."
        ),
        request=AnswerSerializer,
        responses={
            201: OpenApiResponse(ReviewSerializer, "Signed."),
            200: OpenApiResponse(ReviewSerializer, "Signed before, word for word."),
        }
        | problems(404, 409, 422),
    )
    def post(self, request: Request, pk: UUID) -> Response:
        doctor, case = doctors_case(request, pk)
        said = valid(AnswerSerializer(data=request.data))
        after: int | None = said.pop("after")
        saw: int = said.pop("saw")
        answer = _answer(case, doctor, said, after)
        try:
            if after is None:
                review = workflow.sign(case, doctor, answer, saw=saw)
            else:
                newest = get_object_or_404(Review, pk=after, case=case)
                review = workflow.amend(case, doctor, answer, after=newest)
        except workflow.WorkflowError as refusal:
            standing = presenting.signed_already(case, doctor, answer)
            if standing is None:
                raise refused(refusal) from refusal
            return Response(ReviewSerializer(standing).data)
        return Response(ReviewSerializer(review).data, status=HTTPStatus.CREATED)


class ReviewView(APIView):
    scope = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="cases_reviews_delete",
        summary="Take your signature back",
        description="Within ten seconds of it. Nothing was sent then; the words are kept, undone.",
        request=None,
        responses={204: None} | problems(404, 409),
    )
    def delete(self, request: Request, pk: UUID, review: int) -> Response:
        doctor, case = doctors_case(request, pk)
        signed = get_object_or_404(Review, pk=review, case=case, doctor=doctor)
        if not signed.is_undone:
            try:
                workflow.undo_signature(case, doctor)
            except workflow.WorkflowError as refusal:
                raise refused(refusal, status=HTTPStatus.CONFLICT) from refusal
        return Response(status=HTTPStatus.NO_CONTENT)


def doctor_of(request: Request) -> User:
    user = user_of(request)
    if not user.is_reading_doctor:
        raise forbidden("doctors_only", "Only doctors whom an admin has verified do that.")
    return user


def doctors_case(request: Request, pk: UUID) -> tuple[User, Case]:
    """A case of the doctor's clinic; its patient is told that it is not for them."""
    user = user_of(request)
    case = get_object_or_404(cases_of(user), pk=pk)
    return doctor_of(request), case


def _answer(case: Case, doctor: User, said: dict[str, Any], after: int | None) -> workflow.Answer:
    """What the page's form makes of it, with the rules that the page has.

    What is sent once more is read as it was signed, whatever the computer has said since.
    """
    standing = case.reviews.standing().last()
    if standing is not None and standing.doctor_id == doctor.pk and standing.pk != after:
        view_open = standing.agrees is not None
    else:
        view_open = presenting.computer_view(case, doctor) is not None
    sure = {f"sure_{said['diagnosis']}": "on"} if said.pop("sure") else {}
    agrees = {True: "yes", False: "no", None: ""}[said["agrees"]]
    typed = as_typed(said | {"agrees": agrees}) | sure
    shape: dict[str, Any] = {"pack": case.pack, "view_open": view_open}
    form = (
        AnswerForm(typed, **shape)
        if after is None
        else AmendForm(typed | {"after": after}, **shape)
    )
    if not form.is_valid():
        sure_field = f"sure_{said['diagnosis']}"
        errors = {
            "sure" if name == sure_field else name: list(told) for name, told in form.errors.items()
        }
        raise wrong_together(errors)
    return form.answer()


def as_typed(said: dict[str, Any]) -> dict[str, Any]:
    """As a form has it: no label is one of its choices, and what is not said is empty."""
    return {name: "" if value is None else value for name, value in said.items()} | {
        "diagnosis": said["diagnosis"] or NO_LABEL
    }

"""Phone numbers: written down, confirmed by the code that is sent to them, removed."""

from __future__ import annotations

from http import HTTPStatus

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import people
from accounts.forms import NumberForm
from accounts.models import ContactNumber, Scope, User
from diagnoses.api.problems import must_fit, problems, unprocessable, valid
from diagnoses.api.views import user_of
from diagnoses.strict import StrictSerializer
from notifications import verification
from notifications.forms import CodeForm
from notifications.ledger import DELIVER
from notifications.models import NumberCode
from notifications.verification import Typed
from notifications.views import WHAT_IS_WRONG
from notifications.wake import wake


class NumberSerializer(serializers.ModelSerializer[ContactNumber]):
    number = serializers.CharField(source="e164")
    confirmed = serializers.SerializerMethodField(help_text="It is known to be theirs.")
    messages = serializers.BooleanField(source="reachable", help_text="Messages may go there.")

    class Meta:
        model = ContactNumber
        fields = ["id", "number", "confirmed", "messages"]

    def get_confirmed(self, number: ContactNumber) -> bool:
        return number.verified_at is not None


class NewNumberSerializer(StrictSerializer):
    number = serializers.CharField(
        max_length=40, trim_whitespace=False, help_text="With or without country code."
    )
    messages = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Agree to messages, in the words of the consent, and have them sent there.",
    )


class CodeSerializer(serializers.ModelSerializer[NumberCode]):
    """A code was sent. It stands in the message and nowhere else."""

    class Meta:
        model = NumberCode
        fields = ["expires_at"]


class TypedCodeSerializer(StrictSerializer):
    code = serializers.CharField(max_length=20, trim_whitespace=False, help_text="Six digits.")


class NumbersView(APIView):
    scope = {"GET": Scope.ACCOUNT_READ, "POST": Scope.ACCOUNT_WRITE}
    throttle_scope = "talk"

    @extend_schema(
        operation_id="account_numbers_list",
        summary="Your phone numbers",
        responses={200: NumberSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        mine = user_of(request).numbers.order_by("pk")
        return Response(NumberSerializer(mine, many=True).data)

    @extend_schema(
        operation_id="account_numbers_create",
        summary="Add a phone number",
        description=(
            "With `messages` it is sent a code, and gets messages once the code is typed back. "
            "The same number again is the one that is there."
        ),
        request=NewNumberSerializer,
        responses={
            201: OpenApiResponse(NumberSerializer, "Added."),
            200: OpenApiResponse(NumberSerializer, "It was there."),
        }
        | problems(422),
    )
    def post(self, request: Request) -> Response:
        user = user_of(request)
        form = NumberForm(valid(NewNumberSerializer(data=request.data)))
        must_fit(form)
        before = user.numbers.filter(e164=form.cleaned_data["number"]).exists()
        number = form.save(user)
        return _told(number, HTTPStatus.OK if before else HTTPStatus.CREATED)


class NumberView(APIView):
    scope = Scope.ACCOUNT_WRITE

    @extend_schema(
        operation_id="account_numbers_delete",
        summary="Remove a phone number",
        request=None,
        responses={204: None} | problems(404),
    )
    def delete(self, request: Request, number: int) -> Response:
        user, mine = _of(request, number)
        people.remove_number(user, mine)
        return Response(status=HTTPStatus.NO_CONTENT)


class NumberMessagesView(APIView):
    scope = Scope.ACCOUNT_WRITE

    @extend_schema(
        operation_id="account_numbers_messages",
        summary="Have messages sent to a number of yours",
        description=(
            "It agrees to messages too. A phone that sent STOP stays stopped until START comes "
            "from it. To end all messages take back the consent."
        ),
        request=None,
        responses={200: NumberSerializer} | problems(404),
    )
    def put(self, request: Request, number: int) -> Response:
        user, mine = _of(request, number)
        return _told(people.keep_number(user, mine.e164, messages=True), HTTPStatus.OK)


class NumberCodeView(APIView):
    scope = Scope.ACCOUNT_WRITE
    throttle_scope = "talk"

    @extend_schema(
        operation_id="account_numbers_code",
        summary="Send a code to a number",
        description="One a minute, five a day; it works for ten minutes. Those before it end.",
        request=None,
        responses={200: CodeSerializer} | problems(404, 422),
    )
    def post(self, request: Request, number: int) -> Response:
        user, mine = _of(request, number)
        try:
            code = verification.send(user, mine)
        except verification.TooSoon as refusal:
            raise unprocessable("refused", str(refusal)) from refusal
        code.refresh_from_db()
        return Response(CodeSerializer(code).data)


class NumberConfirmView(APIView):
    scope = Scope.ACCOUNT_WRITE

    @extend_schema(
        operation_id="account_numbers_confirm",
        summary="Confirm a number by the code that was sent to it",
        description="Each code has five tries. A number confirmed before stays so.",
        request=TypedCodeSerializer,
        responses={200: NumberSerializer} | problems(404, 422),
    )
    def put(self, request: Request, number: int) -> Response:
        user, mine = _of(request, number)
        form = CodeForm(valid(TypedCodeSerializer(data=request.data)))
        must_fit(form)
        if mine.verified_at is None:
            typed = verification.confirm(user, mine, form.cleaned_data["code"])
            mine.refresh_from_db()  # the same request once more may have confirmed it
            if mine.verified_at is None:
                code = "wrong_code" if typed is Typed.WRONG else "code_ended"
                raise unprocessable(code, str(WHAT_IS_WRONG[typed]))
        return Response(NumberSerializer(mine).data)


def _of(request: Request, key: int) -> tuple[User, ContactNumber]:
    user = user_of(request)
    return user, get_object_or_404(user.numbers, pk=key)


def _told(number: ContactNumber, status: HTTPStatus) -> Response:
    """The number as it is; its first code leaves now and not with the next sweep."""
    number.refresh_from_db()
    if verification.is_awaited(number):
        wake(DELIVER)
    return Response(NumberSerializer(number).data, status=status)

"""A token for a program: asked for with e-mail address and password, given back when done."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import second_factor, tokens
from accounts.models import Scope, User
from diagnoses.api.authentication import ByToken
from diagnoses.api.problems import Refused, problems, valid
from diagnoses.strict import StrictSerializer


class CredentialsSerializer(StrictSerializer):
    email = serializers.EmailField()
    password = serializers.CharField(trim_whitespace=False, max_length=200)
    name = serializers.CharField(
        required=False, max_length=60, default="", help_text="What its owner calls it."
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices),
        required=False,
        allow_empty=False,
        max_length=len(Scope),
        help_text="What it may be used for; left out, everything you may do.",
    )
    code = serializers.CharField(
        required=False,
        max_length=20,
        help_text="Of the second factor: from the app, or a recovery code. Doctors and admins have"
        " one, and whoever has set one up.",
    )


class TokenSerializer(serializers.Serializer[dict[str, Any]]):
    token = serializers.CharField(help_text="Send it as “Authorization: Token …”. Shown once.")
    expires_at = serializers.DateTimeField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))


class TokenPermissions(APIView):
    """Anyone may ask for a token; only its holder may give it back, whatever it is good for."""

    throttle_scope = "login"

    def get_permissions(self) -> Any:
        return [AllowAny()] if self._asks() else [IsAuthenticated()]

    def get_authenticators(self) -> Any:
        # A session's cookie must not turn asking for a token into a question of CSRF.
        return [] if self._asks() else [ByToken()]

    def _asks(self) -> bool:
        request = getattr(self, "request", None)
        return request is not None and request.method == "POST"


class TokenView(TokenPermissions):
    @extend_schema(
        operation_id="token_create",
        summary="Get a token",
        auth=[],
        request=CredentialsSerializer,
        responses={200: TokenSerializer} | problems(400, 401, 403, 429),
    )
    def post(self, request: Request) -> Response:
        asked = valid(CredentialsSerializer(data=request.data))
        user = _person(request, asked)
        _second_factor(request, user, asked.get("code", ""))
        scopes = _scopes(user, asked.get("scopes"))
        token, secret = tokens.make(user, scopes, name=asked["name"])
        return Response({"token": secret, "expires_at": token.expiry, "scopes": token.scopes})

    @extend_schema(
        operation_id="token_delete",
        summary="Give the token back",
        request=None,
        responses={204: None} | problems(401),
    )
    def delete(self, request: Request) -> Response:
        token: Any = request.auth
        tokens.end(token)
        return Response(status=HTTPStatus.NO_CONTENT)


def _person(request: Request, credentials: dict[str, Any]) -> User:
    """Checked as the login page checks it, with the same limit on wrong passwords."""
    wrong = Refused(
        HTTPStatus.UNAUTHORIZED, "wrong_credentials", "E-mail address or password is wrong."
    )
    try:
        user = get_adapter().authenticate(
            request._request,  # noqa: SLF001 - DRF's only way to Django's own request
            email=credentials["email"].lower(),
            password=credentials["password"],
        )
    except ValidationError as error:
        sentence = "Too many failed attempts. Please try again later."
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too_many_attempts", sentence) from error
    if not isinstance(user, User) or not user.is_active:
        raise wrong
    return user


def _scopes(user: User, asked: list[str] | None) -> list[Scope]:
    """What was asked for, each once; refused where it opens nothing to such a person."""
    offered = tokens.offered_to(user)
    if asked is None:
        return offered
    if missing := sorted(set(asked) - set(offered)):
        sentence = f"Your account cannot do that: {', '.join(missing)}."
        raise Refused(HTTPStatus.FORBIDDEN, "scope_not_offered", sentence)
    return [scope for scope in offered if scope in asked]


def _second_factor(request: Request, user: User, code: str) -> None:
    """Raises the refusal, where ``user`` needs a code and ``code`` is none that fits."""
    if not second_factor.has_factor(user):
        if second_factor.must_have(user):
            sentence = "Your role needs a second factor. Log in on the website and set it up first."
            raise Refused(HTTPStatus.FORBIDDEN, "second_factor_needed", sentence)
        return
    if not code:
        sentence = "Send the code of your second factor too."
        raise Refused(HTTPStatus.UNAUTHORIZED, "code_needed", sentence)
    try:
        found = second_factor.check_code(user, code, request._request)  # noqa: SLF001 - DRF's only way
    except second_factor.TooManyCodesError as error:
        sentence = "Too many wrong codes. Please try again later."
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too_many_attempts", sentence) from error
    if found is None:
        sentence = "This code is wrong, or was used before."
        raise Refused(HTTPStatus.UNAUTHORIZED, "wrong_code", sentence)

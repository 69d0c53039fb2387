"""A token for a program: asked for with e-mail address and password, given back when done."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from knox.settings import knox_settings
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from accounts import audit, second_factor
from accounts.models import User
from diagnoses.api.problems import ProblemSerializer, Refused


class CredentialsSerializer(serializers.Serializer[dict[str, str]]):
    email = serializers.EmailField()
    password = serializers.CharField(trim_whitespace=False, max_length=200)
    code = serializers.CharField(
        required=False,
        max_length=20,
        help_text="Of the second factor: from the app, or a recovery code. Doctors and admins have"
        " one, and whoever has set one up.",
    )


class TokenSerializer(serializers.Serializer[dict[str, Any]]):
    token = serializers.CharField(help_text="Send it as “Authorization: Token …”. Shown once.")
    expires_at = serializers.DateTimeField()


class TokenPermissions(APIView):
    """Anyone may ask for a token; only its holder may give it back."""

    throttle_scope = "login"

    def get_permissions(self) -> Any:
        return [AllowAny()] if self._asks() else super().get_permissions()

    def get_authenticators(self) -> Any:
        # A session's cookie must not turn asking for a token into a question of CSRF.
        return [] if self._asks() else [TokenAuthentication()]

    def get_throttles(self) -> Any:
        return [ScopedRateThrottle()] if self._asks() else []

    def _asks(self) -> bool:
        request = getattr(self, "request", None)
        return request is not None and request.method == "POST"


class TokenView(TokenPermissions):
    @extend_schema(
        operation_id="token_create",
        summary="Get a token",
        auth=[],
        request=CredentialsSerializer,
        responses={
            200: TokenSerializer,
            (400, "application/problem+json"): ProblemSerializer,
            (401, "application/problem+json"): ProblemSerializer,
            (403, "application/problem+json"): ProblemSerializer,
            (429, "application/problem+json"): ProblemSerializer,
        },
    )
    def post(self, request: Request) -> Response:
        form = CredentialsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = _person(request, form.validated_data)
        _second_factor(request, user, form.validated_data.get("code", ""))
        _drop_the_oldest(user)
        token, secret = AuthToken.objects.create(user)
        audit.record("token.created", actor=user, about=f"user:{user.pk}")
        return Response({"token": secret, "expires_at": token.expiry})

    @extend_schema(
        operation_id="token_delete",
        summary="Give the token back",
        request=None,
        responses={204: None, (401, "application/problem+json"): ProblemSerializer},
    )
    def delete(self, request: Request) -> Response:
        token: AuthToken = request.auth
        audit.record("token.ended", actor=token.user, about=f"user:{token.user.pk}")
        token.delete()
        return Response(status=HTTPStatus.NO_CONTENT)


def _person(request: Request, credentials: dict[str, str]) -> User:
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
        found = second_factor.check_code(user, code, request._request)  # noqa: SLF001 - as above
    except second_factor.TooManyCodesError as error:
        sentence = "Too many wrong codes. Please try again later."
        raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too_many_attempts", sentence) from error
    if found is None:
        sentence = "This code is wrong, or was used before."
        raise Refused(HTTPStatus.UNAUTHORIZED, "wrong_code", sentence)


def _drop_the_oldest(user: User) -> None:
    """A person's newest tokens are kept; a forgotten script cannot lock its owner out."""
    keep = knox_settings.TOKEN_LIMIT_PER_USER - 1
    newest = AuthToken.objects.filter(user=user).order_by("-created").values("pk")[:keep]
    AuthToken.objects.filter(user=user).exclude(pk__in=newest).delete()

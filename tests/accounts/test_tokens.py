"""Tokens: what they are good for, their page, their end, how often they may be used."""

from __future__ import annotations

import uuid
from datetime import timedelta
from http import HTTPStatus

import pytest
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from django.utils import timezone
from knox.settings import knox_settings
from pytest_django import Settings
from rest_framework.permissions import AllowAny
from rest_framework.test import APIClient

from accounts import people, second_factor, tokens
from accounts.models import ApiToken, AuditEntry, Scope
from diagnoses.api import urls
from diagnoses.api.scopes import HasScope, needed
from tests import factor
from tests.cast import PASSWORD, Cast, build_cast
from tests.diagnoses.pages import text_of
from tests.together import at_once

pytestmark = pytest.mark.django_db
PAGE = reverse("account_tokens")
CASES = "/api/v1/cases"
TOKEN = "/api/v1/auth/token/"


def with_password(cast: Cast) -> Client:
    """Ana's browser, in which she has just typed her password."""
    cache.clear()
    client = cast.client(cast.ana)
    again = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert again.status_code == 302
    return client


def program(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    return client


# --- Scopes --------------------------------------------------------------------------------------
def test_a_token_opens_what_its_scopes_name_and_nothing_else(cast: Cast) -> None:
    reading = cast.api(cast.ana, Scope.CASES_READ)
    assert reading.get(CASES).status_code == 200
    refused = reading.post(CASES, {"site": "back"}, format="multipart")
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert refused["Content-Type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["scope"]) == ("scope_needed", "cases:write")
    assert "cases:write" in refused.json()["detail"]
    assert reading.get("/api/v1/people").json()["scope"] == "account:read"


def test_a_token_without_scopes_opens_nothing_and_can_still_be_given_back(cast: Cast) -> None:
    secret = ApiToken.objects.create(cast.ana)[1]
    client = program(secret)
    assert client.get(CASES).status_code == HTTPStatus.FORBIDDEN
    assert client.delete(TOKEN).status_code == HTTPStatus.NO_CONTENT
    assert client.get(CASES).status_code == HTTPStatus.UNAUTHORIZED


def test_a_browsers_session_may_do_all_that_the_person_may(cast: Cast) -> None:
    assert cast.client(cast.ana).get(CASES).status_code == 200


def test_every_address_of_the_api_names_its_scopes() -> None:
    """A view with neither a scope nor open doors would answer its first request with an error."""
    seen = 0
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = getattr(pattern.callback, "cls", None)
        if view is None or AllowAny in view.permission_classes:
            continue
        handled = [name for name in view.http_method_names if hasattr(view, name)]
        for method in set(handled) - {"options"}:
            if pattern.name == "api-token":  # whoever holds a token may end it
                continue
            assert HasScope in view.permission_classes, pattern.name
            assert needed(view, method.upper()) in Scope.values, pattern.name
            seen += 1
    assert seen > 5, "the rule looks at nothing"


def test_a_token_asked_for_with_a_password_has_the_scopes_asked_for(cast: Cast) -> None:
    cache.clear()
    login = {"email": "ana@example.org", "password": PASSWORD}
    narrow = APIClient().post(TOKEN, login | {"scopes": ["cases:read"], "name": "My app"})
    assert narrow.json()["scopes"] == ["cases:read"]
    assert program(narrow.json()["token"]).get("/api/v1/people").status_code == 403
    whole = APIClient().post(TOKEN, login).json()["scopes"]
    assert "reviews:write" not in whole
    assert {"cases:read", "cases:write", "account:read"} <= set(whole)
    beyond = APIClient().post(TOKEN, login | {"scopes": ["reviews:write"]})
    assert (beyond.status_code, beyond.json()["code"]) == (403, "scope_not_offered")
    unknown = APIClient().post(TOKEN, login | {"scopes": ["everything"]})
    assert unknown.status_code == 400
    assert list(unknown.json()["errors"]) == ["scopes"]


def test_a_token_in_no_known_letters_is_nobodys() -> None:
    client = APIClient(HTTP_AUTHORIZATION="Token \xff")
    assert client.get(CASES).status_code == 401


# --- The page ------------------------------------------------------------------------------------
def test_who_makes_a_token_types_the_password_first(cast: Cast) -> None:
    led = cast.client(cast.ana).get(PAGE)
    assert led.status_code == 302
    assert led.headers["Location"].startswith("/accounts/reauthenticate/")


def test_who_makes_a_token_reads_all_that_its_scopes_let_a_program_change(cast: Cast) -> None:
    words = text_of(with_password(cast).get(PAGE))
    for what in ("photos", "name marks", "answer reminders", "another clinic look"):
        assert what in words, what
    for what in ("ask colleagues", "turned out to be", "letters"):
        assert what not in words, "it opens nothing to a patient"
        assert what in Scope.REVIEWS_WRITE.label


def test_a_token_is_made_shown_once_used_listed_and_ended(cast: Cast) -> None:
    browser = with_password(cast)
    form = {"name": "My app", "scopes": ["cases:read"], "days": "7"}
    made = browser.post(PAGE, form)
    row = ApiToken.objects.get(user=cast.ana)
    assert row.scopes == ["cases:read"]
    assert timedelta(days=6) < row.expiry - timezone.now() < timedelta(days=7, seconds=1)
    assert "no-store" in made["Cache-Control"]
    secret = made.context["secret"]
    assert secret in made.content.decode()
    assert program(secret).get(CASES).status_code == 200

    listed = browser.get(PAGE)
    assert secret not in listed.content.decode()
    assert "My app" in text_of(listed)
    assert "Last used on" in text_of(listed)
    ended = browser.post(reverse("account_token", args=[row.public_id]))
    assert ended.status_code == 302
    assert program(secret).get(CASES).status_code == 401
    trail = AuditEntry.objects.filter(about=f"user:{cast.ana.pk}", action__startswith="token.")
    assert [(line.action, line.actor) for line in trail.order_by("pk")] == [
        ("token.created", cast.ana),
        ("token.ended", cast.ana),
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"scopes": []}, {"scopes": ["reviews:write"]}, {"days": "9999"}, {"days": ""}],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(cast: Cast, wrong: dict[str, object]) -> None:
    form = {"name": "My app", "scopes": ["cases:read"], "days": "7"} | wrong
    answer = with_password(cast).post(PAGE, form)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == set(wrong)
    assert "My app" in answer.content.decode() or "name" in wrong
    assert not ApiToken.objects.exists()


def test_nobody_ends_somebody_elses_token(cast: Cast) -> None:
    token = tokens.make(cast.ana, Scope)[0]
    theirs = reverse("account_token", args=[token.public_id])
    assert cast.client(cast.bo).post(theirs).status_code == 404
    assert (
        cast.client(cast.ana).post(reverse("account_token", args=[uuid.uuid4()])).status_code == 404
    )
    assert ApiToken.objects.filter(pk=token.pk).exists()


def test_scopes_are_offered_to_those_to_whom_they_open_something(cast: Cast) -> None:
    assert Scope.REVIEWS_WRITE in tokens.offered_to(cast.ruth)
    assert Scope.REVIEWS_WRITE not in tokens.offered_to(cast.ana)
    assert set(tokens.offered_to(cast.root)) == {Scope.ACCOUNT_READ, Scope.ACCOUNT_WRITE}


def test_a_new_password_and_logging_out_everywhere_end_every_token(cast: Cast) -> None:
    first = cast.api(cast.ana)
    people.change_password(cast.ana, "another good password")
    assert first.get(CASES).status_code == 401
    second = cast.api(cast.ana)
    people.log_out_everywhere(cast.ana)
    assert second.get(CASES).status_code == 401


def test_the_oldest_make_room_and_the_trail_says_which(cast: Cast) -> None:
    limit = knox_settings.TOKEN_LIMIT_PER_USER
    first = tokens.make(cast.ana, Scope)[0]
    over = ApiToken.objects.create(cast.ana, timedelta(days=-1))[0]
    others = [tokens.make(cast.ana, Scope)[0] for _ in range(limit)]
    assert set(ApiToken.objects.filter(user=cast.ana)) == set(others)
    trail = AuditEntry.objects.filter(about=f"user:{cast.ana.pk}").order_by("pk")
    made = [line.detail["token"] for line in trail.filter(action="token.created")]
    assert made == [str(one.public_id) for one in (first, *others)]
    ended = [line.detail["token"] for line in trail.filter(action="token.ended")]
    assert ended == [str(first.public_id)], f"not {over.public_id}, which was over"


@pytest.mark.django_db(transaction=True)
def test_two_made_at_once_leave_no_more_than_there_may_be() -> None:
    ana, limit = build_cast().ana, knox_settings.TOKEN_LIMIT_PER_USER
    for _ in range(limit - 1):
        tokens.make(ana, Scope)
    at_once(*[lambda: tokens.make(ana, Scope)] * 4)
    assert tokens.of(ana).count() == limit
    assert AuditEntry.objects.filter(action="token.ended").count() == 3


def test_staff_without_a_second_step_get_no_token_by_any_way(cast: Cast) -> None:
    """The page sends them to type the password, keeps what they sent, and takes it up again."""
    with pytest.raises(PermissionDenied):
        tokens.make(cast.ruth, Scope)
    cache.clear()
    browser = Client()
    browser.force_login(cast.ruth)
    session = browser.session
    session.update(second_factor.proof(cast.ruth))
    session.save()
    led = browser.post(PAGE, {"name": "My app", "scopes": ["cases:read"], "days": "7"})
    assert led.status_code == 302
    answer = browser.post(led["Location"], {"password": PASSWORD})
    assert answer.status_code == 403
    assert not ApiToken.objects.exists()
    second_factor.give_app(cast.ruth, factor.SECRET)
    assert tokens.make(cast.ruth, [Scope.CASES_READ])[0].scopes == ["cases:read"]


# --- How often -----------------------------------------------------------------------------------
def test_a_token_that_is_used_too_often_waits_and_others_do_not(
    cast: Cast, settings: Settings
) -> None:
    settings.API_RATE = 3
    client = cast.api(cast.ana)
    answers = [client.get(CASES) for _ in range(5)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 200, 200, 429, 429]
    assert answers[0]["RateLimit-Policy"] == '"token";q=3;w=60'
    assert answers[0]["RateLimit"].startswith('"token";r=2;t=')
    refused = answers[3]
    assert refused.json()["code"] == "too_many_requests"
    assert 0 < int(refused["Retry-After"]) <= 60
    assert refused["RateLimit"].startswith('"token";r=0;t=')
    assert cast.api(cast.ana).get(CASES).status_code == 200, "another token of the same person"


def test_a_request_beyond_the_scopes_counts_like_any_other(cast: Cast, settings: Settings) -> None:
    settings.API_RATE = 2
    client = cast.api(cast.ana, Scope.ACCOUNT_READ)
    answers = [client.get(CASES) for _ in range(3)]
    assert [answer.json()["code"] for answer in answers] == [
        *("scope_needed", "scope_needed", "too_many_requests")
    ]
    assert answers[0]["RateLimit"].startswith('"token";r=1;t=')
    assert ApiToken.objects.get(user=cast.ana).last_used_at is not None


def test_a_minute_later_it_may_again(cast: Cast, settings: Settings) -> None:
    settings.API_RATE = 1
    client = cast.api(cast.ana)
    client.get(CASES)
    ApiToken.objects.update(used=9)
    assert client.get(CASES).status_code == 429
    ApiToken.objects.update(minute=timezone.now() - timedelta(minutes=2))
    assert client.get(CASES).status_code == 200


def test_counting_costs_one_statement(cast: Cast) -> None:
    token = tokens.make(cast.ana, Scope)[0]
    with CaptureQueriesContext(connection) as captured:
        assert tokens.count(token) is not None
    assert len(captured) == 1
    token.delete()
    assert tokens.count(token) is None

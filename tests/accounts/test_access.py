"""The doors: not logged in, the login; logged in as someone else, there is no such page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts import access
from accounts.models import User
from tests.cast import Cast

STAFF = {"ruth", "sam", "uma", "xu", "ada", "root"}
EVERYONE = STAFF | {"ana", "bo"}


def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


def knock(door: access.View[[]], user: User | None) -> int:
    request = RequestFactory().get("/a/page/?q=1")
    request.user = user or AnonymousUser()
    try:
        response = door(request)
    except Http404:
        return 404
    if response.status_code == 302:
        assert response["Location"] == "/accounts/login/?next=/a/page/%3Fq%3D1"
    return response.status_code


@pytest.mark.parametrize(
    ("door", "allowed"),
    [
        (access.login_required, EVERYONE),
        (access.patient_required, {"ana", "bo"}),
        (access.reading_doctor_required, {"ruth", "sam", "xu"}),
    ],
)
def test_each_door_opens_for_its_own(
    cast: Cast, door: Callable[[access.View[[]]], access.View[[]]], allowed: set[str]
) -> None:
    guarded = door(page)
    answers = {name: knock(guarded, who) for name, who in cast.everyone().items()}
    assert {name for name, status in answers.items() if status == 200} == allowed
    waiting = {"uma"} if door is access.reading_doctor_required else set()
    assert {name for name, status in answers.items() if status == 403} == waiting
    assert {name for name, status in answers.items() if status == 404} == (
        EVERYONE - allowed - waiting
    )
    assert knock(guarded, None) == 302


def test_a_doctor_nobody_has_confirmed_is_told_so(cast: Cast) -> None:
    request = RequestFactory().get("/")
    request.user = cast.uma
    response = access.reading_doctor_required(page)(request)
    assert isinstance(response, HttpResponse)
    assert response.status_code == 403
    assert "North" in response.content.decode()

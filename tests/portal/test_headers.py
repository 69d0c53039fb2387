"""What every answer tells the browser: each address × nobody, a patient, a doctor, an admin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from portal.headers import CAMERA, NOBODYS
from tests import production
from tests.cast import PASSWORD, Cast
from tests.matrix.table import EVERYBODY, PARTS, TABLE, Row
from tests.matrix.world import NOBODY, World, build

pytestmark = pytest.mark.usefixtures("media")
WHO = (NOBODY, "ana", "ruth", "root")
# What anybody may keep a copy of: it names nobody. The pages to learn from only for who is nobody.
PUBLIC = {"manifest", "security_txt"}
PUBLIC_TO_NOBODY = {"learn", "learn_lesson", "learn_step", "learn_condition"}
SAID = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
}
POLICY = {
    "default-src": "'none'",
    "object-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "manifest-src": "'self'",
}


@pytest.fixture
def world(cast: Cast, settings: Settings) -> World:
    production.take_on(settings)
    return build(cast)


def policy_of(answer: HttpResponse) -> dict[str, str]:
    parts = answer.headers.get("Content-Security-Policy", "").split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


def mistakes(name: str, who: str, answer: Any) -> Iterator[str]:
    """What this answer should have told the browser and has not, each in a line."""
    where = f"{name} for {who} ({answer.status_code})"
    for header, value in SAID.items():
        if answer.headers.get(header) != value:
            yield f"{where}: {header} is {answer.headers.get(header)!r}"
    expected = POLICY | ({"img-src": "'self' blob: data:"} if name == "api-docs" else {})
    if policy_of(answer) != expected and not (name == "api-docs" and policy_of(answer) == POLICY):
        yield f"{where}: the policy is {policy_of(answer)}"
    camera = "camera=(self)" in answer.headers["Permissions-Policy"].split(", ")
    if camera != (name in CAMERA):
        yield f"{where}: the camera is {'on' if camera else 'off'}"
    if not camera and not answer.streaming and b"cases/camera" in answer.content:
        yield f"{where}: the page opens a camera that it may not use"
    kept = "no-store" not in answer.headers.get("Cache-Control", "")
    if kept and name not in PUBLIC and not (name in PUBLIC_TO_NOBODY and who == NOBODY):
        yield f"{where}: caches may keep it: {answer.headers.get('Cache-Control')!r}"


def asked(world: World, name: str, row: Row) -> Iterator[tuple[str, HttpResponse]]:
    address = reverse(name, args=[world.things.get(str(part), part) for part in row.names])
    for who in WHO:
        person = world.people[who]
        client: Any = world.cast.api(person) if row.api else world.cast.client(person)
        client.raise_request_exception = False
        answer = client.get(address, secure=True)
        assert answer.status_code != HTTPStatus.BAD_REQUEST, f"{name}: nothing was asked"
        yield who, answer


@pytest.mark.parametrize("part", PARTS)
def test_every_answer_tells_the_browser_what_it_may(world: World, part: str) -> None:
    found = [
        line
        for name, row in PARTS[part].items()
        for who, answer in asked(world, name, row)
        for line in mistakes(name, who, answer)
    ]
    assert not found, "\n".join(found)


def test_the_camera_is_on_where_a_page_opens_it(world: World) -> None:
    client = world.cast.client(world.cast.ana)
    photo = reverse("case_step", args=[world.things["draft"], "photo"])
    page = client.get(photo, secure=True)
    assert page.status_code == 200
    assert b"data-camera" in page.content
    assert "camera=(self)" in page.headers["Permissions-Policy"].split(", ")


def test_what_no_page_uses_is_off_and_what_one_uses_is_not(world: World) -> None:
    told = Client().get("/", secure=True).headers["Permissions-Policy"].split(", ")
    assert {f"{name}=()" for name in NOBODYS} <= set(told)
    assert {"microphone=()", "geolocation=()", "camera=()"} <= set(told)
    assert "publickey-credentials-get=(self)" in told, "passkeys"
    assert "fullscreen=(self)" in told, "the viewer"


def test_every_cookie_is_for_this_host_alone_and_for_no_script(world: World) -> None:
    client = Client()
    client.get(reverse("account_login"), secure=True)
    client.post(reverse("language"), {"language": "es"}, secure=True)
    client.post(
        reverse("account_login"),
        {"login": world.cast.bo.email, "password": PASSWORD},
        secure=True,
    )
    cookies = {name: one for name, one in client.cookies.items() if one.value}
    assert {"__Host-session", "__Host-csrf"} <= set(cookies)
    assert "__Host-language" in client.cookies
    assert all(name.startswith("__Host-") for name in client.cookies)
    for name, one in cookies.items():
        assert one["secure"], name
        assert one["httponly"], name
        assert one["samesite"] == "Lax", name
        assert (one["path"], one["domain"]) == ("/", ""), name


def test_no_page_sets_a_cookie_of_its_own(world: World) -> None:
    """Whatever is opened, whoever opens it: nothing but the three."""
    names = set()
    for name, row in TABLE.items():
        if row.to >= EVERYBODY or "ana" in row.to:
            names |= {cookie for _, answer in asked(world, name, row) for cookie in answer.cookies}
    assert names <= {"__Host-session", "__Host-csrf", "__Host-language"}


def test_plain_http_is_led_to_https_and_an_error_has_its_headers_too(world: World) -> None:
    plain = Client().get("/account/")
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://testserver/account/")
    lost = Client().get("/no/such/page/", secure=True)
    assert lost.status_code == 404
    assert not list(mistakes("nowhere", NOBODY, lost))


def test_the_policy_has_no_way_in_for_inline_code_or_for_another_site(world: World) -> None:
    policy = Client().get("/", secure=True).headers["Content-Security-Policy"]
    assert not re.search(r"unsafe|nonce|sha256|https?:|\*|data:", policy)

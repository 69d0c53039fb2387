"""Every address × everybody × every method (R14): what is not yours does not exist.

The addresses come from the resolver, so that a new one without a row fails here. Each request is
undone, files aside: all are made of the same world.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from accounts.models import User
from tests.cast import Cast
from tests.matrix.table import PARTS, SECRET, TABLE, UNVERIFIED, WHILE_PENDING, Row
from tests.matrix.world import NOBODY, PENDING, SUSPENDED, World, build

pytestmark = pytest.mark.usefixtures("media")
METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
OUTSIDE = {NOBODY, SUSPENDED}
NOT_ALLOWED, NOT_THERE, FORBIDDEN, UNAUTHORISED, GONE = 405, 404, 403, 401, 410
NOT_READY = 503  # no worker runs here, and the address that says so says so


@pytest.fixture
def world(cast: Cast) -> World:
    return build(cast)


def named(
    patterns: list[Any], namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, URLPattern]]:
    for one in patterns:
        if isinstance(one, URLResolver):
            inner = (*namespaces, one.namespace) if one.namespace else namespaces
            yield from named(one.url_patterns, inner)
        else:
            yield ":".join((*namespaces, one.name or "?")), one


def clients(world: World, row: Row) -> dict[str, Client | APIClient]:
    """Everybody's browser, or their program where it is the API's address."""
    make = world.cast.api if row.api else world.cast.client
    found = {}
    for name, who in world.people.items():
        if name == SUSPENDED and row.api:
            continue  # their tokens are deleted: they are nobody
        client = unproven(who) if name == PENDING else make(who)
        client.raise_request_exception = False  # a 500 is an answer, too
        found[name] = client
    return found


def unproven(who: User | None) -> Client:
    """With the password alone; where the API is asked, its own session asks it."""
    client = Client()
    assert who is not None
    client.force_login(who)
    return client


def answers(client: Client | APIClient, address: str) -> dict[str, HttpResponse]:
    found = {}
    for method in METHODS:
        with transaction.atomic():
            found[method] = getattr(client, method)(address)
            transaction.set_rollback(True)
    return found


def is_refusal(name: str, answer: Any, row: Row) -> bool:
    """Not there, or the login for who is not logged in. Who waits to be verified reads that.

    The API may tell a role that an address is not for it, but of no object that it may not see.
    """
    if name == PENDING:
        return is_led_to_the_second_factor(answer) or answer.status_code == NOT_ALLOWED
    if row in SECRET.values() and answer.status_code in (FORBIDDEN, GONE):
        return True
    if row.api and answer.status_code == FORBIDDEN:
        return not row.names or name in TABLE["api-case"].to
    to_login = answer.status_code == 302 and "/login/" in answer.headers["Location"]
    if name in OUTSIDE and (to_login or answer.status_code == UNAUTHORISED):
        return True
    if name in UNVERIFIED and answer.status_code == FORBIDDEN:
        return True
    return answer.status_code in (NOT_THERE, NOT_ALLOWED)


def is_led_to_the_second_factor(answer: Any) -> bool:
    """By a page, or told so by the API."""
    if answer.status_code == FORBIDDEN:
        return not answer.content or answer.json()["code"] == "second_factor_needed"
    return bool(answer.headers.get("Location") == reverse("mfa_index"))


def test_every_address_has_its_row() -> None:
    there = {
        name for name, _ in named(get_resolver().url_patterns) if not name.startswith("admin:")
    }
    assert there == set(TABLE)


def mistakes(world: World, name: str, row: Row) -> Iterator[str]:
    """What is answered otherwise than the row says, each in a line."""
    address = reverse(name, args=[world.things.get(str(part), part) for part in row.names])
    for who, client in clients(world, row).items():
        found = answers(client, address)
        told = " ".join(f"{method} {answer.status_code}" for method, answer in found.items())
        let_in = {method for method, answer in found.items() if not is_refusal(who, answer, row)}
        let_in.discard("options")  # tells which methods there are, and nothing of what is there
        if any(500 <= answer.status_code != NOT_READY for answer in found.values()):
            yield f"{name} breaks for {who}: {told}"
        may = name in WHILE_PENDING if who == PENDING else who in row.to
        if bool(let_in) != may:
            yield f"{name} {'opens' if let_in else 'is closed'} to {who}: {told}"


@pytest.mark.parametrize("part", PARTS)
def test_addresses_open_to_those_they_are_for_and_to_nobody_else(world: World, part: str) -> None:
    found = [line for name, row in PARTS[part].items() for line in mistakes(world, name, row)]
    assert not found, "\n".join(found)

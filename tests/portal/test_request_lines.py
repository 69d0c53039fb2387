"""Logs for machines: a JSON object a line, one line a request, and nobody's name in any."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from accounts.models import User
from diagnoses import inference
from diagnoses.models import Scoring
from portal.discretion import DiscreetJson, request_id
from tests.cases import a_model_version, claimed, submitted
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db
ID = "0123456789abcdef0123456789abcdef"


class Kept(logging.Handler):
    """Keeps every line as the portal writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(DiscreetJson())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def read(self, logger: str = "") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.lines]
        return [line for line in lines if not logger or line["logger"] == logger]


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, root = Kept(), logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)


def test_a_request_has_one_line_with_its_route_and_role_and_nobodys_name(
    cast: Cast, kept: Kept
) -> None:
    for who, role in ((cast.ana, "patient"), (cast.ruth, "doctor"), (None, "nobody")):
        kept.lines.clear()
        cast.client(who).get("/account/?secret=1")
        [line] = kept.read("portal.access")
        assert (line["route"], line["role"], line["method"]) == ("account", role, "GET")
        assert line["status"] == (302 if who is None else 200)
        assert line["ms"] > 0
        assert line["level"] == "INFO"
        assert {"time", "message", "request_id"} <= set(line)
        assert "secret" not in kept.lines[-1]
        for person in cast.everyone().values():
            assert person.name not in "".join(kept.lines)
            assert person.email not in "".join(kept.lines)


def test_the_role_of_who_comes_with_a_token_is_known(cast: Cast, kept: Kept) -> None:
    assert cast.api(cast.ana).get("/api/v1/cases").status_code == 200
    assert kept.read("portal.access")[-1]["role"] == "patient"


def test_the_token_of_a_link_is_in_no_line(cast: Cast, kept: Kept) -> None:
    token = "abcdefghijklmnopqrstuvwxyz0123456789"
    assert cast.client(cast.ana).get(f"/l/{token}/").status_code == 404
    lines = kept.read()
    assert {line["logger"] for line in lines} >= {"portal.access", "django.request"}
    assert token not in "".join(kept.lines)
    assert len({line["request_id"] for line in lines}) == 1, "both lines are of one request"


@pytest.mark.parametrize(
    ("given", "kept_as_it_is"),
    [
        (ID, True),
        ("123e4567-e89b-12d3-a456-426614174000", True),
        ("ana.silva@example.org", False),
        ("+447700900101", False),
        ("short", False),
        (f"{ID}\r\nSet-Cookie: x", False),
        ("a" * 65, False),
        ("", False),
    ],
)
def test_a_request_keeps_the_id_it_came_with_where_that_can_be_one(
    client: Client, given: str, kept_as_it_is: bool, kept: Kept
) -> None:
    answer = client.get("/health/live", headers={"X-Request-ID": given})
    said = answer["X-Request-ID"]
    assert (said == given) is kept_as_it_is
    assert len(said) >= 16
    assert kept.read("portal.access")[0]["request_id"] == said
    assert request_id.get() == "", "it ends with its request"


def test_a_row_that_postgresql_refuses_is_in_no_line(cast: Cast, kept: Kept) -> None:
    called = "Zorblatt"  # not in the line that fails, which is quoted
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        User.objects.filter(pk=cast.ana.pk).update(name=called, email=None)
    error = refused.value
    assert called in str(error)
    logging.getLogger("portal").error(
        "It failed for %s: %s", "ana@example.org", error, exc_info=error
    )
    [line] = kept.read("portal")
    assert "…@" in line["message"]
    assert "IntegrityError" in line["error"]
    assert "left out" in line["error"]
    for planted in (called, "ana@", PASSWORD):
        assert planted not in kept.lines[0]


@pytest.mark.usefixtures("media")
def test_a_line_about_a_scoring_names_it(cast: Cast, kept: Kept) -> None:
    a_model_version()
    row = claimed(submitted(cast.ana))
    Scoring.objects.filter(pk=row.pk).update(attempts=3, token=None, lease_until=None)
    assert inference.give_up_exhausted() == 1
    [line] = kept.read("diagnoses.inference")
    assert (line["scoring_id"], line["attempt"], line["level"]) == (row.pk, 3, "ERROR")

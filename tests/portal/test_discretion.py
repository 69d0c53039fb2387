"""Logs name nobody, whatever an error quotes."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction

from accounts.models import ContactNumber, User
from portal.discretion import Discreet, discreet, logging_as
from tests.cast import ANAS_NUMBER, Cast


def logged(error: BaseException) -> str:
    """The lines of an error, as the portal's formatter writes them."""
    info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("portal", logging.ERROR, __file__, 1, "It failed", (), info)
    return Discreet("{levelname} {message}", style="{").format(record)


def test_every_log_line_of_the_portal_is_written_so() -> None:
    logging_: Any = settings.LOGGING
    assert {name: one["class"] for name, one in logging_["formatters"].items()} == {
        "text": "portal.discretion.Discreet",
        "json": "portal.discretion.DiscreetJson",
    }
    assert {one["formatter"] for one in logging_["handlers"].values()} == {"json"}
    assert logging_as("text", "INFO")["handlers"]["stderr"]["formatter"] == "text"
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT"):
        logging_as("xml", "INFO")


def test_a_row_that_postgresql_refuses_is_not_quoted(cast: Cast) -> None:
    called = "Zorblatt\n\nof Quux"  # not in the line that fails, which is quoted
    with pytest.raises(DatabaseError) as number, transaction.atomic():
        ContactNumber.objects.create(user=cast.ana, e164=ANAS_NUMBER)
    with pytest.raises(DatabaseError) as name, transaction.atomic():
        User.objects.filter(pk=cast.ana.pk).update(name=called, email=None)
    assert ANAS_NUMBER not in str(number.value), "it rests sealed"
    assert "Zorblatt" in str(name.value), "PostgreSQL tells less than the test thinks"
    for error in (number.value, name.value):
        lines = logged(error)
        assert ANAS_NUMBER not in lines
        assert "Zorblatt" not in lines
        assert "of Quux" not in lines
        assert "DETAIL: left out" in lines
        assert "IntegrityError" in lines


def test_the_error_behind_an_error_is_left_in_and_its_row_is_not() -> None:
    refused = ValueError("null value\nDETAIL:  Failing row contains (7, Zorblatt\nQuux).")
    failed = RuntimeError("nothing works")
    failed.__cause__ = refused
    lines = logged(failed)
    assert "Zorblatt" not in lines
    assert "Quux" not in lines
    assert lines.index("null value") < lines.index("The above exception")
    assert "RuntimeError: nothing works" in lines


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("to +447700900123 failed", "to +44…23 failed"),
        ("to +44 7700 900123 failed", "to +44…23 failed"),
        ("Messages.json?To=whatsapp%3A%2B447700900123", "Messages.json?To=whatsapp%3A%2B…23"),
        ("ana.silva+x@example.org wrote", "…@example.org wrote"),
        ("Not Found: /l/ab-cdEFGhijklmnopqrstu/", "Not Found: /l/…/"),
        ("Not Found: /invitations/ab_cdEFGhijklmnopqrs/", "Not Found: /invitations/…/"),
        ("GET /accounts/password/reset/key/3-c1a2b3-0f/", "GET /accounts/password/reset/key/…/"),
        ("Not Found: /messages/stop/NDI:1abcDE:ghijklmnop_q/", "Not Found: /messages/stop/…/"),
        ("celery@worker ready at 12:00, in +5.2 s", "celery@worker ready at 12:00, in +5.2 s"),
        ("message 7b3a (case_signed by whatsapp): failed 63016",) * 2,
    ],
)
def test_numbers_addresses_and_tokens_are_left_out_and_nothing_else(
    said: str, written: str
) -> None:
    assert discreet(said) == written

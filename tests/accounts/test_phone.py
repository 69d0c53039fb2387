"""Numbers as people write them become E.164, or a sentence about what to change."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from accounts.phone import EXTENSION, NOBODYS, UNREADABLE, masked, spoken, to_e164


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("+44 7911 123456", "+447911123456"),
        ("07911 123456", "+447911123456"),
        ("(07911) 123-456", "+447911123456"),
        ("0044 7911 123456", "+447911123456"),
        ("+1 (202) 555-0123", "+12025550123"),
        ("\u202a+34 600 123 456\u202c", "+34600123456"),
        ("07700 900123", "+447700900123"),
    ],
)
def test_many_ways_to_write_it(typed: str, e164: str) -> None:
    assert to_e164(typed) == e164


def test_a_local_number_is_read_in_the_region_given() -> None:
    assert to_e164("600 123 456", "ES") == "+34600123456"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", UNREADABLE),
        ("call me", UNREADABLE),
        ("+999 123 456", UNREADABLE),
        ("12345", NOBODYS),
        ("+44 7700 90012", NOBODYS),
        ("+44 0000 000000", NOBODYS),
        ("0" * 39, UNREADABLE),
        ("07911 123456 ext 4", EXTENSION),
    ],
)
def test_garbage_gets_a_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        to_e164(typed)
    assert refusal.value.messages == [sentence]


def test_a_masked_number_cannot_be_rung() -> None:
    assert masked("+447700900123") == "+44…23"
    assert spoken("+447700900123") == "+44 7700 900123"

"""What a password may be: long, taken as it was typed, and none that everybody thinks of."""

from __future__ import annotations

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.cast import Cast
from tests.signing import sign_up

pytestmark = pytest.mark.django_db


def signed_up_with(password: str) -> User | None:
    given = {"name": "Eva Novak", "email": "eva@example.org", "password1": password, "care": "on"}
    sign_up(Client(), given)
    return User.objects.filter(email="eva@example.org").first()


@pytest.mark.parametrize(
    "password",
    [
        "kitten sun",  # ten characters, and no rule for which
        "ß☃ é Ж 日本語 ok",
        "  spaces at both ends  ",
        "CamelCase stays CamelCase",
        "long " * 40,
    ],
)
def test_any_password_of_ten_characters_is_taken_exactly_as_typed(password: str) -> None:
    eva = signed_up_with(password)
    assert eva is not None
    assert eva.check_password(password)
    for other in (password.swapcase(), password[:-1], password.strip() + "!", password + " "):
        assert not eva.check_password(other)


@pytest.mark.parametrize(
    "password",
    ["short sun", "1234567890", "qwertyuiop", "password123", "8675309867", "eva@example.org"],
)
def test_short_common_and_personal_ones_are_refused(password: str) -> None:
    assert signed_up_with(password) is None


@pytest.mark.parametrize("name", ["account_signup", "account_login"])
def test_the_field_hides_what_is_typed_and_managers_may_fill_it(name: str) -> None:
    page = Client().get(reverse(name)).content.decode()
    [field] = [
        one for one in page.split("<input")[1:] if 'name="password' in one.split(">", maxsplit=1)[0]
    ]
    tag = field.split(">", maxsplit=1)[0]
    assert 'type="password"' in tag
    assert 'autocomplete="' in tag
    assert 'autocomplete="off"' not in tag


def test_ones_own_name_is_refused_where_one_changes_it(cast: Cast) -> None:
    with pytest.raises(ValidationError, match="too similar"):
        validate_password("ana silva1", cast.ana)

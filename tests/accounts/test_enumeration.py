"""Nobody learns who has an account: the same words, the same status, the same work.

Work is counted, not timed: how often a password is hashed, which takes longer than all the rest,
and how many letters leave.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import people, second_factor
from accounts.models import Clinic, SuspensionReason, User
from portal.settings import people as settings_of_people
from tests import factor, signing
from tests.cast import Cast

WRONG = "not the right one at all"
MALLORYS = "a password of mallory's own"
# Each question from another place: from one they would soon be too many.
_FROM = itertools.cycle(range(1, 255))
Ask = Callable[[Client, str], Any]


@dataclass(frozen=True)
class Told:
    """What somebody who asks about an address can tell."""

    status: int
    where: str
    words: str
    hashed: int
    letters: int


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time a password is hashed."""
    calls: list[str] = []
    real = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        calls.append(password)
        return str(real(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return calls


@pytest.fixture
def addresses(cast: Cast) -> dict[str, str]:
    """Of everybody whom an answer might give away; each has another reason to be told apart."""
    people.suspend(cast.bo, cast.root, SuspensionReason.LEFT)
    second_factor.give_app(cast.ruth, factor.SECRET)
    erased = User.objects.create_user("gone@example.org", "irrelevant", name="Gone")
    erased.set_unusable_password()
    erased.save()
    return {
        "nobody": "nobody@example.org",
        "patient": cast.ana.email,
        "suspended": cast.bo.email,
        "doctor with a second factor": cast.ruth.email,
        "doctor without": cast.sam.email,
        "without a password": erased.email,
    }


def ask(how: Ask, email: str, hashed: list[str]) -> Told:
    hashed.clear()
    mail.outbox.clear()
    answer = how(Client(REMOTE_ADDR=f"192.0.2.{next(_FROM)}"), email)
    words = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
    where = answer.headers.get("Location", "")
    return Told(answer.status_code, where, words.replace(email, "…"), len(hashed), len(mail.outbox))


def log_in(client: Client, email: str) -> Any:
    return client.post(reverse("account_login"), {"login": email, "password": WRONG})


def reset(client: Client, email: str) -> Any:
    return client.post(reverse("account_reset_password"), {"email": email})


def token(client: Client, email: str) -> Any:
    given = {"email": email, "password": WRONG}
    return client.post(reverse("api-token"), given, "application/json")


def sign_up(client: Client, email: str) -> Any:
    given = {"name": "Mallory", "email": email, "password1": MALLORYS, "care": "on"}
    client.post(signing.FORM, given | {"clinic": Clinic.objects.earliest("pk").pk})
    return client.get(signing.CODE_PAGE)


def guess_the_code(client: Client, email: str) -> Any:
    sign_up(client, email)
    return client.post(signing.CODE_PAGE, {"code": "ABCD-EFGH"})


def sign_up_and_log_in(client: Client, email: str) -> Any:
    """With the password just chosen: it must open nothing anywhere."""
    sign_up(client, email)
    return client.post(reverse("account_login"), {"login": email, "password": MALLORYS})


@pytest.mark.parametrize(
    ("how", "work"),
    [
        (log_in, (1, 0)),
        (token, (1, 0)),
        (reset, (0, 1)),
        (sign_up, (1, 1)),
        (guess_the_code, (1, 1)),
        (sign_up_and_log_in, (2, 1)),
    ],
    ids=["page", "API", "reset", "sign-up", "guessed code", "log-in after a sign-up"],
)
def test_every_address_is_answered_alike(
    addresses: dict[str, str], hashed: list[str], how: Ask, work: tuple[int, int]
) -> None:
    told = {who: ask(how, email, hashed) for who, email in addresses.items()}
    assert set(told.values()) == {told["nobody"]}, told
    assert (told["nobody"].hashed, told["nobody"].letters) == work


def test_passwords_are_hashed_with_argon2_first() -> None:
    """The tests hash with something quick; this is what everybody else has."""
    first = settings_of_people.PASSWORD_HASHERS[0]
    assert first == f"{Argon2PasswordHasher.__module__}.{Argon2PasswordHasher.__name__}"

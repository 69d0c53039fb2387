"""The people of the stories. Everyone's e-mail address is their first name at example.org.

Two clinics, so that "not yours" can always be tried:

======  =========  =======  ===============================================================
Ana     patient    North    has a confirmed number, agreed to care, computer check, messages
Bo      patient    North    agreed to care only; no number; may never see anything of Ana's
Ruth    doctor     North    verified
Sam     doctor     North    verified; the second reader, and the one who comes second
Uma     doctor     North    invited, not verified: sees and signs nothing
Xu      doctor     South    verified, in the wrong clinic
Ada     admin      North    looks after the people of North only
Root    admin      –        a superuser; looks after everyone
======  =========  =======  ===============================================================
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts import people, second_factor, sessions
from accounts.models import ApiToken, Clinic, Consent, ContactNumber, Role, Scope, User
from accounts.wording import ASKED_ON_SENDING

PASSWORD = "correct horse battery staple"
ANAS_NUMBER = "+447700900101"
RUTHS_NUMBER = "+447700900201"
SAMS_NUMBER = "+447700900202"
XUS_NUMBER = "+447700900301"


@dataclass(frozen=True)
class Cast:
    """The named people, and a browser or an API client for any of them."""

    north: Clinic
    south: Clinic
    ana: User
    bo: User
    ruth: User
    sam: User
    uma: User
    xu: User
    ada: User
    root: User

    def client(self, person: User | None = None) -> Client:
        """A browser in which ``person`` is logged in; nobody, without one."""
        return logged_in(person)

    def api(self, person: User | None = None, *scopes: Scope) -> APIClient:
        """A client of the API with a token of ``person``'s, good for ``scopes`` or for everything;
        without a person, none."""
        client = APIClient()
        if person is not None:
            _, token = ApiToken.objects.create(person, scopes=list(scopes or Scope))
            client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return client

    def everyone(self) -> dict[str, User]:
        """By first name."""
        return {name: who for name, who in vars(self).items() if isinstance(who, User)}


@pytest.fixture
def cast(db: None) -> Cast:
    """The people, in a database of their own that the test throws away."""
    return build_cast()


def build_cast() -> Cast:
    """Make everyone, for a test that brings its own database or transaction."""
    north = Clinic.objects.create(name="North", double_reading_percent=0)
    south = Clinic.objects.create(name="South")
    staff = {"role": Role.ADMIN, "is_staff": True}
    root = _person("Root", None, **staff, is_superuser=True)
    cast = Cast(
        north=north,
        south=south,
        ana=_person("Ana Silva", north),
        bo=_person("Bo Berg", north),
        ruth=_doctor("Ruth Okafor", north, RUTHS_NUMBER, verified_by=root),
        sam=_doctor("Sam Patel", north, SAMS_NUMBER, verified_by=root),
        uma=_doctor("Uma Roy", north, "", verified_by=None),
        xu=_doctor("Xu Lin", south, XUS_NUMBER, verified_by=root),
        ada=_person("Ada Moss", north, **staff),
        root=root,
    )
    for kind in ASKED_ON_SENDING:
        people.give_consent(cast.ana, kind)
    confirmed_number(cast.ana, ANAS_NUMBER)
    people.give_consent(cast.bo, Consent.Kind.CARE)
    return cast


def logged_in(person: User | None = None, **options: Any) -> Client:
    """A browser in which ``person`` is logged in; ``options`` are Client's."""
    client = Client(**options)
    if person is not None:
        enter(client, person)
    return client


def enter(client: Client, person: User) -> None:
    """Log in without the page, second factor and all: the one way in which tests do it.

    Who must have no factor shows none. It was an hour ago, so what changes the log-in asks again.
    """
    client.force_login(person)
    session = client.session
    session[sessions.OPENED] = time.time() - 3600
    if second_factor.must_have(person):
        session.update(second_factor.proof(person))
    session.save()


def confirmed_number(user: User, e164: str) -> ContactNumber:
    """A number of theirs that is told news: they typed back the code that was sent to it."""
    number = people.add_number(user, e164, opt_in=True)
    people.confirm_number(user, number, ContactNumber.Proof.CODE)
    return number


def _doctor(name: str, clinic: Clinic, number: str, *, verified_by: User | None) -> User:
    doctor = _person(name, None)
    people.make_doctor(doctor, clinic)
    if number:
        people.give_consent(doctor, Consent.Kind.MESSAGES)
        confirmed_number(doctor, number)
    if verified_by is not None:
        people.verify_doctor(doctor, verified_by)
    return doctor


def _person(name: str, clinic: Clinic | None, **fields: object) -> User:
    email = f"{name.split(' ', maxsplit=1)[0].lower()}@example.org"
    return User.objects.create_user(email, PASSWORD, name=name, clinic=clinic, **fields)

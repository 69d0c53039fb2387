"""Somebody without a login: written down by their carer, and never able to come in."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts import audit, care, languages, people
from accounts.models import AuditEntry, Consent, Relation, Role, User
from accounts.people import PeopleError
from tests.cast import Cast
from tests.diagnoses.pages import Response, errors_of, text_of

ADD = reverse("person_add")


@pytest.fixture
def leo(cast: Cast) -> User:
    return care.look_after(cast.ana, "Leo Duarte", Relation.CHILD)


def add(cast: Cast, query: str = "", **changed: str) -> Response:
    said = {"name": "Leo Duarte", "relation": "child", "may_decide": "on"} | changed
    kept = {name: value for name, value in said.items() if value}
    return cast.client(cast.ana).post(ADD + query, kept)


def test_a_carer_writes_somebody_down(cast: Cast) -> None:
    answer = add(cast, name="  Leo   Duarte ")
    leo = User.objects.get(carer=cast.ana)
    assert answer.url == reverse("person", args=[leo.pk])
    assert (leo.name, leo.relation, leo.role, leo.clinic) == (
        "Leo Duarte",
        Relation.CHILD,
        Role.PATIENT,
        cast.ana.clinic,
    )
    assert not leo.has_usable_password()
    entry = AuditEntry.objects.get(action="person.looked_after")
    assert (entry.actor, entry.about) == (cast.ana, f"user:{leo.pk}")
    account = text_of(cast.client(cast.ana).get(reverse("account")))
    assert "Leo Duarte My child" in account


def test_on_the_way_to_a_photo_one_goes_on_to_it(cast: Cast) -> None:
    answer = add(cast, "?then=photo")
    leo = User.objects.get(carer=cast.ana)
    assert answer.url == f"{reverse('case_new')}?start&for={leo.pk}"


@pytest.mark.parametrize("field", ["name", "relation", "may_decide"])
def test_what_is_missing_is_said_beside_its_field(cast: Cast, field: str) -> None:
    assert list(errors_of(add(cast, **{field: ""}))) == [field]
    assert not User.objects.filter(carer=cast.ana).exists()


def test_a_double_click_writes_one_person(cast: Cast) -> None:
    add(cast)
    add(cast)
    assert User.objects.filter(carer=cast.ana).count() == 1


def test_there_is_an_end_to_whom_one_can_look_after(cast: Cast) -> None:
    for number in range(care.MOST):
        care.look_after(cast.ana, f"Child {number}", Relation.CHILD)
    answer = add(cast, name="One more")
    assert "at most" in " ".join(errors_of(answer)["__all__"])


def test_only_a_patient_looks_after_somebody(cast: Cast, leo: User) -> None:
    for other in (cast.ruth, cast.ada, leo):
        with pytest.raises(PeopleError):
            care.look_after(other, "Kim", Relation.CHILD)


def test_what_is_done_for_them_is_written_down_as_the_carers(cast: Cast, leo: User) -> None:
    consent = people.give_consent(leo, Consent.Kind.CARE)
    assert (consent.user, consent.given_by) == (leo, cast.ana)
    assert people.has_consent(leo, Consent.Kind.CARE)
    given = AuditEntry.objects.filter(action="consent.given").latest("pk")
    assert (given.actor, given.about) == (cast.ana, f"user:{leo.pk}")
    assert audit.record("x", actor=cast.bo).actor == cast.bo


def test_one_consent_is_not_the_others(cast: Cast, leo: User) -> None:
    assert people.has_consent(cast.ana, Consent.Kind.CARE)
    assert not people.has_consent(leo, Consent.Kind.CARE)


def test_they_are_written_to_in_their_carers_language(cast: Cast, leo: User) -> None:
    languages.choose(cast.ana, "es")
    leo = User.objects.get(pk=leo.pk)
    assert languages.language_of(leo) == "es"


def test_nobody_comes_in_as_them(cast: Cast, leo: User) -> None:
    browser = cast.client()
    answer = browser.post(reverse("account_login"), {"login": leo.email, "password": ""})
    assert answer.status_code == 200
    assert "_auth_user_id" not in browser.session


def test_their_page_is_their_carers_alone(cast: Cast, leo: User) -> None:
    address = reverse("person", args=[leo.pk])
    assert "Leo Duarte" in text_of(cast.client(cast.ana).get(address))
    for other in (cast.bo, cast.ruth, cast.ada):
        assert cast.client(other).get(address).status_code == 404
    bo_himself = reverse("person", args=[cast.bo.pk])
    assert cast.client(cast.bo).get(bo_himself).status_code == 404


def test_the_carer_mends_the_name(cast: Cast, leo: User) -> None:
    address = reverse("person", args=[leo.pk])
    cast.client(cast.ana).post(address, {"name": "Leonardo", "relation": "relative"})
    leo.refresh_from_db()
    assert (leo.name, leo.relation) == ("Leonardo", Relation.RELATIVE)
    refused = cast.client(cast.ana).post(address, {"name": "", "relation": "nobody"})
    assert sorted(errors_of(refused)) == ["name", "relation"]


def test_a_carer_does_not_become_a_doctor(cast: Cast, leo: User) -> None:
    assert leo.carer == cast.ana
    with pytest.raises(PeopleError):
        people.make_doctor(cast.ana, cast.north)


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "leo@example.org"},
        {"relation": ""},
        {"role": Role.ADMIN},
        {"carer": None},
        {"name": "Erased person", "is_active": False, "erased_at": "2026-11-01T00:00Z"},
    ],
)
def test_the_database_keeps_them_without_a_login(leo: User, changed: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=leo.pk).update(**changed)


def test_nobody_looks_after_themselves(leo: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=leo.pk).update(carer=leo.pk)

"""The rules of clinics: whose, what is refused, two admins at once, and the line each leaves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from accounts import clinics
from accounts.models import AuditEntry, Clinic, User
from accounts.people import PeopleError
from tests.cast import Cast

LIST, NEW = "/manage/clinics/", "/manage/clinics/new/"


def at(clinic: Clinic) -> str:
    return reverse("manage_clinic", args=[clinic.pk])


def rules(clinic: Clinic, **others: Any) -> dict[str, Any]:
    """What a browser sends of the clinic's page as it is, with some of it changed."""
    sent: dict[str, Any] = {name: getattr(clinic, name) for name in clinics.SETTINGS}
    sent |= {"seen": clinics.seen(clinic)} | others
    return {key: value for key, value in sent.items() if value is not False and value is not None}


def text_of(response: Any) -> str:
    body = response.content.decode().partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def now(clinic: Clinic) -> Clinic:
    return Clinic.objects.get(pk=clinic.pk)


def test_for_everyone_else_there_are_no_clinics(cast: Cast) -> None:
    for who in (cast.ana, cast.ruth, cast.uma, cast.xu):
        client = cast.client(who)
        for address in (LIST, NEW, at(cast.north)):
            assert client.get(address).status_code == 404
            assert client.post(address, rules(cast.north, name="X")).status_code in (404, 405)
    assert cast.client().get(LIST).status_code == 302
    assert Clinic.objects.count() == 2


def test_an_admin_of_one_has_that_one(cast: Cast) -> None:
    ada = cast.client(cast.ada)
    assert "South" not in text_of(ada.get(LIST))
    assert ada.get(at(cast.south)).status_code == 404
    assert ada.post(at(cast.south), rules(cast.south, name="Mine")).status_code == 404
    assert ada.get(NEW).status_code == 404
    assert ada.post(NEW, rules(Clinic(name="West"))).status_code == 404
    assert set(Clinic.objects.values_list("name", flat=True)) == {"North", "South"}
    shown = text_of(ada.get(LIST))
    assert "2 doctors, 1 admin, 2 patients" in shown
    assert "1 doctor to be verified" in shown


def test_the_functions_ask_too(cast: Cast) -> None:
    for who in (cast.ana, cast.ruth, cast.ada):
        with pytest.raises(PeopleError):
            clinics.add(who, {"name": "West"})
        with pytest.raises(PeopleError):
            clinics.change(cast.south, who, {"name": "W"}, as_seen=clinics.seen(cast.south))
    User.objects.filter(pk=cast.root.pk).update(is_active=False)
    with pytest.raises(PeopleError):
        clinics.add(cast.root, {"name": "West"})


def test_rules_are_changed_and_only_what_is_other_is_written_down(cast: Cast) -> None:
    said = rules(
        cast.north,
        release_policy="after_review",
        red_answer_hours=12,
        time_zone="America/Lima",
        sun_month=11,
        full_report="on",
        double_reading_percent=0,
    )
    ada = cast.client(cast.ada)
    answer = ada.post(at(cast.north), said, follow=True)
    assert "It is saved." in text_of(answer)
    line = AuditEntry.objects.get(action="clinic.changed")
    assert (line.actor, line.about) == (cast.ada, f"clinic:{cast.north.pk}")
    assert line.detail == {
        "release_policy": "after_review",
        "red_answer_hours": 12,
        "time_zone": "America/Lima",
        "sun_month": 11,
        "full_report": True,
    }
    assert now(cast.north).full_report
    # The second click of a double click: what it asks for is so already.
    assert "Nothing was to be changed." in text_of(ada.post(at(cast.north), said, follow=True))
    assert AuditEntry.objects.filter(action="clinic.changed").count() == 1


def test_a_new_name_is_kept_and_not_in_the_trail(cast: Cast) -> None:
    cast.client(cast.ada).post(at(cast.north), rules(cast.north, name="Zorblatt"))
    assert now(cast.north).name == "Zorblatt"
    assert "Zorblatt" not in str(AuditEntry.objects.get(action="clinic.changed").detail)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "This is needed"),
        ({"name": "South"}, "There is a clinic of this name already."),
        ({"time_zone": "Lima"}, "There is no such time zone."),
        ({"red_answer_hours": 0}, "1"),
        ({"double_reading_percent": 101}, "100"),
        ({"release_policy": "never"}, "never"),
        ({"green_answer_hours": "soon"}, "whole number"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    cast: Cast, wrong: dict[str, Any], said: str
) -> None:
    before = clinics.seen(cast.north)
    answer = cast.client(cast.ada).post(
        at(cast.north), rules(cast.north, amber_answer_hours=41) | wrong
    )
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert 'value="41"' in answer.content.decode()
    assert clinics.seen(now(cast.north)) == before
    assert not AuditEntry.objects.filter(action="clinic.changed").exists()


def test_nobody_undoes_what_another_has_set_meanwhile_without_knowing(cast: Cast) -> None:
    mine = rules(cast.north, amber_answer_hours=40)
    cast.client(cast.root).post(at(cast.north), rules(cast.north, red_answer_hours=6))
    ada = cast.client(cast.ada)
    answer = ada.post(at(cast.north), mine)
    assert answer.status_code == 409
    shown = text_of(answer)
    assert "Somebody else changed these rules" in shown
    assert "Hours to answer an urgent case (red) 6" in shown
    assert 'value="40"' in answer.content.decode()
    assert (now(cast.north).red_answer_hours, now(cast.north).amber_answer_hours) == (6, 48)
    # The page that is shown can be sent: now they know.
    fresh = mine | {"red_answer_hours": 6, "seen": clinics.seen(now(cast.north))}
    assert ada.post(at(cast.north), fresh).status_code == 302
    assert (now(cast.north).red_answer_hours, now(cast.north).amber_answer_hours) == (6, 40)


def test_an_admin_of_all_adds_a_clinic_once(cast: Cast) -> None:
    root = cast.client(cast.root)
    assert root.get(NEW).status_code == 200
    said = rules(Clinic(name="West", double_reading_percent=10), seen="")
    answer = root.post(NEW, said, follow=True)
    west = Clinic.objects.get(name="West")
    assert answer.redirect_chain[-1][0] == at(west)
    assert west.double_reading_percent == 10
    again = root.post(NEW, said)
    assert again.status_code == 422
    assert "There is a clinic of this name already." in again.content.decode()
    line = AuditEntry.objects.get(action="clinic.added")
    assert (line.actor, line.about) == (cast.root, f"clinic:{west.pk}")


def test_of_two_who_take_a_name_at_once_the_second_is_told(cast: Cast) -> None:
    """Past the form's own look: the database has the last word."""
    with pytest.raises(clinics.NameTakenError):
        clinics.add(cast.root, {"name": "South"})
    with pytest.raises(clinics.NameTakenError):
        clinics.change(cast.north, cast.ada, {"name": "South"}, as_seen=clinics.seen(cast.north))
    assert not AuditEntry.objects.filter(action__startswith="clinic.").exists()


def test_every_rule_of_a_clinic_has_its_place_and_its_explanation(cast: Cast) -> None:
    page = cast.client(cast.ada).get(at(cast.north)).content.decode()
    own = {field.name for field in Clinic._meta.fields} - {"id", "created_at"}
    assert own == set(clinics.SETTINGS)
    for name in own:
        assert f'name="{name}"' in page, name
        assert f'id="id_{name}_helptext"' in page, name

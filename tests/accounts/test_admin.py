"""The admin: behind the one login, to look at; changes are actions and leave their line."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts import people
from accounts.admin_base import ReadOnlyAdmin
from accounts.models import AuditEntry, Clinic, Consent, SuspensionReason, User
from tests.cast import ANAS_NUMBER, PASSWORD, Cast

INDEX = reverse("admin:index")
PEOPLE = reverse("admin:accounts_user_changelist")
CLINICS = reverse("admin:accounts_clinic_changelist")
TRAIL = reverse("admin:accounts_auditentry_changelist")


def page_of(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def act(action: str, *who: User, **more: str) -> dict[str, object]:
    return {"action": action, "_selected_action": [user.pk for user in who], **more}


# --- The door ------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["ana", "bo", "ruth", "uma", "xu"])
@pytest.mark.parametrize("url", [INDEX, PEOPLE, TRAIL, "/admin/login/", "/admin/no/such/"])
def test_for_everyone_else_it_does_not_exist(cast: Cast, who: str, url: str) -> None:
    assert cast.client(cast.everyone()[who]).get(url).status_code == 404


def test_there_is_one_login(cast: Cast) -> None:
    visitor = cast.client()
    response = visitor.get(PEOPLE, follow=True)
    assert response.redirect_chain[-1][0] == f"{reverse('account_login')}?next={PEOPLE}"
    visitor.post("/admin/login/", {"username": cast.root.email, "password": PASSWORD})
    assert "_auth_user_id" not in visitor.session
    arrived = visitor.post(
        reverse("account_login"),
        {"login": cast.root.email, "password": PASSWORD, "next": PEOPLE},
        follow=True,
    )
    assert arrived.redirect_chain[-1][0] == PEOPLE
    assert "Ana Silva" in arrived.content.decode()


def test_a_suspended_admin_is_out(cast: Cast) -> None:
    browser = cast.client(cast.ada)
    assert browser.get(INDEX).status_code == 200
    people.suspend(cast.ada, cast.root, SuspensionReason.SECURITY)
    assert browser.get(INDEX).status_code == 302


def test_passwords_are_changed_where_the_audit_trail_sees_it(cast: Cast) -> None:
    response = cast.client(cast.root).get(reverse("admin:password_change"))
    assert response["Location"] == reverse("account_change_password")


# --- To look at ----------------------------------------------------------------------------------
def test_every_page_is_one_of_ours_and_read_only_unless_it_says_so(cast: Cast) -> None:
    assert admin.site._registry
    assert all(isinstance(page, ReadOnlyAdmin) for page in admin.site._registry.values())
    for page in (None, admin.ModelAdmin):
        with pytest.raises(TypeError, match="ReadOnlyAdmin"):
            admin.site.register(AuditEntry, page)


@pytest.mark.parametrize("who", ["ada", "root"])
def test_nobody_edits_adds_or_deletes_a_person(cast: Cast, who: str) -> None:
    browser = cast.client(cast.everyone()[who])
    url = page_of(cast.uma)
    assert browser.get(url).status_code == 200
    assert browser.post(url, {"name": "Dr Evil", "role": "admin"}).status_code == 403
    assert browser.post(url.replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert browser.post(reverse("admin:accounts_user_add"), {"name": "X"}).status_code == 403
    browser.post(PEOPLE, act("delete_selected", cast.uma, post="yes"))
    uma = User.objects.get(pk=cast.uma.pk)
    assert (uma.name, uma.role) == ("Uma Roy", "doctor")


def test_nobody_rewrites_the_trail(cast: Cast) -> None:
    browser = cast.client(cast.root)
    url = reverse("admin:accounts_auditentry_change", args=[AuditEntry.objects.latest("pk").pk])
    assert browser.get(url).status_code == 200
    assert browser.post(url, {"action": "nothing"}).status_code == 403


def test_a_persons_page_shows_what_was_agreed_and_no_number_to_ring(cast: Cast) -> None:
    page = cast.client(cast.ada).get(page_of(cast.ana)).content.decode()
    assert "+44…01" in page
    assert ANAS_NUMBER not in page
    assert "A computer checks my photos first (2026-11)" in page
    assert "consent.given" in page
    assert "argon2" not in page
    assert cast.ana.password not in page


def test_an_admin_of_a_clinic_sees_that_clinics_people(cast: Cast) -> None:
    ada, root = cast.client(cast.ada), cast.client(cast.root)
    assert "Xu Lin" not in ada.get(PEOPLE).content.decode()
    assert "Xu Lin" in root.get(PEOPLE).content.decode()
    assert "Ana Silva" in ada.get(PEOPLE).content.decode()
    assert "South" not in ada.get(PEOPLE).content.decode()
    assert "South" in root.get(PEOPLE).content.decode()
    assert ada.get(page_of(cast.xu)).status_code == 302
    assert "South" not in ada.get(CLINICS).content.decode()
    people.withdraw_consent(cast.xu, Consent.Kind.MESSAGES)
    assert "consent.withdrawn" in root.get(TRAIL).content.decode()
    assert "consent.withdrawn" not in ada.get(TRAIL).content.decode()


# --- Actions -------------------------------------------------------------------------------------
def test_confirming_a_doctor(cast: Cast) -> None:
    browser = cast.client(cast.ada)
    assert 'value="verify"' in browser.get(page_of(cast.uma)).content.decode()
    page = browser.post(PEOPLE, act("verify", cast.uma), follow=True).content.decode()
    assert "Confirmed: 1" in page
    assert User.objects.get(pk=cast.uma.pk).verified_by == cast.ada
    assert AuditEntry.objects.get(action="doctor.verified", about=f"user:{cast.uma.pk}").actor == (
        cast.ada
    )
    assert 'value="verify"' not in browser.get(page_of(cast.uma)).content.decode()


def test_what_cannot_be_done_is_said_and_stops_nothing_else(cast: Cast) -> None:
    page = cast.client(cast.ada).post(PEOPLE, act("verify", cast.ana, cast.uma), follow=True)
    assert "Ana Silva is not a doctor." in page.content.decode()
    assert User.objects.get(pk=cast.uma.pk).is_reading_doctor


def test_suspending_asks_for_the_reason_first(cast: Cast) -> None:
    browser, theirs = cast.client(cast.ada), cast.client(cast.bo)
    page = browser.post(PEOPLE, act("suspend", cast.bo)).content.decode()
    assert "Suspend these people?" in page
    assert "Bo Berg" in page
    assert User.objects.get(pk=cast.bo.pk).is_active
    browser.post(PEOPLE, act("suspend", cast.bo, answered="yes", reason="nonsense"))
    assert User.objects.get(pk=cast.bo.pk).is_active
    browser.post(PEOPLE, act("suspend", cast.bo, answered="yes", reason="left"))
    assert not User.objects.get(pk=cast.bo.pk).is_active
    assert theirs.get(reverse("account")).status_code == 302
    assert AuditEntry.objects.get(action="person.suspended").detail == {"reason": "left"}
    browser.post(PEOPLE, act("restore", cast.bo))
    assert User.objects.get(pk=cast.bo.pk).is_active


def test_an_admin_acts_on_nobody_outside_their_clinic(cast: Cast) -> None:
    cast.client(cast.ada).post(PEOPLE, act("suspend", cast.xu, answered="yes", reason="left"))
    assert User.objects.get(pk=cast.xu.pk).is_active
    cast.client(cast.root).post(PEOPLE, act("suspend", cast.xu, answered="yes", reason="left"))
    assert not User.objects.get(pk=cast.xu.pk).is_active


@pytest.mark.parametrize("who", ["ana", "ruth"])
def test_actions_are_for_admins(cast: Cast, who: str) -> None:
    browser = cast.client(cast.everyone()[who])
    assert browser.post(PEOPLE, act("verify", cast.uma)).status_code == 404
    assert not User.objects.get(pk=cast.uma.pk).is_reading_doctor


# --- Clinics -------------------------------------------------------------------------------------
def test_a_clinics_rules_are_changed_by_its_admin_and_leave_a_line(cast: Cast) -> None:
    rules = {
        "name": "North",
        "release_policy": "after_review",
        "red_answer_hours": "12",
        "amber_answer_hours": "48",
        "green_answer_hours": "72",
        "blind_reading": "on",
        "double_reading_percent": "0",
        "time_zone": "America/Lima",
        "sun_month": "11",
    }
    browser = cast.client(cast.ada)
    for clinic in (cast.north, cast.south):
        browser.post(reverse("admin:accounts_clinic_change", args=[clinic.pk]), rules)
    assert Clinic.objects.get(name="North").release_policy == Clinic.Release.AFTER_REVIEW
    assert Clinic.objects.get(name="South").release_policy == Clinic.Release.AT_ONCE
    line = AuditEntry.objects.get(action="clinic.changed")
    assert (line.actor, line.about) == (cast.ada, f"clinic:{cast.north.pk}")
    assert line.detail == {
        "release_policy": "after_review",
        "red_answer_hours": 12,
        "time_zone": "America/Lima",
        "sun_month": 11,
    }
    refused = browser.post(
        reverse("admin:accounts_clinic_change", args=[cast.north.pk]), rules | {"time_zone": "Lima"}
    )
    assert "There is no such time zone." in refused.content.decode()


def test_only_an_admin_of_all_adds_a_clinic(cast: Cast) -> None:
    url = reverse("admin:accounts_clinic_add")
    assert cast.client(cast.ada).get(url).status_code == 403
    assert cast.client(cast.root).get(url).status_code == 200

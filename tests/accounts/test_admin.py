"""The admin: behind the one login, to look at; changes are actions and leave their line."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts import people
from accounts.admin_base import ReadOnlyAdmin
from accounts.models import AuditEntry, Clinic, Consent, SuspensionReason, User
from tests import factor
from tests.cast import ANAS_NUMBER, PASSWORD, Cast

INDEX = reverse("admin:index")
PEOPLE = reverse("admin:accounts_user_changelist")
CLINICS = reverse("admin:accounts_clinic_changelist")
TRAIL = reverse("admin:accounts_auditentry_changelist")


def page_of(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


# --- The door ------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["ana", "bo", "ruth", "uma", "xu"])
@pytest.mark.parametrize("url", [INDEX, PEOPLE, TRAIL, "/admin/login/", "/admin/no/such/"])
def test_for_everyone_else_it_does_not_exist(cast: Cast, who: str, url: str) -> None:
    assert cast.client(cast.everyone()[who]).get(url).status_code == 404


def test_there_is_one_login(cast: Cast) -> None:
    factor.app_of(cast.root.email)
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
    assert arrived.redirect_chain[-1][0] == reverse("mfa_authenticate")
    code = {"code": factor.code_of(cast.root.email)}
    arrived = visitor.post(reverse("mfa_authenticate"), code, follow=True)
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
    deleting = {"action": "delete_selected", "_selected_action": [cast.uma.pk], "post": "yes"}
    browser.post(PEOPLE, deleting)
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


# --- To do something, elsewhere ------------------------------------------------------------------
@pytest.mark.parametrize("action", ["verify", "suspend", "restore", "delete_selected"])
def test_there_is_nothing_to_do_about_people_here(cast: Cast, action: str) -> None:
    data = {
        "action": action,
        "_selected_action": [cast.uma.pk],
        "answered": "yes",
        "reason": "left",
    }
    before = AuditEntry.objects.count()
    cast.client(cast.root).post(PEOPLE, data)
    uma = User.objects.get(pk=cast.uma.pk)
    assert (uma.is_active, uma.verified_at) == (True, None)
    assert AuditEntry.objects.count() == before
    page = cast.client(cast.root).get(page_of(cast.uma)).content.decode()
    assert reverse("manage_person", args=[cast.uma.pk]) in page


def test_a_clinics_rules_are_read_here_and_changed_elsewhere(cast: Cast) -> None:
    browser = cast.client(cast.root)
    url = reverse("admin:accounts_clinic_change", args=[cast.north.pk])
    assert "release_policy" in browser.get(url).content.decode()
    assert browser.post(url, {"name": "West"}).status_code == 403
    assert browser.get(reverse("admin:accounts_clinic_add")).status_code == 403
    assert set(Clinic.objects.values_list("name", flat=True)) == {"North", "South"}


def test_the_way_back_to_our_own_pages_stands_on_top(cast: Cast) -> None:
    page = cast.client(cast.ada).get(INDEX).content.decode()
    for name in ("manage", "manage_people", "manage_clinics", "staff_messages"):
        assert f'href="{reverse(name)}"' in page, name

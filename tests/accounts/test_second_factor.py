"""The second factor: who must have one, what is closed without it, and what a code is good for."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import managing, people, second_factor
from accounts.models import AuditEntry, Role, User
from tests import factor
from tests.cast import PASSWORD, Cast, logged_in

LOG_IN, CODE, AGAIN = (
    reverse(name) for name in ("account_login", "mfa_authenticate", "mfa_reauthenticate")
)
INDEX, APP = reverse("mfa_index"), reverse("mfa_activate_totp")
STAFF = ("ruth", "sam", "uma", "xu", "ada", "root")
Answer = Any


def with_password(user: User, browser: Client | None = None) -> tuple[Client, Answer]:
    browser = browser or Client()
    return browser, browser.post(LOG_IN, {"login": user.email, "password": PASSWORD})


def code_at(shift: int = 0) -> str:
    """The code of the half minute ``shift`` away from this one."""
    return str(
        format_hotp_value(hotp_value(factor.SECRET, second_factor.this_half_minute() + shift))
    )


@pytest.fixture
def ruth(cast: Cast) -> User:
    """With an app."""
    second_factor.give_app(cast.ruth, factor.SECRET)
    return cast.ruth


@pytest.fixture(autouse=True)
def in_the_middle_of_a_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No code of a test grows old while it runs."""
    now = time.time() // 30 * 30 + 15
    monkeypatch.setattr(time, "time", lambda: now)


# --- The gate ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", STAFF)
def test_staff_with_a_password_alone_see_one_page(cast: Cast, name: str) -> None:
    browser, answer = with_password(cast.everyone()[name])
    assert answer["Location"] == reverse("home")
    for address in ("home", "account", "worklist", "manage", "admin:index", "manage_people"):
        closed = browser.get(reverse(address))
        assert (closed.status_code, closed["Location"]) == (302, INDEX), address
    assert "a password alone is not enough" in browser.get(INDEX).content.decode()


def test_patients_need_none(cast: Cast) -> None:
    browser, _answer = with_password(cast.ana)
    assert browser.get(reverse("account")).status_code == 200


def test_the_api_says_it_in_its_own_words_also_to_a_browser(cast: Cast) -> None:
    browser, _answer = with_password(cast.ruth)
    closed = browser.get(reverse("api-cases"))
    assert closed.status_code == 403
    assert closed["Content-Type"] == "application/problem+json"
    assert closed.json()["code"] == "second_factor_needed"
    assert logged_in(cast.ruth).get(reverse("api-cases")).status_code == 200


def test_who_becomes_a_doctor_is_asked_at_the_next_click(cast: Cast) -> None:
    browser, program = cast.client(cast.bo), cast.api(cast.bo)
    assert browser.get(reverse("account")).status_code == 200
    people.make_doctor(cast.bo, cast.north)
    assert browser.get(reverse("account"))["Location"] == INDEX
    assert program.get(reverse("api-cases")).status_code == 401, "a patient's token opened a door"


def test_a_record_of_somebody_else_lets_nobody_in(cast: Cast) -> None:
    browser = Client()
    browser.force_login(cast.ruth)
    session = browser.session
    session.update(second_factor.proof(cast.sam))
    session.save()
    assert browser.get(reverse("worklist"))["Location"] == INDEX


# --- Setting one up ------------------------------------------------------------------------------
def set_up(browser: Client) -> tuple[Answer, str]:
    page = browser.get(APP).content.decode()
    found = re.search(r'<code id="secret">(\w+)</code>', page)
    assert found, page
    assert "<svg" in page
    assert "data:image" not in page, "the page's rules allow no such picture"
    code = format_hotp_value(hotp_value(found[1], second_factor.this_half_minute()))
    return browser.post(APP, {"code": code}), found[1]


@pytest.mark.django_db(transaction=True)
def test_setting_up_an_app_opens_the_doors(cast: Cast) -> None:
    browser, _answer = with_password(cast.ruth)
    elsewhere = cast.client(cast.ruth)
    answer, secret = set_up(browser)
    assert answer["Location"] == reverse("mfa_view_recovery_codes")
    codes = re.findall(
        r"<li><code>(\d{8})</code>", browser.get(answer["Location"]).content.decode()
    )
    assert len(codes) == 10
    assert browser.get(reverse("worklist")).status_code == 200
    assert elsewhere.get(reverse("worklist")).status_code == 302, "logged out everywhere else"
    again = browser.get(answer["Location"]).content.decode()
    assert not set(codes) & set(re.findall(r"\d{8}", again)), "shown twice"
    assert AuditEntry.objects.filter(action="factor.added", actor=cast.ruth).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(data::text, ' ') FROM mfa_authenticator")
        stored = cursor.fetchone()[0]
    assert not {word for word in (secret, *codes) if word in stored}, "not sealed"


def test_a_wrong_code_sets_nothing_up(cast: Cast) -> None:
    browser, _answer = with_password(cast.ruth)
    browser.get(APP)
    answer = browser.post(APP, {"code": "000000"})
    assert "This is not right" in answer.content.decode()
    assert not Authenticator.objects.exists()


def test_a_stolen_password_adds_nothing_to_who_has_one(ruth: User) -> None:
    """A session from before it was set up, which never showed it."""
    browser = Client()
    browser.force_login(ruth)
    for name in ("mfa_add_webauthn", "mfa_index", "mfa_view_recovery_codes", "mfa_deactivate_totp"):
        assert browser.get(reverse(name))["Location"] == AGAIN, name
    answer = browser.post(AGAIN, {"code": code_at(), "next": reverse("worklist")})
    assert answer["Location"] == reverse("worklist")
    assert browser.get(reverse("worklist")).status_code == 200


def test_who_must_have_one_keeps_one(ruth: User) -> None:
    browser = logged_in(ruth)
    browser.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = browser.get(reverse("mfa_deactivate_totp")).content.decode()
    assert "your only second step" in page
    browser.post(reverse("mfa_deactivate_totp"))
    assert Authenticator.objects.filter(user=ruth).exists()


def test_a_patient_takes_it_away_again(cast: Cast) -> None:
    second_factor.give_app(cast.ana, factor.SECRET)
    browser, _answer = with_password(cast.ana)
    browser.post(CODE, {"code": code_at()})
    answer = browser.post(reverse("mfa_deactivate_totp"))
    assert answer["Location"] == INDEX
    assert not second_factor.has_factor(cast.ana)
    assert AuditEntry.objects.filter(action="factor.removed", actor=cast.ana).count() == 1


def test_a_passkey_of_somebody_else_does_not_exist(cast: Cast) -> None:
    hers = Authenticator.objects.create(
        user=cast.bo, type=Authenticator.Type.WEBAUTHN, data={"name": "Bo’s", "credential": {}}
    )
    browser, _answer = with_password(cast.ana)
    for name in ("mfa_edit_webauthn", "mfa_remove_webauthn"):
        for method in (browser.get, browser.post):
            assert method(reverse(name, args=[hers.pk]), {"name": "mine"}).status_code == 404
    hers.refresh_from_db()
    assert hers.data["name"] == "Bo’s"


# --- Logging in with one -------------------------------------------------------------------------
def test_password_and_code(ruth: User) -> None:
    browser, answer = with_password(ruth)
    assert answer["Location"] == CODE
    assert "_auth_user_id" not in browser.session
    assert browser.get(reverse("worklist")).status_code == 302
    assert browser.post(CODE, {"code": code_at()})["Location"] == reverse("home")
    assert browser.get(reverse("worklist")).status_code == 200


def test_a_patient_who_has_one_is_asked_for_it(cast: Cast) -> None:
    second_factor.give_app(cast.ana, factor.SECRET)
    browser, answer = with_password(cast.ana)
    assert answer["Location"] == CODE
    assert browser.get(reverse("account")).status_code == 302


@pytest.mark.parametrize(
    ("shift", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_a_code_is_good_for_a_while(ruth: User, shift: int, good: bool) -> None:
    browser, _answer = with_password(ruth)
    browser.post(CODE, {"code": code_at(shift)})
    assert ("_auth_user_id" in browser.session) == good


def test_no_code_is_good_twice_nor_an_older_one(ruth: User) -> None:
    code = code_at()
    assert with_password(ruth)[0].post(CODE, {"code": code}).status_code == 302
    for used in (code, code_at(-1)):
        browser, _answer = with_password(ruth)
        assert "This is not right" in browser.post(CODE, {"code": used}).content.decode()
    assert with_password(ruth)[0].post(CODE, {"code": code_at(1)}).status_code == 302


def test_a_recovery_code_is_good_once(ruth: User) -> None:
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes

    code = RecoveryCodes.activate(ruth).get_unused_codes()[3]
    assert with_password(ruth)[0].post(CODE, {"code": code}).status_code == 302
    assert with_password(ruth)[0].post(CODE, {"code": code}).status_code == 200
    assert AuditEntry.objects.filter(action="factor.recovery_used", actor=ruth).count() == 1


def test_the_admin_is_behind_the_same_two_steps(cast: Cast) -> None:
    second_factor.give_app(cast.root, factor.SECRET)
    index = reverse("admin:index")
    browser, answer = with_password(cast.root)
    assert answer["Location"] == CODE
    assert browser.get(index, follow=True).redirect_chain[-1][0] == CODE
    browser.post(CODE, {"code": code_at()})
    assert browser.get(index).status_code == 200


# --- The API's token -----------------------------------------------------------------------------
def token(user: User, **more: str) -> Answer:
    return Client().post(
        reverse("api-token"),
        {"email": user.email, "password": PASSWORD, **more},
        "application/json",
    )


def test_a_program_shows_the_code_too(ruth: User) -> None:
    asked = token(ruth)
    assert (asked.status_code, asked.json()["code"]) == (401, "code_needed")
    wrong = token(ruth, code="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_code")
    assert token(ruth, code=code_at()).status_code == 200
    again = token(ruth, code=code_at())
    assert (again.status_code, again.json()["code"]) == (401, "wrong_code"), "used twice"


def test_staff_without_a_factor_get_no_token(cast: Cast) -> None:
    refused = token(cast.ruth)
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_needed")
    assert token(cast.ana).status_code == 200


# --- Lost ----------------------------------------------------------------------------------------
def test_an_admin_resets_it_and_they_are_told(
    cast: Cast, ruth: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    browser, program = logged_in(ruth), cast.api(ruth)
    ada = cast.client(cast.ada)
    deed = reverse("manage_deed", args=[ruth.pk, "reset-factor"])
    assert "reset-factor" in ada.get(reverse("manage_person", args=[ruth.pk])).content.decode()
    assert ada.post(deed, {}).status_code == 422
    with django_capture_on_commit_callbacks(execute=True):
        assert ada.post(deed, {"reason": "lost"}).status_code == 302
    assert not Authenticator.objects.filter(user=ruth).exists()
    assert browser.get(reverse("worklist")).status_code == 302
    assert program.get(reverse("api-cases")).status_code == 401
    line = AuditEntry.objects.get(action="factor.reset")
    assert (line.actor, line.about, line.detail) == (
        cast.ada,
        f"user:{ruth.pk}",
        {"reason": "lost"},
    )
    [letter] = mail.outbox
    assert letter.to == [ruth.email]
    assert "reset" in letter.subject
    assert with_password(ruth)[0].get(reverse("worklist"))["Location"] == INDEX


def test_the_command_line_lets_an_only_admin_in_again(
    cast: Cast, ruth: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    browser = logged_in(ruth)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("reset_factor", ruth.email.upper())
    assert not second_factor.has_factor(ruth)
    assert browser.get(reverse("worklist")).status_code == 302
    assert AuditEntry.objects.get(action="factor.reset").actor is None
    assert [letter.to for letter in mail.outbox] == [[ruth.email]]
    for nobody in (ruth.email, "nobody@example.org"):
        with pytest.raises(CommandError):
            call_command("reset_factor", nobody)


def test_nobody_resets_their_own_nor_of_another_clinic(cast: Cast) -> None:
    for user in (cast.ada, cast.xu):
        second_factor.give_app(user, factor.SECRET)
        deed = reverse("manage_deed", args=[user.pk, "reset-factor"])
        cast.client(cast.ada).post(deed, {"reason": "lost"})
        assert second_factor.has_factor(user)


def test_who_loses_their_role_keeps_their_factor(cast: Cast, ruth: User) -> None:
    managing.change_role(ruth, cast.root, Role.ADMIN)
    assert second_factor.has_factor(ruth)


# --- The demo ------------------------------------------------------------------------------------
@pytest.mark.parametrize("in_the_demo", [True, False])
def test_only_the_demo_shows_a_code(cast: Cast, settings: Settings, in_the_demo: bool) -> None:
    from portal import demo

    settings.DEMO = in_the_demo
    second_factor.give_app(cast.ruth, demo.SECRET)
    browser, _answer = with_password(cast.ruth)
    page = browser.get(CODE).content.decode()
    shown = re.search(r"Demo: your code is <strong>(\d{3}) (\d{3})</strong>", page)
    assert bool(shown) == in_the_demo
    assert in_the_demo or "emo" not in page.replace("remo", "").replace("memo", "")
    if shown:
        assert browser.post(CODE, {"code": shown[1] + shown[2]}).status_code == 302


def test_the_demo_shows_no_code_of_an_app_of_somebodys_own(ruth: User, settings: Settings) -> None:
    settings.DEMO = True
    browser, _answer = with_password(ruth)
    assert "your code is" not in browser.get(CODE).content.decode()

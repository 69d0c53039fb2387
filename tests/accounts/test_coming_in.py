"""Logging in, being kept out, and finding back after a forgotten password."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts import people
from accounts.models import AuditEntry, Role, SuspensionReason, User
from tests.cast import PASSWORD, Cast

LOG_IN = reverse("account_login")
RESET = reverse("account_reset_password")
NEW = "another good long password"


def log_in(email: str, password: str = PASSWORD) -> Client:
    browser = Client()
    browser.post(LOG_IN, {"login": email, "password": password})
    return browser


def api_answers(api: APIClient) -> bool:
    """Whether the API still knows the token; an address it does not know counts as neither."""
    status = api.get(reverse("api-cases")).status_code
    assert status in (200, 401)
    return status == 200


def inside(browser: Client) -> bool:
    """Whether the browser's own page opens, that is, whether it is logged in."""
    response = browser.get(reverse("account"))
    assert response.status_code in (200, 302)
    return bool(response.status_code == 200)


@pytest.mark.parametrize("written", ["ana@example.org", "Ana@Example.ORG", " ana@example.org "])
def test_the_address_may_be_written_in_any_case(cast: Cast, written: str) -> None:
    browser = log_in(written)
    assert inside(browser)
    assert browser.session["_auth_user_id"] == str(cast.ana.pk)
    assert AuditEntry.objects.filter(actor=cast.ana, action="person.logged_in").count() == 1


def test_a_wrong_password_and_a_stranger_get_the_same_answer(cast: Cast) -> None:
    answers = []
    for email in (cast.ana.email, "nobody@example.org"):
        response = Client().post(LOG_IN, {"login": email, "password": "wrong password"})
        answers.append(_without_what_was_typed(response.content.decode(), email))
    assert answers[0] == answers[1]
    assert "The e-mail address or the password is not right." in answers[0]


def test_guessing_is_slowed_down(cast: Cast) -> None:
    for _ in range(6):
        response = Client().post(LOG_IN, {"login": cast.ana.email, "password": "wrong password"})
    assert "That was a lot of tries" in response.content.decode()
    assert not inside(log_in(cast.ana.email))
    assert inside(log_in(cast.bo.email))


def test_inventing_where_one_comes_from_does_not_help_guessing(cast: Cast) -> None:
    """Each try is for another account, as if from another place: the limit per address counts."""
    browser = Client()
    pages = [
        browser.post(
            LOG_IN,
            {"login": f"someone{number}@example.org", "password": "wrong password"},
            headers={"x-forwarded-for": f"203.0.113.{number}"},
        ).content.decode()
        for number in range(11)
    ]
    assert "That was a lot of tries" not in pages[9]
    assert "That was a lot of tries" in pages[10]


def test_programs_cannot_invent_it_either(cast: Cast) -> None:
    answers = [
        APIClient()
        .post(
            reverse("api-token"),
            {"email": f"someone{number}@example.org", "password": "wrong password"},
            headers={"x-forwarded-for": f"203.0.113.{number}"},
        )
        .status_code
        for number in range(11)
    ]
    assert answers == [401] * 10 + [429]


def test_after_login_one_goes_to_what_one_asked_for_but_never_elsewhere(cast: Cast) -> None:
    asked = {"login": cast.ana.email, "password": PASSWORD, "next": reverse("account")}
    assert Client().post(LOG_IN, asked)["Location"] == reverse("account")
    asked["next"] = "https://evil.example/"
    assert Client().post(LOG_IN, asked)["Location"] == reverse("home")


def test_logging_out_takes_a_press(cast: Cast) -> None:
    browser = cast.client(cast.ana)
    browser.get(reverse("account_logout"))
    assert inside(browser)
    browser.post(reverse("account_logout"))
    assert not inside(browser)


# --- Suspension ----------------------------------------------------------------------------------
def test_a_suspension_ends_what_is_open_and_keeps_them_out(cast: Cast) -> None:
    laptop, phone, api = log_in(cast.bo.email), log_in(cast.bo.email), cast.api(cast.bo)
    assert inside(laptop)
    assert api_answers(api)
    people.suspend(cast.bo, cast.ada, SuspensionReason.SECURITY)
    assert not inside(laptop)
    assert not inside(phone)
    assert not api_answers(api)
    response = Client().post(LOG_IN, {"login": cast.bo.email, "password": PASSWORD}, follow=True)
    assert "This account is closed" in response.content.decode()
    people.restore(cast.bo, cast.ada)
    assert not inside(laptop), "an old session must not come back to life"
    assert not api_answers(api)
    assert inside(log_in(cast.bo.email))


def test_who_guesses_does_not_learn_of_a_suspension(cast: Cast) -> None:
    people.suspend(cast.bo, cast.ada, SuspensionReason.LEFT)
    response = Client().post(LOG_IN, {"login": cast.bo.email, "password": "wrong password"})
    assert "The e-mail address or the password is not right." in response.content.decode()


def test_logging_out_everywhere(cast: Cast) -> None:
    laptop, phone, api = log_in(cast.ana.email), log_in(cast.ana.email), cast.api(cast.ana)
    other = log_in(cast.bo.email)
    phone.post(reverse("account_end_sessions"))
    assert not inside(laptop)
    assert not inside(phone)
    assert not api_answers(api)
    assert inside(other)


# --- Passwords -----------------------------------------------------------------------------------
def test_changing_the_password_ends_other_sessions_and_tokens(cast: Cast) -> None:
    laptop, phone, api = log_in(cast.ana.email), log_in(cast.ana.email), cast.api(cast.ana)
    phone.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
    )
    assert inside(phone)
    assert not inside(laptop)
    assert not api_answers(api)
    assert inside(log_in(cast.ana.email, NEW))
    assert AuditEntry.objects.filter(actor=cast.ana, action="person.password_changed").exists()


def test_finding_back_after_a_forgotten_password(cast: Cast) -> None:
    thief = log_in(cast.ana.email)
    Client().post(RESET, {"email": "ANA@example.org"})
    [letter] = mail.outbox
    assert letter.to == [cast.ana.email]
    link = re.search(r"http://\S+(/accounts/password/reset/key/\S+)", str(letter.body))
    assert link is not None
    browser = Client()
    form = browser.get(link[1], follow=True)
    browser.post(form.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    assert not inside(thief)
    assert inside(log_in(cast.ana.email, NEW))
    assert not inside(log_in(cast.ana.email, PASSWORD))
    spent = Client().get(link[1], follow=True)
    assert 'name="password1"' not in spent.content.decode()


def test_asking_for_a_password_tells_nobody_who_has_an_account(cast: Cast) -> None:
    answers = []
    for email in (cast.ana.email, "nobody@example.org"):
        response = Client().post(RESET, {"email": email}, follow=True)
        answers.append(
            (response.redirect_chain, _without_what_was_typed(response.content.decode(), email))
        )
    assert answers[0] == answers[1]
    assert [letter.to for letter in mail.outbox] == [[cast.ana.email], ["nobody@example.org"]]
    assert "/password/reset/key/" in str(mail.outbox[0].body)
    assert "/password/reset/key/" not in str(mail.outbox[1].body)


def test_a_suspended_person_gets_no_new_password(cast: Cast) -> None:
    people.suspend(cast.bo, cast.ada, SuspensionReason.LEFT)
    Client().post(RESET, {"email": cast.bo.email})
    assert all("/password/reset/key/" not in str(letter.body) for letter in mail.outbox)


# --- The first admin -----------------------------------------------------------------------------
@pytest.mark.django_db
def test_createsuperuser_makes_an_admin_who_can_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="Boss@Example.org", name="The Boss", interactive=False)
    boss = User.objects.get(email="boss@example.org")
    assert (boss.role, boss.is_staff, boss.name) == (Role.ADMIN, True, "The Boss")
    first = log_in(boss.email).get(reverse("admin:index"))
    assert first["Location"] == reverse("mfa_index"), "a second factor before anything else"


def _without_what_was_typed(page: str, typed: str) -> str:
    """The page, without what differs between any two requests: the token and the address."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page).replace(typed, "")

"""An account exists only once its address is confirmed; until then what was typed waits, sealed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import sealed, signing_up, tasks
from accounts.models import User
from tests.accounts.test_signup import answers
from tests.cast import PASSWORD, Cast
from tests.signing import CODE_PAGE, FORM, code_in, sign_up

pytestmark = pytest.mark.django_db
LOG_IN = reverse("account_login")


def begun(**changed: str) -> tuple[Client, str]:
    """A browser that has sent the form, and the code that its owner was sent."""
    browser = Client()
    assert browser.post(FORM, answers(**changed)).status_code == 302
    return browser, code_in(newest())


def newest() -> str:
    return str(mail.outbox[-1].body)


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_before_the_code_there_is_no_account() -> None:
    browser, code = begun()
    assert not User.objects.exists()
    assert not EmailAddress.objects.exists()
    assert "eva@example.org" in text(browser.get(CODE_PAGE))
    browser.post(CODE_PAGE, {"code": code})
    assert User.objects.get().email == "eva@example.org"


@pytest.mark.parametrize("how", [str.lower, lambda code: code.replace("-", ""), " {} ".format])
def test_the_code_may_be_typed_in_any_way(how: Any) -> None:
    browser, code = begun()
    assert browser.post(CODE_PAGE, {"code": how(code)}).status_code == 302
    assert User.objects.exists()


def test_who_signed_up_goes_where_they_wanted_to() -> None:
    browser = Client()
    browser.post(f"{FORM}?next=/learn/", answers())
    answer = browser.post(CODE_PAGE, {"code": code_in(newest())})
    assert answer["Location"] == "/learn/"
    browser = Client()
    browser.post(f"{FORM}?next=https://evil.example/", answers(email="bo@example.org"))
    answer = browser.post(CODE_PAGE, {"code": code_in(newest())})
    assert answer["Location"] == "/"


def test_an_address_with_an_account_is_told_so_by_its_letter_alone(cast: Cast) -> None:
    before = User.objects.count()
    browser = Client()
    given = answers(email="ANA@example.org", clinic=str(cast.north.pk))
    assert browser.post(FORM, given)["Location"] == CODE_PAGE
    [letter] = mail.outbox
    assert letter.to == ["ana@example.org"]
    assert "You have an account already" in newest()
    assert reverse("account_reset_password") in newest()
    assert User.objects.count() == before


def test_a_confirmed_second_address_is_taken_and_one_written_down_is_nobodys(cast: Cast) -> None:
    """Otherwise somebody could keep others out by writing down their addresses."""
    row = EmailAddress.objects.create(user=cast.ana, email="eva@example.org", verified=True)
    Client().post(FORM, answers(clinic=str(cast.north.pk)))
    assert "You have an account already" in newest()
    EmailAddress.objects.filter(pk=row.pk).update(verified=False)
    sign_up(Client(), answers(clinic=str(cast.north.pk)))
    assert User.objects.filter(email="eva@example.org").exists()


def test_of_two_browsers_the_second_is_told_to_log_in() -> None:
    (one, first), (two, second) = begun(), begun(name="Eva again")
    assert first != second
    one.post(CODE_PAGE, {"code": first})
    answer = two.post(CODE_PAGE, {"code": second}, follow=True)
    assert answer.redirect_chain[-1][0] == LOG_IN
    assert "You have an account already. Log in." in text(answer)
    assert User.objects.get().name == "Eva Novak"


def test_of_two_browsers_at_one_moment_the_second_is_told_to_log_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has looked before the other wrote; the database decides."""
    (one, first), (two, second) = begun(), begun(name="Eva again")
    one.post(CODE_PAGE, {"code": first})
    monkeypatch.setattr(signing_up, "is_taken", lambda _email: False)
    answer = two.post(CODE_PAGE, {"code": second}, follow=True)
    assert answer.redirect_chain[-1][0] == LOG_IN
    assert User.objects.get().name == "Eva Novak"
    assert EmailAddress.objects.count() == 1


def test_what_an_earlier_release_kept_begins_anew() -> None:
    browser, code = begun()
    session = browser.session
    kept = json.loads(sealed.open_sealed(session["signing_up"], context="signing_up"))
    del kept["tries"], kept["code"]
    kept["of_an_earlier_release"] = True
    session["signing_up"] = sealed.seal(json.dumps(kept), context="signing_up")
    session.save()
    answer = browser.post(CODE_PAGE, {"code": code}, follow=True)
    assert answer.redirect_chain[-1][0] == FORM
    assert not User.objects.exists()


def test_five_wrong_codes_end_it() -> None:
    browser, code = begun()
    for _ in range(signing_up.TRIES - 1):
        assert "not the code of our last" in text(browser.post(CODE_PAGE, {"code": "ABCD-EFGH"}))
    answer = browser.post(CODE_PAGE, {"code": "ABCD-EFGH"}, follow=True)
    assert answer.redirect_chain[-1][0] == FORM
    assert "too many wrong codes" in text(answer)
    browser.post(CODE_PAGE, {"code": code})
    assert not User.objects.exists()


def test_after_half_an_hour_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    browser, code = begun()
    monkeypatch.setattr(signing_up, "LASTS", 0)
    answer = browser.post(CODE_PAGE, {"code": code}, follow=True)
    assert answer.redirect_chain[-1][0] == FORM
    assert "That took too long" in text(answer)
    assert "Eva Novak" not in text(answer)
    assert not User.objects.exists()


def test_the_letter_can_be_sent_again_with_the_same_code() -> None:
    browser, code = begun()
    for _ in range(signing_up.LETTERS - 1):
        assert "A new e-mail is on its way" in text(
            browser.post(CODE_PAGE, {"again": ""}, follow=True)
        )
        assert code_in(newest()) == code
    answer = browser.post(CODE_PAGE, {"again": ""}, follow=True)
    assert "We have written three times" in text(answer)
    assert len(mail.outbox) == signing_up.LETTERS
    assert 'name="again"' not in text(answer)


def test_a_form_sent_twice_has_one_code() -> None:
    browser, code = begun()
    browser.post(FORM, answers())
    assert code_in(newest()) == code
    browser.post(FORM, answers(email="other@example.org"))
    assert code_in(newest()) != code


def test_mail_that_cannot_be_sent_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_args: object, **_kwargs: object) -> None:
        raise TimeoutError

    browser = Client()
    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", silent)
        answer = browser.post(FORM, answers(), follow=True)
    assert "We cannot send e-mail at this moment" in text(answer)
    browser.post(CODE_PAGE, {"again": ""})
    browser.post(CODE_PAGE, {"code": code_in(newest())})
    assert User.objects.get().email == "eva@example.org"


def test_who_goes_back_to_mend_something_finds_it_typed() -> None:
    browser, _code = begun(number="+34 600 123 456", messages="on")
    page = text(browser.get(FORM))
    for typed in ("Eva Novak", "eva@example.org", "+34600123456"):
        assert typed in page
    assert PASSWORD not in page
    assert page.count(" checked") == 2


def test_what_waits_is_sealed_and_goes_with_its_session() -> None:
    browser, code = begun(number="+34 600 123 456")
    row = Session.objects.get(session_key=browser.session.session_key)
    kept = row.session_data + str(row.get_decoded())
    kept += base64.b64encode(kept.encode()).decode()
    for word in ("Eva", "eva@example.org", "600123456", code, PASSWORD):
        assert word not in kept
    assert browser.session.get_expiry_age() == signing_up.LASTS


def test_who_never_finishes_leaves_nothing() -> None:
    browser, _code = begun()
    key = browser.session.session_key
    Session.objects.filter(session_key=key).update(expire_date=timezone.now())
    tasks.sweep_sessions()
    assert not Session.objects.filter(session_key=key).exists()


@pytest.mark.parametrize("by", ["code", "log-in"])
def test_a_session_that_began_with_a_sign_up_is_as_long_as_any(cast: Cast, by: str) -> None:
    browser, code = begun(clinic=str(cast.north.pk))
    if by == "code":
        browser.post(CODE_PAGE, {"code": code})
    else:
        browser.post(LOG_IN, {"login": cast.ana.email, "password": PASSWORD})
    assert "_auth_user_id" in browser.session
    assert browser.session.get_expiry_age() == settings.SESSION_COOKIE_AGE
    assert "signing_up" not in browser.session


def test_the_page_of_the_code_is_for_who_signs_up(cast: Cast) -> None:
    assert Client().get(CODE_PAGE)["Location"] == FORM
    assert cast.client(cast.ana).get(CODE_PAGE)["Location"] == reverse("home")


def test_trying_codes_is_slowed_down() -> None:
    browser = Client(REMOTE_ADDR="192.0.2.77")
    answers_ = [browser.post(CODE_PAGE, {"code": "ABCD-EFGH"}) for _ in range(31)]
    assert [answer.status_code for answer in answers_[-2:]] == [302, 429]
    assert "Wait a few minutes" in text(answers_[-1])

"""Someone signs up, is a patient, and has agreed to care before anything else happens."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from accounts import people
from accounts.models import AuditEntry, Clinic, Consent, Role, User
from accounts.wording import WORDING
from tests.cast import PASSWORD
from tests.signing import FORM as SIGN_UP
from tests.signing import sign_up

pytestmark = pytest.mark.django_db


def answers(**changed: str) -> dict[str, str]:
    """What a browser sends when the form is filled in well; an empty answer is left out."""
    given = {
        "name": "Eva Novak",
        "email": "Eva@Example.org",
        "password1": PASSWORD,
        "care": "on",
    }
    return {name: value for name, value in (given | changed).items() if value}


def test_a_new_person_is_a_patient_who_agreed_to_care() -> None:
    browser = Client()
    assert sign_up(browser, answers()).status_code == 302
    eva = User.objects.get(email="eva@example.org")
    assert (eva.name, eva.role, eva.clinic) == ("Eva Novak", Role.PATIENT, Clinic.objects.get())
    assert [(c.kind, c.version) for c in eva.consents.in_force()] == [
        (Consent.Kind.CARE, WORDING[Consent.Kind.CARE].version)
    ]
    assert AuditEntry.objects.filter(actor=eva, action="consent.given").exists()
    assert browser.session["_auth_user_id"] == str(eva.pk)
    assert [(a.email, a.verified, a.primary) for a in EmailAddress.objects.filter(user=eva)] == [
        ("eva@example.org", True, True)
    ]


def test_without_agreeing_to_care_there_is_no_account() -> None:
    response = sign_up(Client(), answers(care=""))
    assert "Tick this if you agree" in response.content.decode()
    assert not User.objects.exists()


def test_what_was_typed_survives_a_refusal() -> None:
    page = sign_up(Client(), answers(care="", number="07700 900 777")).content.decode()
    assert "Eva Novak" in page
    assert "07700 900 777" in page


@pytest.mark.parametrize(
    "escalation",
    [
        {"role": "admin"},
        {"role": "doctor", "verified_at": "2026-01-01"},
        {"is_staff": "on", "is_superuser": "on"},
    ],
)
def test_nobody_signs_up_as_more_than_a_patient(escalation: dict[str, str]) -> None:
    sign_up(Client(), answers(**escalation))
    eva = User.objects.get()
    assert (eva.role, eva.is_staff, eva.is_superuser) == (Role.PATIENT, False, False)
    assert eva.verified_at is None


def test_the_clinic_is_asked_only_where_there_is_a_choice() -> None:
    Clinic.objects.create(name="North")
    assert 'name="clinic"' not in Client().get(SIGN_UP).content.decode()
    south = Clinic.objects.create(name="South")
    assert 'name="clinic"' in Client().get(SIGN_UP).content.decode()
    sign_up(Client(), answers(clinic=str(south.pk)))
    assert User.objects.get().clinic == south


def test_a_number_is_kept_and_told_nothing_unless_that_was_ticked() -> None:
    sign_up(Client(), answers(number="07700 900777"))
    eva = User.objects.get()
    assert eva.numbers.get().e164 == "+447700900777"
    assert people.reachable_number(eva) is None
    assert not people.has_consent(eva, Consent.Kind.MESSAGES)


def test_a_number_with_the_box_ticked_is_opted_in() -> None:
    sign_up(Client(), answers(number="+34 600 123 456", messages="on"))
    eva = User.objects.get()
    number = people.reachable_number(eva)
    assert number is not None
    assert (number.e164, number.opt_in_version) == (
        "+34600123456",
        WORDING[Consent.Kind.MESSAGES].version,
    )
    assert people.has_consent(eva, Consent.Kind.MESSAGES)


def test_messages_without_a_number_are_asked_about() -> None:
    response = sign_up(Client(), answers(messages="on"))
    assert "Give the number we should send messages to." in response.content.decode()
    assert not User.objects.exists()


def test_a_number_that_is_none_is_refused_in_a_sentence() -> None:
    response = sign_up(Client(), answers(number="call me"))
    assert "does not look like a phone number" in response.content.decode()
    assert not User.objects.exists()


def test_a_weak_password_is_refused() -> None:
    sign_up(Client(), answers(password1="password12"))
    assert not User.objects.exists()


def test_a_half_made_account_is_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_args: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("accounts.people.give_consent", breaks)
    with pytest.raises(ConnectionError):
        sign_up(Client(), answers())
    assert not User.objects.exists()

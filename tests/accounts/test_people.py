"""Consents, numbers and roles: what changes, what stays, and the line each change leaves."""

from __future__ import annotations

import dataclasses
import importlib
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import IntegrityError
from django.utils import timezone

from accounts import people, wording
from accounts.models import AuditEntry, Consent, ContactNumber, Role, SuspensionReason, User
from tests.cast import ANAS_NUMBER, PASSWORD, Cast
from tests.together import at_once

CARE, MESSAGES = Consent.Kind.CARE, Consent.Kind.MESSAGES


def trail(user: User) -> list[str]:
    """What the audit trail says about someone, oldest first."""
    entries = AuditEntry.objects.filter(about=f"user:{user.pk}").order_by("pk")
    return list(entries.values_list("action", flat=True))


def reword_care(monkeypatch: pytest.MonkeyPatch) -> None:
    new = dataclasses.replace(wording.WORDING[CARE], version="2027-01")
    monkeypatch.setattr(wording, "WORDING", {**wording.WORDING, CARE: new})


# --- Consents ------------------------------------------------------------------------------------
def test_agreeing_twice_is_agreeing_once(cast: Cast) -> None:
    before = trail(cast.bo)
    first = people.give_consent(cast.bo, CARE)
    assert people.give_consent(cast.bo, CARE) == first
    assert trail(cast.bo) == before


def test_each_consent_is_taken_back_on_its_own_and_its_row_stays(cast: Cast) -> None:
    people.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    assert not people.has_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    assert people.has_consent(cast.ana, CARE)
    assert people.has_consent(cast.ana, MESSAGES)
    assert cast.ana.consents.count() == 3
    assert trail(cast.ana)[-1] == "consent.withdrawn"


def test_agreeing_again_is_a_new_row_after_the_old(cast: Cast) -> None:
    people.withdraw_consent(cast.bo, CARE)
    people.give_consent(cast.bo, CARE)
    old, new = cast.bo.consents.order_by("pk")
    assert old.withdrawn_at is not None
    assert old.withdrawn_at <= new.given_at
    assert new.withdrawn_at is None


def test_taking_back_what_was_never_given_changes_nothing(cast: Cast) -> None:
    before = trail(cast.bo)
    people.withdraw_consent(cast.bo, MESSAGES)
    assert trail(cast.bo) == before


def test_changed_words_need_a_new_yes(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    assert people.has_consent(cast.bo, CARE)
    reword_care(monkeypatch)
    assert not people.has_consent(cast.bo, CARE)
    people.give_consent(cast.bo, CARE)
    assert people.has_consent(cast.bo, CARE)
    assert [c.version for c in cast.bo.consents.order_by("pk")] == ["2026-11", "2027-01"]
    assert cast.bo.consents.in_force().count() == 1


def test_the_database_holds_one_consent_in_force(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="consent_one_in_force_per_kind"):
        Consent.objects.create(user=cast.bo, kind=CARE, version="2027-01")


# --- Numbers -------------------------------------------------------------------------------------
def test_the_same_number_twice_is_one_row(cast: Cast) -> None:
    first = people.add_number(cast.bo, "+447700900777", opt_in=False)
    again = people.add_number(cast.bo, "+447700900777", opt_in=True)
    assert first.pk == again.pk
    assert people.reachable_number(cast.bo) == again
    people.add_number(cast.bo, "+447700900777", opt_in=False)
    assert people.reachable_number(cast.bo) == again


def test_the_number_opted_in_last_is_the_one_told(cast: Cast) -> None:
    newer = people.add_number(cast.ana, "+447700900777", opt_in=True)
    assert people.reachable_number(cast.ana) == newer
    people.remove_number(cast.ana, newer)
    number = people.reachable_number(cast.ana)
    assert number is not None
    assert number.e164 == ANAS_NUMBER


def test_agreeing_to_messages_is_about_the_numbers_given(cast: Cast) -> None:
    number = people.add_number(cast.bo, "+447700900777", opt_in=False)
    people.give_consent(cast.bo, MESSAGES)
    assert people.reachable_number(cast.bo) == number


def test_stop_stops_the_phone_wherever_its_number_is_written(cast: Cast) -> None:
    people.add_number(cast.bo, ANAS_NUMBER, opt_in=True)
    assert people.opt_out(ANAS_NUMBER) == 2
    assert people.reachable_number(cast.ana) is None
    assert people.reachable_number(cast.bo) is None
    assert trail(cast.ana)[-1] == "number.opted_out"


def test_only_the_phone_itself_lifts_a_stop(cast: Cast) -> None:
    people.opt_out(ANAS_NUMBER)
    people.add_number(cast.ana, ANAS_NUMBER, opt_in=True)
    people.add_number(cast.bo, ANAS_NUMBER, opt_in=True)
    assert people.reachable_number(cast.ana) is None
    assert people.reachable_number(cast.bo) is None
    assert people.opt_in(ANAS_NUMBER) == 2
    assert people.reachable_number(cast.ana) is not None
    assert people.reachable_number(cast.bo) is not None


def test_removing_a_number_and_giving_it_again_does_not_lift_a_stop(cast: Cast) -> None:
    people.opt_out(ANAS_NUMBER)
    people.remove_number(cast.ana, cast.ana.numbers.get())
    people.add_number(cast.ana, ANAS_NUMBER, opt_in=True)
    assert people.reachable_number(cast.ana) is None


def test_stop_from_a_stranger_is_no_error(cast: Cast) -> None:
    assert people.opt_out("+447700900999") == 0
    assert people.opt_out("+447700900999") == 0
    assert people.reachable_number(cast.ana) is not None


def test_stop_before_the_number_is_given_counts(cast: Cast) -> None:
    people.opt_out("+447700900999")
    people.add_number(cast.bo, "+447700900999", opt_in=True)
    assert people.reachable_number(cast.bo) is None


def test_only_a_confirmed_number_is_told(cast: Cast) -> None:
    number = people.add_number(cast.bo, "+447700900777", opt_in=True)
    assert people.reachable_number(cast.bo) == number
    assert people.numbers_to_tell([cast.bo.pk, cast.ana.pk]) == {
        cast.ana.pk: cast.ana.numbers.get()
    }
    people.confirm_number(cast.bo, number, ContactNumber.Proof.CODE)
    people.confirm_number(cast.bo, number, ContactNumber.Proof.EARLIER)
    assert people.numbers_to_tell([cast.bo.pk]) == {cast.bo.pk: number}
    assert trail(cast.bo).count("number.confirmed") == 1


def test_nobody_fell_silent_when_numbers_began_to_be_confirmed(cast: Cast) -> None:
    migration = importlib.import_module("accounts.migrations.0004_confirmed_numbers")
    used = people.add_number(cast.bo, "+447700900777", opt_in=True)
    unused = people.add_number(cast.bo, "+447700900778", opt_in=False)
    migration.keep_those_in_use(apps, None)
    used.refresh_from_db()
    unused.refresh_from_db()
    assert (used.proof, unused.proof) == (ContactNumber.Proof.EARLIER, "")
    assert people.numbers_to_tell([cast.bo.pk]) == {cast.bo.pk: used}


def test_the_database_wants_a_proof_with_every_confirmation(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="number_confirmed_has_a_proof"):
        cast.ana.numbers.update(proof="")


def test_python_and_sql_agree_on_who_is_reachable(cast: Cast) -> None:
    now = timezone.now()
    moments = [None, now - timedelta(hours=1), now]
    for index, (opted_in, opted_out) in enumerate((a, b) for a in moments for b in moments):
        ContactNumber.objects.create(
            user=cast.bo,
            e164=f"+4477009008{index:02}",
            opted_in_at=opted_in,
            opted_out_at=opted_out,
        )
    numbers = cast.bo.numbers.all()
    in_python = {number.pk for number in numbers if number.reachable}
    assert set(numbers.reachable().values_list("pk", flat=True)) == in_python
    assert len(in_python) == 3


def test_what_is_not_e164_is_not_kept(cast: Cast) -> None:
    with pytest.raises(ValueError, match=r"e164 cannot hold this\.$"):
        people.add_number(cast.bo, "07700 900123", opt_in=False)


# --- Roles ---------------------------------------------------------------------------------------
def test_a_doctor_reads_only_once_an_admin_has_confirmed_them(cast: Cast) -> None:
    assert not cast.uma.is_reading_doctor
    people.verify_doctor(cast.uma, cast.ada)
    assert User.objects.get(pk=cast.uma.pk).is_reading_doctor
    assert cast.uma.verified_by == cast.ada
    assert trail(cast.uma) == ["doctor.joined", "doctor.verified"]
    people.verify_doctor(cast.uma, cast.root)
    assert User.objects.get(pk=cast.uma.pk).verified_by == cast.ada


@pytest.mark.parametrize("who", ["ana", "ruth", "uma"])
def test_only_admins_confirm_doctors(cast: Cast, who: str) -> None:
    with pytest.raises(people.PeopleError):
        people.verify_doctor(cast.uma, cast.everyone()[who])
    assert not User.objects.get(pk=cast.uma.pk).is_reading_doctor


def test_an_admin_looks_after_their_own_clinic(cast: Cast) -> None:
    with pytest.raises(people.PeopleError):
        people.suspend(cast.xu, cast.ada, SuspensionReason.LEFT)
    people.suspend(cast.xu, cast.root, SuspensionReason.LEFT)
    assert not User.objects.get(pk=cast.xu.pk).is_active


def test_a_suspended_admin_manages_nobody(cast: Cast) -> None:
    people.suspend(cast.ada, cast.root, SuspensionReason.MISUSE)
    with pytest.raises(people.PeopleError):
        people.verify_doctor(cast.uma, cast.ada)


def test_a_patient_is_not_confirmed_as_a_doctor(cast: Cast) -> None:
    with pytest.raises(people.PeopleError, match="not a doctor"):
        people.verify_doctor(cast.bo, cast.ada)


def test_joining_as_a_doctor(cast: Cast) -> None:
    people.make_doctor(cast.bo, cast.north)
    assert (cast.bo.role, cast.bo.clinic, cast.bo.verified_at) == (Role.DOCTOR, cast.north, None)
    people.make_doctor(cast.bo, cast.north)
    assert trail(cast.bo).count("doctor.joined") == 1


def test_a_confirmed_doctor_keeps_their_confirmation_when_invited_again(cast: Cast) -> None:
    people.make_doctor(cast.ruth, cast.north)
    assert User.objects.get(pk=cast.ruth.pk).is_reading_doctor


@pytest.mark.parametrize("who", ["xu", "ada", "root"])
def test_people_with_another_job_do_not_join_as_doctors(cast: Cast, who: str) -> None:
    person = cast.everyone()[who]
    before = (person.role, person.clinic)
    with pytest.raises(people.PeopleError, match="already works here"):
        people.make_doctor(person, cast.north)
    person.refresh_from_db()
    assert (person.role, person.clinic) == before


def test_nobody_locks_themselves_out(cast: Cast) -> None:
    with pytest.raises(people.PeopleError, match="yourself"):
        people.suspend(cast.root, cast.root, SuspensionReason.ASKED)


def test_a_reason_is_one_of_the_codes(cast: Cast) -> None:
    with pytest.raises(ValueError, match="because"):
        people.suspend(cast.bo, cast.ada, "because")
    people.suspend(cast.bo, cast.ada, "left")
    entry = AuditEntry.objects.get(action="person.suspended")
    assert (entry.actor, entry.about, entry.detail) == (
        cast.ada,
        f"user:{cast.bo.pk}",
        {"reason": "left"},
    )


@pytest.mark.django_db(transaction=True)
def test_agreeing_in_two_windows_at_once_is_agreeing_once() -> None:
    eva = User.objects.create_user("eva@example.org", PASSWORD, name="Eva")
    assert len(set(at_once(*[lambda: people.give_consent(eva, CARE)] * 6))) == 1
    assert eva.consents.count() == 1
    assert trail(eva) == ["consent.given"]


@pytest.mark.django_db
def test_the_first_clinic_is_made_where_there_is_none() -> None:
    clinic = people.default_clinic()
    assert people.default_clinic() == clinic


def test_addresses_are_kept_in_lower_case(cast: Cast) -> None:
    zoe = User.objects.create_user(" Zoe@Example.ORG ", PASSWORD, name="Zoe")
    assert zoe.email == "zoe@example.org"
    assert User.objects.get_by_natural_key("ZOE@example.org") == zoe
    with pytest.raises(IntegrityError, match="user_email_lower_case"):
        User.objects.filter(pk=cast.bo.pk).update(email="Bo@example.org")

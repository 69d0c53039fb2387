"""What admins change about people: who may, what it leaves, and two of them at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from accounts import care, managing
from accounts.models import AuditEntry, Relation, Role, User
from accounts.people import PeopleError
from tests.cast import Cast, build_cast
from tests.together import at_once

Change = Callable[[User, User], object]
# Everything an admin can do to somebody, on somebody it would change: (to whom, by whom) -> done.
CHANGES: dict[str, tuple[str, Change]] = {
    "verify": ("uma", managing.verify_doctor),
    "unverify": ("ruth", managing.unverify_doctor),
    "suspend": ("bo", lambda who, by: managing.suspend(who, by, "left")),
    "restore": ("bo", managing.restore),
    "end sessions": ("ruth", managing.end_sessions_of),
    "make admin": ("ruth", lambda who, by: managing.change_role(who, by, Role.ADMIN)),
}


def trail(user: User) -> list[str]:
    entries = AuditEntry.objects.filter(about=f"user:{user.pk}").order_by("pk")
    return list(entries.values_list("action", flat=True))


def now(user: User) -> User:
    return User.objects.get(pk=user.pk)


# --- Who may -------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("who", ["ana", "bo", "ruth", "uma", "xu"])
def test_nobody_but_an_admin_changes_anybody(cast: Cast, what: str, who: str) -> None:
    name, change = CHANGES[what]
    before = AuditEntry.objects.count()
    with pytest.raises(PeopleError, match="not an admin"):
        change(cast.everyone()[name], cast.everyone()[who])
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("what", CHANGES)
def test_an_admin_of_one_clinic_changes_nobody_of_another(cast: Cast, what: str) -> None:
    User.objects.filter(pk=cast.ada.pk).update(clinic=cast.south)
    name, change = CHANGES[what]
    with pytest.raises(PeopleError, match="not an admin"):
        change(cast.everyone()[name], cast.ada)


@pytest.mark.parametrize("what", CHANGES)
def test_who_was_suspended_a_moment_ago_changes_nobody(cast: Cast, what: str) -> None:
    """Asked of the row, not of what the request read."""
    stale = now(cast.ada)
    managing.suspend(cast.ada, cast.root, "security")
    name, change = CHANGES[what]
    with pytest.raises(PeopleError, match="not an admin"):
        change(cast.everyone()[name], stale)


@pytest.mark.parametrize("what", CHANGES)
def test_each_leaves_one_line_and_twice_is_once(cast: Cast, what: str) -> None:
    name, change = CHANGES[what]
    who = cast.everyone()[name]
    if what == "restore":
        managing.suspend(who, cast.root, "asked")
    before = len(trail(who))
    change(who, cast.ada)
    assert len(trail(who)) == before + 1
    entry = AuditEntry.objects.latest("pk")
    assert entry.actor == cast.ada
    change(who, cast.ada)
    # Ending sessions has no state that says it is done: each time ends those of that moment.
    assert len(trail(who)) == before + 1 + (what == "end sessions")


# --- Doctors -------------------------------------------------------------------------------------
def test_taking_back_a_verification_takes_the_cases_at_once(cast: Cast) -> None:
    browser = cast.client(cast.ruth)
    assert browser.get("/worklist/").status_code == 200
    managing.unverify_doctor(cast.ruth, cast.ada)
    assert browser.get("/worklist/").status_code == 403
    managing.verify_doctor(cast.ruth, cast.root)
    assert browser.get("/worklist/").status_code == 200
    assert now(cast.ruth).verified_by == cast.root


# --- Roles ---------------------------------------------------------------------------------------
def test_a_doctor_becomes_an_admin_and_a_doctor_again_to_be_verified(cast: Cast) -> None:
    browser, api = cast.client(cast.ruth), cast.api(cast.ruth)
    managing.change_role(cast.ruth, cast.ada, Role.ADMIN)
    ruth = now(cast.ruth)
    assert (ruth.is_admin, ruth.is_staff, ruth.verified_at) == (True, True, None)
    assert browser.get("/account/").status_code == 302, "her session went on in the new role"
    assert api.get("/api/v1/cases").status_code == 401
    managing.change_role(cast.ruth, cast.ada, Role.DOCTOR)
    ruth = now(cast.ruth)
    assert (ruth.is_admin, ruth.is_staff, ruth.is_reading_doctor) == (False, False, False)
    details = AuditEntry.objects.filter(action="person.role_changed").values_list(
        "detail", flat=True
    )
    assert {"role": "admin", "was": "doctor"} in details


def test_a_superuser_who_becomes_something_else_is_none_any_more(cast: Cast) -> None:
    rex = User.objects.create_superuser("rex@example.org", name="Rex")
    managing.move(rex, cast.root, cast.north)
    assert not now(rex).is_superuser
    managing.change_role(rex, cast.ada, Role.DOCTOR)
    assert (now(rex).role, now(rex).is_staff) == (Role.DOCTOR, False)


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.ADMIN])
def test_a_patients_account_stays_one(cast: Cast, role: Role) -> None:
    with pytest.raises(PeopleError, match="stays a patient"):
        managing.change_role(cast.ana, cast.ada, role)
    with pytest.raises(PeopleError, match="stays a patient"):
        managing.change_role(cast.ruth, cast.ada, Role.PATIENT)


def test_an_admin_of_all_has_no_clinic_to_be_a_doctor_of(cast: Cast) -> None:
    rex = User.objects.create_superuser("rex@example.org", name="Rex")
    with pytest.raises(PeopleError, match="one clinic"):
        managing.change_role(rex, cast.root, Role.DOCTOR)


@pytest.mark.parametrize("who", ["ada", "root"])
def test_nobody_changes_what_they_themselves_may_do(cast: Cast, who: str) -> None:
    """So there is always an admin left: whoever acts is one, and stays one."""
    admin = cast.everyone()[who]
    with pytest.raises(PeopleError, match="yourself"):
        managing.suspend(admin, admin, "left")
    with pytest.raises(PeopleError, match="own role"):
        managing.change_role(admin, admin, Role.DOCTOR)
    if who == "root":
        with pytest.raises(PeopleError, match="yourself"):
            managing.move(admin, admin, cast.north)
    assert now(admin).is_admin


def test_the_last_admin_of_all_is_out_of_everybodys_reach(cast: Cast) -> None:
    changes: list[Callable[[], None]] = [
        lambda: managing.suspend(cast.root, cast.ada, "misuse"),
        lambda: managing.change_role(cast.root, cast.ada, Role.DOCTOR),
        lambda: managing.move(cast.root, cast.ada, cast.north),
    ]
    for change in changes:
        with pytest.raises(PeopleError, match="not an admin for"):
            change()


# --- Clinics -------------------------------------------------------------------------------------
def test_only_an_admin_of_all_moves_people(cast: Cast) -> None:
    with pytest.raises(PeopleError, match="admin of all clinics"):
        managing.move(cast.ruth, cast.ada, cast.south)
    managing.move(cast.ruth, cast.root, cast.south)
    managing.move(cast.ruth, cast.root, cast.south)
    assert now(cast.ruth).clinic == cast.south
    assert now(cast.ruth).is_reading_doctor
    assert trail(cast.ruth).count("person.moved") == 1
    managing.move(cast.ada, cast.root, None)
    assert User.objects.managed_by(now(cast.ada)).filter(pk=cast.xu.pk).exists()


def test_whom_somebody_looks_after_goes_along(cast: Cast) -> None:
    leo = care.look_after(cast.ana, "Leo", Relation.CHILD)
    with pytest.raises(PeopleError, match="who looks after them"):
        managing.move(leo, cast.root, cast.south)
    managing.move(cast.ana, cast.root, cast.south)
    assert now(leo).clinic == now(cast.ana).clinic == cast.south
    assert trail(leo)[-1] == "person.moved"


def test_only_admins_belong_to_all_clinics(cast: Cast) -> None:
    for who in (cast.ana, cast.ruth):
        with pytest.raises(PeopleError, match="Only admins"):
            managing.move(who, cast.root, None)


# --- At the same moment --------------------------------------------------------------------------
def told(*changes: Callable[[], object]) -> list[str]:
    """All of them at once; what the refused ones were told."""
    said = at_once(*changes, refusals=PeopleError)
    return [str(each) if isinstance(each, PeopleError) else "" for each in said]


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_suspend_each_other_leave_one() -> None:
    cast = build_cast()
    rex = User.objects.create_superuser("rex@example.org", name="Rex")
    for _round in range(5):
        User.objects.filter(pk__in=[rex.pk, cast.root.pk]).update(is_active=True)
        one, other = now(rex), now(cast.root)
        said = told(
            partial(managing.suspend, one, other, "security"),
            partial(managing.suspend, other, one, "security"),
        )
        assert sorted(map(bool, said)) == [False, True], said
        assert User.objects.filter(pk__in=[rex.pk, cast.root.pk], is_active=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_take_each_others_role_leave_one() -> None:
    cast = build_cast()
    eve = User.objects.create_user(
        "eve@example.org", name="Eve", role=Role.ADMIN, is_staff=True, clinic=cast.north
    )
    said = told(
        lambda: managing.change_role(now(eve), now(cast.ada), Role.DOCTOR),
        lambda: managing.change_role(now(cast.ada), now(eve), Role.DOCTOR),
    )
    assert sorted(map(bool, said)) == [False, True], said
    assert User.objects.filter(clinic=cast.north, role=Role.ADMIN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_verified_by_four_at_once_she_is_verified_once() -> None:
    cast = build_cast()
    admins = [cast.ada, cast.root, cast.ada, cast.root]
    said = told(*(partial(managing.verify_doctor, now(cast.uma), by) for by in admins))
    assert said == [""] * 4
    assert trail(cast.uma).count("doctor.verified") == 1


@pytest.mark.django_db(transaction=True)
def test_made_an_admin_while_somebody_takes_back_her_verification() -> None:
    """Whoever comes second is told; never an admin who is a verified doctor, or a broken row."""
    cast = build_cast()
    said = told(
        lambda: managing.change_role(now(cast.ruth), cast.ada, Role.ADMIN),
        lambda: managing.unverify_doctor(now(cast.ruth), cast.root),
    )
    assert said[0] == ""
    assert said[1] in ("", "Ruth Okafor is not a doctor.")
    assert (now(cast.ruth).role, now(cast.ruth).verified_at) == (Role.ADMIN, None)

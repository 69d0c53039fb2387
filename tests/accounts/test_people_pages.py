"""The admins' pages of people: found, understood, changed; and nobody else's."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import care, languages, managing, people, second_factor
from accounts.deeds import BY_NAME
from accounts.directory import Filters, page
from accounts.models import AuditEntry, Consent, Relation, Role, User
from tests import factor
from tests.cast import ANAS_NUMBER, PASSWORD, Cast

LIST = "/manage/people/"


def at(who: User, deed: str = "") -> str:
    if deed:
        return reverse("manage_deed", args=[who.pk, deed])
    return reverse("manage_person", args=[who.pk])


def text_of(response: Any) -> str:
    body = response.content.decode().partition("<main")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def read(cast: Cast, address: str, who: User | None = None) -> str:
    response = cast.client(who or cast.ada).get(address)
    assert response.status_code == 200
    return text_of(response)


def names(admin: User, query: str) -> set[str]:
    return {line.person.name for line in page(admin, Filters.read(QueryDict(query))).lines}


def now(user: User) -> User:
    return User.objects.get(pk=user.pk)


# --- Who may -------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["ana", "bo", "ruth", "uma", "xu"])
def test_for_everyone_else_none_of_it_exists(cast: Cast, who: str) -> None:
    client = cast.client(cast.everyone()[who])
    before = AuditEntry.objects.count()
    for address in (LIST, at(cast.bo), *(at(cast.bo, deed) for deed in BY_NAME)):
        assert client.get(address).status_code == 404, address
        assert client.post(address, {"reason": "left"}).status_code in (404, 405), address
    assert AuditEntry.objects.count() == before
    assert now(cast.bo).is_active


def test_who_is_not_logged_in_is_asked_to(cast: Cast) -> None:
    for address in (LIST, at(cast.bo), at(cast.bo, "suspend")):
        assert cast.client().get(address)["Location"].startswith(reverse("account_login"))


def test_an_admin_of_one_clinic_has_no_page_of_another(cast: Cast) -> None:
    ada = cast.client(cast.ada)
    for address in (at(cast.xu), at(cast.root), *(at(cast.xu, deed) for deed in BY_NAME)):
        assert ada.get(address).status_code == 404, address
        assert ada.post(address, {"reason": "left"}).status_code in (404, 405), address
    assert now(cast.xu).is_active
    assert names(cast.ada, "") == {
        "Ada Moss", "Ana Silva", "Bo Berg", "Ruth Okafor", "Sam Patel", "Uma Roy",
    }  # fmt: skip
    assert {"Xu Lin", "Root"} < names(cast.root, "")
    assert "South" not in read(cast, LIST)
    assert "South" in read(cast, LIST, cast.root)


def test_moving_is_only_for_admins_of_all(cast: Cast) -> None:
    ada = cast.client(cast.ada)
    assert "Move to another clinic" not in text_of(ada.get(at(cast.ruth)))
    assert ada.get(at(cast.ruth, "move")).status_code == 404
    assert ada.post(at(cast.ruth, "move"), {"clinic": cast.south.pk}).status_code == 404
    assert now(cast.ruth).clinic == cast.north


# --- Found ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=silva", {"Ana Silva"}),
        ("q=ruth%40example", {"Ruth Okafor"}),
        ("q=0101", set()),  # sealed: a number is found whole or not at all
        ("q=%2B44+7700+900101", {"Ana Silva"}),
        ("q=07700+900101", {"Ana Silva"}),
        ("q=0000000", set()),
        ("q=%25", set()),
        ("q=nobody", set()),
        ("role=admin", {"Ada Moss"}),
        ("role=doctor", {"Ruth Okafor", "Sam Patel", "Uma Roy"}),
        ("role=nonsense&q=uma", {"Uma Roy"}),
        ("state=waiting", {"Uma Roy"}),
        ("state=suspended", {"Bo Berg"}),
        ("state=active&role=doctor", {"Ruth Okafor", "Sam Patel"}),
        ("state=erased", set()),
        ("q=uma%00", {"Uma Roy"}),
    ],
)
def test_each_search_finds_what_it_says(cast: Cast, query: str, found: set[str]) -> None:
    managing.suspend(cast.bo, cast.ada, "asked")
    assert names(cast.ada, query) == found


def test_an_admin_of_all_chooses_the_clinic(cast: Cast) -> None:
    assert names(cast.root, f"clinic={cast.south.pk}") == {"Xu Lin"}
    assert names(cast.ada, f"clinic={cast.south.pk}") == set()
    assert len(names(cast.root, "clinic=999999999")) == 0


def test_every_page_of_the_list_follows_the_one_before(cast: Cast) -> None:
    for _number in range(7):  # of one name, so that the name alone does not tell where one was
        User.objects.create_user(
            f"kim{_number}@example.org", PASSWORD, name="Kim Roe", clinic=cast.north
        )
    seen: list[int] = []
    after: int | None = None
    while True:
        shown = page(cast.ada, Filters(), after=after, size=3)
        seen += [line.person.pk for line in shown.lines]
        after = shown.after
        if after is None:
            break
    rows = User.objects.filter(clinic=cast.north).order_by("name", "pk")
    assert seen == list(rows.values_list("pk", flat=True))


def test_addresses_and_numbers_are_masked_in_the_list(cast: Cast) -> None:
    shown = read(cast, f"{LIST}?q=07700900101")
    assert cast.ana.email not in shown
    assert ANAS_NUMBER not in shown
    assert "a…@example.org" in shown


def test_the_pages_cost_the_same_however_many_there_are(cast: Cast) -> None:
    client = cast.client(cast.root)

    def cost(address: str) -> int:
        client.get(address)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert client.get(address).status_code == 200
        return len(seen)

    before = [cost(LIST), cost(at(cast.ana)), cost("/manage/"), cost("/manage/clinics/")]
    for number in range(12):
        who = User.objects.create_user(
            f"kim{number}@example.org", PASSWORD, name=f"Kim {number}", clinic=cast.north
        )
        care.look_after(cast.ana, f"Child {number}", Relation.CHILD) if number < 9 else None
        people.add_number(cast.ana, f"+4477009008{number:02}", opt_in=True)
        people.make_doctor(who, cast.north)
        people.give_consent(cast.ana, Consent.Kind.RESEARCH)
        people.withdraw_consent(cast.ana, Consent.Kind.RESEARCH)
    after = [cost(LIST), cost(at(cast.ana)), cost("/manage/"), cost("/manage/clinics/")]
    assert after == before


# --- One person ----------------------------------------------------------------------------------
def test_a_page_says_who_somebody_is_and_what_they_see(cast: Cast) -> None:
    shown = read(cast, at(cast.ana))
    for words in (
        "Ana Silva",
        "ana@example.org",
        "+44…01 gets messages",
        "Their own marks, photos, messages and answers",
        "Computer check Yes,",
        "Learning No",
        "Agreed : Care",
    ):
        assert words in shown, words
    assert ANAS_NUMBER not in shown
    assert "Every case of North" in read(cast, at(cast.ruth))
    assert "No case, no photo and no name" in read(cast, at(cast.uma))
    assert "All clinics: their people" in read(cast, at(cast.root), cast.root)
    assert "This is you" in read(cast, at(cast.ada))


def test_looking_at_somebody_is_recorded_and_does_not_bury_their_history(cast: Cast) -> None:
    for _look in range(30):
        read(cast, at(cast.uma))
    entries = AuditEntry.objects.filter(action="person.viewed", about=f"user:{cast.uma.pk}")
    assert {entry.actor for entry in entries} == {cast.ada}
    assert "Joined as a doctor : North" in read(cast, at(cast.uma))


def test_their_history_goes_on_over_pages(cast: Cast) -> None:
    for _time in range(15):
        managing.suspend(cast.bo, cast.ada, "security")
        managing.restore(cast.bo, cast.ada)
    first = cast.client(cast.ada).get(at(cast.bo)).content.decode()
    assert "Someone else may be using the account" in first
    assert (
        "Agreed"
        not in text_of(cast.client(cast.ada).get(at(cast.bo))).partition("What happened")[2]
    )
    older = re.search(r"\?before=(\d+)", first)
    assert older is not None
    assert "Agreed : Care" in read(cast, f"{at(cast.bo)}?before={older[1]}")
    assert "Suspended" in read(cast, f"{at(cast.bo)}?before=nonsense")


def test_who_has_no_login_is_shown_with_their_carer(cast: Cast) -> None:
    leo = care.look_after(cast.ana, "Leo Duarte", Relation.CHILD)
    shown = read(cast, at(leo))
    assert "Looked after by Ana Silva" in shown
    assert "nologin" not in shown
    assert "Ana Silva acts for them" in shown
    assert not re.search(r"Suspend …|End their sessions", shown)


def test_nothing_can_be_done_to_who_was_erased(cast: Cast) -> None:
    people.erase(cast.bo)
    shown = read(cast, at(cast.bo))
    assert "Nothing. The account is erased" in shown
    assert "…" not in shown
    cast.client(cast.ada).post(at(cast.bo, "restore"))
    assert not now(cast.bo).is_active


# --- Deeds ---------------------------------------------------------------------------------------
# name -> (whom, what is sent, what stands in the question, the audit line)
DEEDS: dict[str, tuple[str, dict[str, str], str, str]] = {
    "verify": ("uma", {}, "see every case of North", "doctor.verified"),
    "unverify": ("ruth", {}, "they see no case", "doctor.unverified"),
    "suspend": ("bo", {"reason": "left"}, "ends at once", "person.suspended"),
    "restore": ("sam", {}, "may log in again", "person.restored"),
    "make-admin": ("ruth", {}, "cannot sign", "person.role_changed"),
    "make-doctor": ("ada", {}, "until somebody verifies them", "person.role_changed"),
    "move": ("ruth", {"clinic": "south"}, "They stay verified", "person.moved"),
    "end-sessions": ("ana", {}, "logged out on every device", "person.logged_out"),
    "reset-factor": ("xu", {"reason": "lost"}, "Their app, passkeys", "factor.reset"),
}


def test_the_table_has_every_deed() -> None:
    assert set(DEEDS) == set(BY_NAME)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_is_offered_asked_with_what_it_means_and_done(cast: Cast, deed: str) -> None:
    managing.suspend(cast.sam, cast.root, "asked")
    second_factor.give_app(cast.xu, factor.SECRET)
    name, sent, means, action = DEEDS[deed]
    who, root = cast.everyone()[name], cast.client(cast.root)
    data = {key: str(cast.south.pk) if value == "south" else value for key, value in sent.items()}
    before = AuditEntry.objects.filter(action=action).count()
    assert at(who, deed) in root.get(at(who)).content.decode()
    asked = root.get(at(who, deed))
    assert means in text_of(asked)
    assert AuditEntry.objects.filter(action=action).count() == before, "asking did it"
    done = root.post(at(who, deed), data)
    assert done.status_code == 302
    assert done["Location"] == at(who)
    entry = AuditEntry.objects.filter(action=action).latest("pk")
    assert (entry.actor, entry.about) == (cast.root, f"user:{who.pk}")
    assert AuditEntry.objects.filter(action=action).count() == before + 1
    # The second click of a double click, and a page that was left open.
    again = root.post(at(who, deed), data, follow=True)
    assert again.redirect_chain[-1][0] == at(who)
    again_lines = AuditEntry.objects.filter(action=action).count()
    assert again_lines == before + 1 + (deed == "end-sessions")
    if deed not in ("end-sessions", "move"):  # which can be done anew
        assert "There is nothing to do" in text_of(root.get(at(who, deed), follow=True))


def test_suspending_ends_every_session_at_once(cast: Cast) -> None:
    browser, api = cast.client(cast.ruth), cast.api(cast.ruth)
    assert browser.get("/worklist/").status_code == 200
    ada = cast.client(cast.ada)
    assert ada.post(at(cast.ruth, "suspend"), {}).status_code == 422
    assert ada.post(at(cast.ruth, "suspend"), {"reason": "because"}).status_code == 422
    assert browser.get("/worklist/").status_code == 200
    ada.post(at(cast.ruth, "suspend"), {"reason": "security"})
    assert browser.get("/worklist/").status_code == 302
    assert api.get("/api/v1/cases").status_code == 401
    ada.post(at(cast.ruth, "restore"))
    assert browser.get("/worklist/").status_code == 302, "a session of before is back"


def test_what_may_not_be_done_is_said_and_changes_nothing(cast: Cast) -> None:
    ada = cast.client(cast.ada)
    assert "not a doctor" in text_of(ada.post(at(cast.ana, "verify"), follow=True))
    assert "stays a patient" in text_of(ada.post(at(cast.ana, "make-admin"), follow=True))
    said = ada.post(at(cast.ada, "suspend"), {"reason": "left"}, follow=True)
    assert "You cannot suspend yourself." in text_of(said)
    assert "own role" in text_of(ada.post(at(cast.ada, "make-doctor"), follow=True))
    assert now(cast.ada).is_admin
    assert ada.get(at(cast.ana, "nonsense")).status_code == 404


def test_a_clinic_that_is_not_there_is_no_choice(cast: Cast) -> None:
    root = cast.client(cast.root)
    for wrong in ({}, {"clinic": "999999"}, {"clinic": "all"}, {"clinic": "x"}):
        answer = root.post(at(cast.ruth, "move"), wrong, follow=True)
        assert now(cast.ruth).clinic == cast.north, wrong
        assert answer.status_code in (200, 422)
    assert "All clinics" not in text_of(root.get(at(cast.ruth, "move")))
    assert "All clinics" in text_of(root.get(at(cast.ada, "move")))
    root.post(at(cast.ada, "move"), {"clinic": "all"})
    assert now(cast.ada).clinic is None


def test_the_pages_speak_spanish(cast: Cast) -> None:
    languages.choose(cast.ada, "es")
    managing.suspend(cast.bo, cast.ada, "security")
    shown = read(cast, at(cast.bo))
    for words in ("Suspendida", "Otra persona puede estar usando la cuenta", "Qué puede ver"):
        assert words in shown, words
    assert "Mostrar todo" in read(cast, f"{LIST}?q=bo")


def test_roles_are_said_as_they_are(cast: Cast) -> None:
    managing.change_role(cast.ruth, cast.ada, Role.ADMIN)
    assert "Has another role : Doctor → Admin" in read(cast, at(cast.ruth))
    managing.move(cast.sam, cast.root, cast.south)
    assert "Belongs to another clinic now : North → South" in read(cast, at(cast.sam), cast.root)

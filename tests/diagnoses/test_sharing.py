"""A doctor of another clinic is asked about one case: found, agreed to, told, ended, kept."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import care, people
from accounts.models import AuditEntry, Consent, Relation, User
from diagnoses import everything, workflow
from diagnoses.models import SHARED_FOR, Case, CaseShare, FirstReading, SecondReading
from notifications.models import Event, Message
from tests import cases
from tests.cast import Cast
from tests.diagnoses import sharing
from tests.diagnoses.pages import Response, errors_of, page, text_of

pytestmark = pytest.mark.usefixtures("media")
WEEK = timedelta(days=7)
Why = CaseShare.Why


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    cases.a_model_version()


@pytest.fixture
def case(cast: Cast) -> Case:
    return sharing.a_case(cast)


def ask(cast: Cast, case: Case, address: str, **more: object) -> Response:
    said = {"colleague": "", "elsewhere": address, "question": "Kept as typed"} | more
    return cast.client(cast.ruth).post(reverse("reading_ask", args=[case.pk]), said)


def answer(cast: Cast, share: CaseShare, said: str, who: User | None = None) -> Response:
    at = reverse("case_share", args=[share.case_id, share.pk])
    return cast.client(who or cast.ana).post(at, {"answer": said})


def told(share: CaseShare, event: Event) -> list[User]:
    about = f"case:{share.case_id}#"
    rows = Message.objects.filter(event=event, about__startswith=about).exclude(state="cancelled")
    return [row.recipient for row in rows.select_related("recipient") if row.recipient]


# --- Whom ----------------------------------------------------------------------------------------


def test_by_the_address_they_log_in_with(cast: Cast, case: Case) -> None:
    there = ask(cast, case, "  Xu@Example.ORG ")
    assert there["Location"] == reverse("reading", args=[case.pk]) + "#colleagues"
    share = CaseShare.objects.get()
    assert (share.doctor, share.shared_by, share.agreed_at) == (cast.xu, cast.ruth, None)
    shown = text_of(there.client.get(there["Location"]))
    assert "We ask Ana Silva first whether Xu Lin, South, may look." in shown
    assert "The patient has not answered yet whether Xu Lin may look" in shown
    assert told(share, Event.DOCTOR_WROTE) == [cast.ana]
    assert not SecondReading.objects.to_read_by(cast.xu).exists()
    assert cast.xu not in told(share, Event.CASE_TO_READ)


def test_nobodys_address_and_anybody_elses_get_the_same_sentence(cast: Cast, case: Case) -> None:
    """Whether a patient, an admin or an unverified doctor has an account, no doctor finds out."""
    said = set()
    for address in ("nobody@example.org", cast.bo.email, cast.ada.email, cast.uma.email):
        refused = ask(cast, case, address)
        said.add(tuple(errors_of(refused)["elsewhere"]))
        assert "Kept as typed" in refused.content.decode()
    assert len(said) == 1
    assert not CaseShare.objects.exists()
    tried = AuditEntry.objects.filter(action="case.share_missed")
    assert {(one.actor, one.about) for one in tried} == {(cast.ruth, f"case:{case.pk}")}
    assert "example.org" not in str([one.detail for one in tried])


def test_addresses_are_not_tried_one_after_another(cast: Cast, case: Case) -> None:
    for number in range(10):
        assert ask(cast, case, f"{number}@example.org").status_code == 422
    refused = ask(cast, case, cast.xu.email)
    assert refused.status_code == 409
    assert "Please try again tomorrow." in refused.content.decode()
    assert not CaseShare.objects.exists()
    assert workflow.doctor_at(case, cast.sam, cast.xu.email) == cast.xu, "each doctor's own tries"


def test_a_colleagues_address_asks_the_colleague(cast: Cast, case: Case) -> None:
    ask(cast, case, cast.sam.email)
    assert SecondReading.objects.get().doctor == cast.sam
    assert not CaseShare.objects.exists()
    assert "this is yourself" in ask(cast, case, cast.ruth.email).content.decode()


def test_one_is_asked_at_a_time(cast: Cast, case: Case) -> None:
    assert "elsewhere" in errors_of(ask(cast, case, cast.xu.email, colleague=cast.sam.pk))
    assert "elsewhere" in errors_of(ask(cast, case, "xu at example"))
    first = sharing.asked(cast, case)
    assert sharing.asked(cast, case) == first, "a double click"
    with pytest.raises(workflow.Moved):
        workflow.share(case, cast.ruth, another_of_south(cast), "")
    with pytest.raises(workflow.Moved, match="asked about this case already"):
        workflow.share(case, cast.sam, cast.xu, "")
    with pytest.raises(workflow.Moved, match="asked about this case already"):
        sharing.asked(cast, case, "Another question, which nobody would see")


@pytest.mark.parametrize("change", [{"is_active": False}, {"clinic": "north"}])
def test_who_may_not_be_asked_any_more_is_not_agreed_to(
    cast: Cast, case: Case, change: dict[str, Any]
) -> None:
    share = sharing.asked(cast, case)
    now = {"clinic": cast.north} if "clinic" in change else change
    User.objects.filter(pk=cast.xu.pk).update(**now)
    with pytest.raises(workflow.WorkflowError, match="no longer asks"):
        workflow.agree_to_share(CaseShare.objects.get(pk=share.pk), cast.ana)


def test_the_question_is_hidden_from_a_colleague_who_has_not_read_it(
    cast: Cast, case: Case
) -> None:
    """It may say what its author takes the mark for."""
    sharing.asked(cast, case, "Too pink for a naevus?")
    sam = cast.client(cast.sam)
    at = reverse("reading", args=[case.pk])
    assert "Too pink" not in sam.get(at).content.decode()
    workflow.read_first(case, cast.sam, diagnosis="nv", confidence="sure", plan="reassure")
    assert "Too pink" in sam.get(at).content.decode()


def another_of_south(cast: Cast) -> User:
    vi = User.objects.create_user("vi@example.org", name="Vi Noe", role="doctor", clinic=cast.south)
    people.verify_doctor(vi, cast.root)
    return vi


@pytest.mark.parametrize("who", ["sam", "uma", "ana", "ada"])
def test_shared_it_is_with_another_clinics_doctors_only(cast: Cast, case: Case, who: str) -> None:
    with pytest.raises(workflow.WorkflowError):
        workflow.share(case, cast.ruth, cast.everyone()[who], "")
    with pytest.raises(workflow.WorkflowError):
        workflow.share(case, cast.xu, cast.ruth, "")


def test_an_answered_case_is_shared_no_more(cast: Cast, case: Case) -> None:
    sharing.signed(cast, case)
    with pytest.raises(workflow.Moved):
        sharing.asked(cast, case)


# --- The patient ---------------------------------------------------------------------------------


def test_the_patient_reads_who_and_for_how_long_and_says_yes(cast: Cast, case: Case) -> None:
    share = sharing.asked(cast, case)
    browser = cast.client(cast.ana)
    asks = text_of(page(browser, case))
    assert "Ruth Okafor would like a second opinion from Xu Lin of South." in asks
    assert f"for {SHARED_FOR.days} days at most" in asks
    assert "Would you biopsy it?" not in asks
    answer(cast, share, "yes")
    share.refresh_from_db()
    assert share.agreed_at is not None
    assert (share.agreed_by, share.ends_at) == (cast.ana, share.agreed_at + SHARED_FOR)
    entry = AuditEntry.objects.get(action="case.share_agreed")
    assert (entry.actor, entry.detail["version"], entry.detail["language"]) == (
        *(cast.ana, "2026-11", "en-gb"),
    )
    assert told(share, Event.CASE_TO_READ)[-1] == cast.xu
    answer(cast, share, "yes")
    assert case.events.filter(kind="share_agreed").count() == 1
    agreed = text_of(page(browser, case))
    assert "Xu Lin of South was asked for a second opinion. They can see this case until" in agreed
    assert "You agreed that a doctor of another clinic may look." in agreed


def test_a_no_is_told_to_who_asked_and_opens_nothing(cast: Cast, case: Case) -> None:
    share = sharing.asked(cast, case)
    answer(cast, share, "no")
    share.refresh_from_db()
    assert (share.why_ended, share.ended_by) == (Why.REFUSED, cast.ana)
    assert told(share, Event.CASE_TO_READ) == [cast.ruth]
    assert not SecondReading.objects.exists()
    ruths = text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))
    assert "The patient did not agree." in ruths
    assert "Ask a colleague" in ruths, "somebody else can be asked"
    answer(cast, share, "yes")
    share.refresh_from_db()
    assert share.agreed_at is None
    assert "You did not want Xu Lin of South to look." in text_of(page(cast.client(cast.ana), case))


def test_whoever_agreed_ends_it_with_one_press(cast: Cast, case: Case) -> None:
    share = sharing.agreed(cast, case)
    assert "End it now" in text_of(page(cast.client(cast.ana), case))
    answer(cast, share, "no")
    share.refresh_from_db()
    assert share.why_ended == Why.PATIENT
    assert "They can no longer see this case." in text_of(page(cast.client(cast.ana), case))


def test_nobody_answers_for_the_patient(cast: Cast, case: Case) -> None:
    share = sharing.asked(cast, case)
    for other in (cast.bo, cast.ruth, cast.xu, cast.ada):
        assert answer(cast, share, "yes", other).status_code == 404
    theirs = sharing.asked(cast, sharing.a_case(cast))
    at = reverse("case_share", args=[case.pk, theirs.pk])
    assert cast.client(cast.ana).post(at, {"answer": "yes"}).status_code == 404
    assert not CaseShare.objects.filter(agreed_at__isnull=False).exists()


def test_a_carer_agrees_for_a_child(cast: Cast) -> None:
    child = care.look_after(cast.ana, "Leo", Relation.CHILD)
    people.give_consent(child, Consent.Kind.CARE)
    case = cases.submitted(child, computer_check=False)
    share = sharing.asked(cast, case)
    assert told(share, Event.DOCTOR_WROTE) == [cast.ana]
    answer(cast, share, "yes")
    share.refresh_from_db()
    assert share.agreed_by == cast.ana
    assert SecondReading.objects.to_read_by(cast.xu).get().case == case


def test_while_a_signature_can_be_undone_the_patient_is_not_told_of_it(
    cast: Cast, case: Case
) -> None:
    share = sharing.asked(cast, case)
    sharing.signed(cast, case)
    browser = cast.client(cast.ana)
    assert "May another doctor look, too?" in text_of(page(browser, case))
    at = reverse("case_share", args=[case.pk, share.pk])
    said = text_of(browser.post(at, {"answer": "yes"}, follow=True))
    assert "A doctor is just answering this case." in said
    share.refresh_from_db()
    assert share.agreed_at is None


# --- The end -------------------------------------------------------------------------------------


def test_the_clinics_doctors_see_it_and_take_it_back(cast: Cast, case: Case) -> None:
    share = sharing.agreed(cast, case)
    sam = cast.client(cast.sam)
    shown = text_of(sam.get(reverse("reading", args=[case.pk])))
    assert "Xu Lin, South: asked by Ruth Okafor" in shown
    assert "Open to them until" in shown
    at = reverse("reading_share", args=[case.pk, share.pk])
    for other in (cast.xu, cast.ana, cast.ada):
        assert cast.client(other).post(at).status_code == 404
    assert cast.xu in told(share, Event.CASE_TO_READ)
    for _ in range(2):  # a double click
        assert sam.post(at).status_code == 302
    share.refresh_from_db()
    assert (share.why_ended, share.ended_by) == (Why.CLINIC, cast.sam)
    assert cast.xu not in told(share, Event.CASE_TO_READ), "what has not left does not leave"
    assert case.events.filter(kind="share_ended").count() == 1
    shown = text_of(sam.get(reverse("reading", args=[case.pk])))
    assert "Closed: The clinic took it back." in shown
    assert "Closed to the other clinic’s doctor by Sam Patel" in shown


def test_what_was_read_stays_with_the_clinic(cast: Cast, case: Case) -> None:
    share = sharing.read(cast, case, "I would.")
    assert set(told(share, Event.CASE_TO_READ)) == {cast.xu, cast.ruth}
    workflow.take_back_share(share, cast.ruth)
    shown = text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))
    assert "I would." in shown
    assert "Xu Lin read it blind" in shown
    sams = text_of(cast.client(cast.sam).get(reverse("reading", args=[case.pk])))
    assert "I would." not in sams, "before Sam's own reading"


def test_taken_back_under_ones_hands_the_words_are_given_back(
    cast: Cast, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = sharing.agreed(cast, case)
    asked = sharing.question_of(share)
    reads = workflow.read_again

    def too_late(*args: Any, **said: Any) -> SecondReading:
        workflow.take_back_share(share, cast.ruth)
        return reads(*args, **said)

    monkeypatch.setattr(workflow, "read_again", too_late)
    typed = sharing.READING | {"words": "Typed with care"}
    refused = cast.client(cast.xu).post(reverse("again", args=[asked.pk]), typed)
    assert refused.status_code == 409
    assert "This question was taken back in the meantime." in refused.content.decode()
    assert "Typed with care" in refused.content.decode()
    assert not FirstReading.objects.filter(doctor=cast.xu).exists()


@pytest.mark.parametrize(("days_left", "stays"), [(14, 7), (8, 7), (3, 3)])
def test_read_it_ends_a_week_later_and_never_after_the_day_that_was_told(
    cast: Cast, case: Case, days_left: int, stays: int
) -> None:
    share = sharing.agreed(cast, case)
    ends = timezone.now() + timedelta(days=days_left)
    CaseShare.objects.filter(pk=share.pk).update(ends_at=ends)
    workflow.read_again(sharing.question_of(share), cast.xu, **sharing.READING)
    share.refresh_from_db()
    left = share.ends_at - timezone.now()
    assert timedelta(days=stays, minutes=-1) < left <= timedelta(days=stays)


@pytest.mark.parametrize("state", [sharing.asked, sharing.agreed])
def test_when_its_time_is_over_somebody_else_can_be_asked(
    cast: Cast, case: Case, state: Any
) -> None:
    share = state(cast, case)
    sharing.lapsed(share)
    assert not Case.objects.to_look_at(share.doctor).filter(pk=case.pk)
    shown = text_of(cast.client(cast.ruth).get(reverse("reading", args=[case.pk])))
    assert "Ask a colleague" in shown
    assert "Take back" not in shown
    with pytest.raises(workflow.WorkflowError):
        workflow.agree_to_share(share, cast.ana)
    workflow.ask_colleague(case, cast.ruth, cast.sam, "")
    share.refresh_from_db()
    assert (share.why_ended, share.asked) == (Why.OVER, None)
    assert SecondReading.objects.get().doctor == cast.sam
    assert workflow.share(case, cast.sam, cast.xu, "") != share


def test_who_has_read_it_is_not_asked_again(cast: Cast, case: Case) -> None:
    sharing.read(cast, case)
    with pytest.raises(workflow.Moved, match="Xu Lin has read this case already"):
        sharing.asked(cast, case)


def test_withdrawn_or_without_care_it_ends_with_its_reason(cast: Cast, case: Case) -> None:
    first, second = sharing.agreed(cast, case), sharing.agreed(cast, sharing.a_case(cast))
    workflow.withdraw(case, cast.ana)
    workflow.withdraw_consent(cast.ana, Consent.Kind.CARE)
    for share, why in ((first, Why.WITHDRAWN), (second, Why.CONSENT)):
        share.refresh_from_db()
        assert (share.why_ended, share.ended_by) == (why, cast.ana)


# --- Kept ----------------------------------------------------------------------------------------


def test_each_look_is_written_down_and_in_the_patients_copy(cast: Cast, case: Case) -> None:
    share = sharing.read(cast, case)
    browser = cast.client(cast.xu)
    browser.get(reverse("again", args=[sharing.question_of(share).pk]))
    browser.get(reverse("photo", args=[case.photos.get().pk]))
    looked = AuditEntry.objects.filter(actor=cast.xu, about=f"case:{case.pk}")
    assert {"case.viewed", "photo.viewed", "case.read_again"} <= {one.action for one in looked}
    record = json.loads(json.dumps(everything.gather(cast.ana).record, default=str))
    [case_told] = record["cases"]
    [one] = case_told["second_opinions_elsewhere"]
    assert (one["doctor"], one["clinic"], one["asked_by"]) == ("Xu Lin", "South", "Ruth Okafor")
    assert one["agreed_at"] < one["until"]
    assert one["ended_at"] is None
    assert "I would." not in str(record)
    assert ("Xu Lin", "photo.viewed") in {
        (row["who"], row["what"]) for row in record["who_did_what"]
    }


def test_pages_cost_the_same_for_one_share_and_for_five(cast: Cast, case: Case) -> None:
    browser, theirs, patients = (cast.client(who) for who in (cast.ruth, cast.xu, cast.ana))

    def costs() -> list[int]:
        found = []
        for client, at in (
            (browser, reverse("reading", args=[case.pk])),
            (theirs, reverse("worklist_again")),
            (patients, reverse("case", args=[case.pk])),
        ):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(at).status_code == 200
            found.append(len(captured))
        return found

    def another(number: int) -> None:
        asker = User.objects.create_user(
            f"n{number}@example.org", name=f"N{number}", role="doctor", clinic=cast.north
        )
        vi = User.objects.create_user(
            f"s{number}@example.org", name=f"S{number}", role="doctor", clinic=cast.south
        )
        for who in (asker, vi):
            people.verify_doctor(who, cast.root)
        workflow.agree_to_share(workflow.share(case, asker, vi, "A question"), cast.ana)
        other = cases.submitted(cast.ana)
        workflow.agree_to_share(workflow.share(other, asker, cast.xu, "Another"), cast.ana)

    sharing.agreed(cast, case)
    another(0)
    costs()
    few = costs()
    for number in range(1, 5):
        another(number)
    assert costs() == few


@pytest.mark.parametrize(
    "changed",
    [
        {"agreed_at": "2026-11-01T00:00Z"},
        {"ended_at": "2026-11-01T00:00Z"},
        {"why_ended": "clinic"},
        {"doctor": "shared_by"},
    ],
)
def test_the_database_keeps_a_share_whole(cast: Cast, case: Case, changed: dict[str, Any]) -> None:
    share = sharing.asked(cast, case)
    if "doctor" in changed:
        changed = {"doctor": share.shared_by}
    with pytest.raises(IntegrityError), transaction.atomic():
        CaseShare.objects.filter(pk=share.pk).update(**changed)
    again = {"case": case, "doctor": cast.xu, "shared_by": cast.sam, "ends_at": share.ends_at}
    with pytest.raises(IntegrityError), transaction.atomic():
        CaseShare.objects.create(**again)

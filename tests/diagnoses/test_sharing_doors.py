"""What a share opens, address by address: the one case to look at, and nothing besides."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from django.urls import URLPattern, URLResolver, reverse

from accounts.models import Clinic, Consent, User
from diagnoses import erasure, workflow
from diagnoses.models import Case, CaseShare
from diagnoses.urls import urlpatterns
from tests.cases import a_model_version, submitted
from tests.cast import Cast
from tests.diagnoses import sharing
from tests.diagnoses.pages import text_of

pytestmark = pytest.mark.usefixtures("media")

# To look at before the own reading; what comes with it; what stays closed.
BEFORE = {"again", "photo", "api-case", "api-photo", "api-opinion"}
AFTER = {"reading_heatmap", "api-heatmap"}
CLOSED = {
    *("case", "case_state", "case_tell", "case_talk", "case_photo", "case_withdraw", "case_share"),
    *(
        "case_report",
        "case_archive",
        "api-archive",
        "lesion",
        "lesion_name",
        "letter_paper",
        "reminder",
    ),
    *("reading", "reading_ask", "reading_share", "reading_outcome", "reading_letter"),
    *("reading_open", "reading_first", "reading_sign", "reading_undo", "reading_amend"),
    *("reading_talk", "reading_retake", "reading_no_answer", "reading_told"),
    *("api-messages", "api-new-photo", "api-fhir-bundle", "api-fhir-media", "api-fhir-patient"),
    *("api-fhir-servicerequest", "api-fhir-diagnosticreport", "api-fhir-bodystructure"),
    *("api-news", "api-withdraw", "api-report"),
    *("api-claim", "api-reading", "api-reviews", "api-review"),
    *("api-lesion", "api-lesion-name", "api-reminder", "api-visit"),
    *("api-opinions", "api-shares", "api-share", "api-outcomes", "api-letters", "api-letter"),
    *("draft_thumb", "case_drop", "case_step"),
    *("alarm_seen", "learning_export", "learning_download", "learning_withdrawn"),
    "learning_cleaned",
}


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


@pytest.fixture
def case(cast: Cast) -> Case:
    return sharing.a_case(cast)


def named(patterns: list[URLPattern | URLResolver], path: str = "") -> Iterator[tuple[str, str]]:
    """Every named address of the clinical pages and the API, with its route."""
    for one in patterns:
        route = path + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from named(one.url_patterns, route)
        elif one.name:
            yield one.name, route


def address(name: str, route: str, case: Case, again: uuid.UUID) -> str:
    """Where ``name`` answers for this case."""
    photo, letter = case.photos.get(), case.letters.first()
    share = case.shares.last()
    assert share is not None
    first = {
        "again": again,
        "photo": photo.pk,
        "lesion": case.lesion_id,
        "lesion_name": case.lesion_id,
        "api-lesion": case.lesion_id,
        "api-lesion-name": case.lesion_id,
        "api-fhir-media": photo.pk,
        "api-fhir-patient": case.patient.public_id,
        "api-fhir-bodystructure": case.lesion_id,
        "letter_paper": letter.pk if letter else uuid.uuid4(),
        "api-letter": letter.pk if letter else uuid.uuid4(),
        "api-opinion": again,
    }.get(name, case.pk)
    more = {"photo": photo.pk, "share": share.pk, "name": "photo", "review": 1}
    keys = [part.split(">")[0].split(":")[1] for part in route.split("<")[1:]]
    return reverse(name, args=[first, *(more[key] for key in keys[1:])])


def statuses(
    cast: Cast, who: User, case: Case, again: uuid.UUID, *, post: bool = True
) -> dict[str, set[int]]:
    """What every address that names something answers, to GET and to an empty POST; the API's, to
    PUT and DELETE, too."""
    browser, program = cast.client(who), cast.api(who)
    found = {}
    for name, route in named(urlpatterns):
        if "<uuid" in route:
            client = program if name.startswith("api-") else browser
            at = address(name, route, case, again)
            found[name] = {client.get(at).status_code}
            found[name] |= {client.post(at).status_code} if post else set()
            if post and client is program:
                found[name] |= {client.put(at).status_code, client.delete(at).status_code}
    return found


def opened(cast: Cast, case: Case, again: uuid.UUID) -> set[str]:
    """The names that show something to Xu; every other one says that there is nothing."""
    found = statuses(cast, cast.xu, case, again)
    assert set(found) == BEFORE | AFTER | CLOSED, "a new address: is it open to another clinic?"
    shown = {name for name, codes in found.items() if 200 in codes}
    for name in set(found) - shown:
        assert 404 in found[name] <= {404, 405, 415}, (name, found[name])
    return shown


# --- What is open when ---------------------------------------------------------------------------


def test_nothing_is_open_before_the_patient_agrees(cast: Cast, case: Case) -> None:
    share = sharing.asked(cast, case)
    assert opened(cast, case, sharing.question_of(share).pk) == set()


def test_before_the_own_reading_the_case_alone(cast: Cast, case: Case) -> None:
    share = sharing.agreed(cast, case)
    assert opened(cast, case, sharing.question_of(share).pk) == BEFORE


def test_after_it_the_computers_view_too_and_still_after_the_signature(
    cast: Cast, case: Case
) -> None:
    share = sharing.read(cast, case)
    again = sharing.question_of(share).pk
    assert opened(cast, case, again) == BEFORE | AFTER
    sharing.signed(cast, case)
    case.refresh_from_db()
    workflow.write_letter(case, cast.ruth, addressee="Who", words="Please look.", with_photos=True)
    assert opened(cast, case, again) == BEFORE | AFTER


def test_signed_unread_it_is_closed(cast: Cast, case: Case) -> None:
    share = sharing.agreed(cast, case)
    sharing.signed(cast, case)
    assert opened(cast, case, sharing.question_of(share).pk) == set()
    case.refresh_from_db()
    workflow.undo_signature(case, cast.ruth)
    assert opened(cast, case, sharing.question_of(share).pk) == BEFORE


def erased(cast: Cast, _share: CaseShare) -> None:
    erasure.ask(cast.ana, after_answers=False)
    User.objects.filter(pk=cast.ana.pk).update(erase_asked_at="2020-01-01T00:00Z")
    assert erasure.erase(cast.ana)


ENDS: dict[str, Callable[[Cast, CaseShare], object]] = {
    "the clinic": lambda cast, share: workflow.take_back_share(share, cast.sam),
    "the patient": lambda cast, share: workflow.refuse_share(share, cast.ana),
    "the consent": lambda cast, _: workflow.withdraw_consent(cast.ana, Consent.Kind.CARE),
    "time": lambda _, share: sharing.lapsed(share),
    "withdrawn": lambda cast, share: workflow.withdraw(share.case, cast.ana),
    "erased": erased,
    "suspended": lambda cast, _: User.objects.filter(pk=cast.xu.pk).update(verified_at=None),
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("state", [sharing.agreed, sharing.read])
def test_the_end_closes_all_of_it_at_once(
    cast: Cast, case: Case, state: Callable[[Cast, Case], CaseShare], how: str
) -> None:
    share = state(cast, case)
    again = sharing.question_of(share).pk
    ENDS[how](cast, share)
    cast.xu.refresh_from_db()
    if how == "suspended":  # who waits for an admin is told so, on every doctor's page
        codes = statuses(cast, cast.xu, case, again)
        assert {code for found in codes.values() for code in found} <= {403, 404, 405, 415}
    else:
        assert opened(cast, case, again) == set()


def test_a_case_that_was_answered_closes_with_the_account(cast: Cast, case: Case) -> None:
    share = sharing.read(cast, case)
    sharing.signed(cast, case)
    erased(cast, share)
    assert opened(cast, case, sharing.question_of(share).pk) == set()
    share.refresh_from_db()
    assert share.why_ended == CaseShare.Why.ERASED


def test_it_opens_to_nobody_else_and_takes_nothing_from_the_clinic(cast: Cast, case: Case) -> None:
    share = sharing.agreed(cast, case)
    again = sharing.question_of(share).pk
    other = User.objects.create_user(
        "vi@example.org", name="Vi", role="doctor", clinic=cast.south, verified_at="2026-01-01T00Z"
    )
    for who in (other, cast.root, cast.ada, cast.bo):
        found = statuses(cast, who, case, again)
        shown = {name for name, codes in found.items() if 200 in codes}
        # Under any key a patient begins a form of their own.
        assert shown == ({"case_step"} if who == cast.bo else set()), who
    sams = statuses(cast, cast.sam, case, again, post=False)
    assert {name for name, codes in sams.items() if 200 in codes} >= {"reading", "case_report"}
    assert sams["again"] == {302}, "the question is not Sam's"


def test_no_other_case_of_the_patient_opens_with_it(cast: Cast, case: Case) -> None:
    sharing.read(cast, case)
    other = sharing.a_case(cast, lesion=case.lesion)
    browser, program = cast.client(cast.xu), cast.api(cast.xu)
    photo = other.photos.get().pk
    for query in ("", "?size=thumb", "?size=medium"):
        assert browser.get(reverse("photo", args=[photo]) + query).status_code == 404
    # Nor a picture of it by way of the case that is shared.
    for name, client in (("reading_heatmap", browser), ("api-photo", program)):
        for about in (case.pk, other.pk):
            assert client.get(reverse(name, args=[about, photo])).status_code == 404
    assert program.get(reverse("api-case", args=[other.pk])).status_code == 404


def test_no_list_has_it_but_that_of_second_readings(cast: Cast, case: Case) -> None:
    sharing.agreed(cast, case)
    browser, program = cast.client(cast.xu), cast.api(cast.xu)
    photo = str(case.photos.get().pk)
    for name, route in named(urlpatterns):
        if "<" not in route:
            client = program if name.startswith("api-") else browser
            at = reverse(name) if name != "api-nowhere" else "/api/v1/elsewhere"
            body = client.get(at).content.decode()
            said = any(word in body for word in (str(case.pk), case.reference, photo))
            assert said is (name in {"worklist_again", "api-asked"}), name
    searched = browser.get(f"/worklist/?q={case.reference}")
    assert not searched.context["page"].rows
    # The page says what was searched for, and knows nothing more of it.
    assert str(case.pk) not in searched.content.decode()


# --- What is on it -------------------------------------------------------------------------------


def test_they_read_blind_whatever_the_clinics_do_and_never_see_the_name(
    cast: Cast, case: Case
) -> None:
    Clinic.objects.update(blind_reading=False)
    share = sharing.agreed(cast, case)
    browser, program = cast.client(cast.xu), cast.api(cast.xu)
    page, api = (
        reverse("again", args=[sharing.question_of(share).pk]),
        reverse("api-case", args=[case.pk]),
    )
    before = text_of(browser.get(page))
    assert "Would you biopsy it?" in before
    assert "Asked by Ruth Okafor, North." in before
    assert "Your own reading" in before
    told = program.get(api).json()
    assert (told["computer_view"], told["own_first_reading"]) == (None, None)
    assert "reviews" not in told
    workflow.read_again(sharing.question_of(share), cast.xu, **sharing.READING)
    sharing.signed(cast, case)
    after = text_of(browser.get(page))
    assert "Calibrated probabilities" in after
    assert "Where the computer looked" in after
    view = program.get(api).json()["computer_view"]
    assert (view["tier"], view["similar"]) == ("red", [])
    listed = text_of(browser.get(reverse("worklist_again")))
    for closed in ("Ana Silva", "Signed cases that look alike", "So it is.", "Between us."):
        for said in (before, after, listed, str(told), str(program.get(api).json())):
            assert closed not in said, closed


def test_the_heatmap_of_another_class_is_asked_for_on_their_own_page(
    cast: Cast, case: Case
) -> None:
    share = sharing.read(cast, case)
    page = reverse("again", args=[sharing.question_of(share).pk])
    body = cast.client(cast.xu).get(page).content.decode()
    assert f"{page}?heat=bcc#heatmap" in body
    assert reverse("reading", args=[case.pk]) + "?" not in body


def test_their_reading_counts_for_nobody_of_the_clinic(cast: Cast, case: Case) -> None:
    """The view opens to whom it was opened by their own reading, and to nobody else."""
    sharing.read(cast, case)
    photo = case.photos.get().pk
    sams = cast.client(cast.sam).get(reverse("reading_heatmap", args=[case.pk, photo]))
    assert sams.status_code == 404


def test_a_new_patients_case_is_nothing_to_them(cast: Cast, case: Case) -> None:
    sharing.read(cast, case)
    other = submitted(cast.bo)
    assert not Case.objects.to_look_at(cast.xu).filter(pk=other.pk).exists()
    assert list(Case.objects.to_look_at(cast.xu)) == [case]
    assert not Case.objects.readable_by_doctor(cast.xu).exists()
    assert not Case.objects.visible_to(cast.xu).exists()

"""One case under a doctor's eyes: blind first, then the view, sign, undo, amend, two at once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Clinic, User
from diagnoses import workflow
from diagnoses.models import Case, FirstReading, Review
from mlservice.packs import load_pack
from tests.cases import ALL_ANSWERED, NOT_SURE, RED, a_model_version, photo, scored, submitted
from tests.cast import Cast, enter

pytestmark = pytest.mark.usefixtures("media")

# Numbers that appear nowhere by chance, so that one of them on a page is a leak.
PROBABILITIES = {
    "mel": 0.4137, "nv": 0.3119, "bkl": 0.1373, "bcc": 0.0719,
    "akiec": 0.0431, "df": 0.0163, "vasc": 0.0058,
}  # fmt: skip
UNSURE: dict[str, Any] = {
    "probabilities": PROBABILITIES,
    "top_label": "mel",
    "confidence": 0.4137,
    "no_disease": True,
    "label": "",
    "risk": 0.5287,
    "picture_tier": "red",
    "reasons": ["risk_r95", "unstable"],
    "stable": False,
    "conformal_set": ["mel", "nv"],
    "receipt": {"model": "skin-by-hand", "weights_sha256": "feedbeef" * 8},
}
READING = {"diagnosis": "mel", "confidence": "fairly", "plan": "refer_urgent"}
ANSWER = {
    "diagnosis": "mel",
    "plan": "refer_urgent",
    "advice": "Please come to the skin clinic this week.",
    "agrees": "yes",
}


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


@pytest.fixture
def case(cast: Cast) -> Case:
    return scored(submitted(cast.ana, site="upper_extremity"), **UNSURE)


def to(name: str, case: Case) -> str:
    return reverse(name, args=[case.pk])


def body(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def decision(page: str) -> str:
    """The pane in which the doctor decides."""
    return page.split('id="decision"')[1].split("</section>\n<aside", maxsplit=1)[0]


def ten_seconds_later(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the workflow and the page moves past the time to undo."""
    later = timezone.now() + timedelta(seconds=10, milliseconds=1)
    assert case.reviews.exists()
    monkeypatch.setattr(timezone, "now", lambda: later)


def numbers_of(case: Case) -> set[str]:
    """Every way in which one of the prediction's numbers could stand on a page."""
    prediction = case.prediction
    assert prediction is not None
    numbers = [*prediction.probabilities.values(), prediction.risk, prediction.confidence]
    ways = [("{:.4f}", 1), ("{:.3f}", 1), ("{:.1f} %", 100), ("{:.1f}%", 100), ("{:.2f}", 100)]
    return {way.format(number * scale) for number in numbers for way, scale in ways}


# --- Blind first ---------------------------------------------------------------------------------


def test_before_the_own_reading_the_page_holds_the_urgency_and_nothing_else(
    cast: Cast, case: Case
) -> None:
    page = body(cast.client(cast.ruth), to("reading", case))

    assert "Red" in page
    assert "Your own reading" in page
    leaked = {number for number in numbers_of(case) if number in page}
    assert not leaked
    for word in ("Calibrated", "feedbeef", "skin-by-hand", "No disease", "possible", "Receipt"):
        assert word not in page, word
    for code in UNSURE["reasons"]:
        assert code not in page
        assert load_pack("skin").reasons[code] not in page
    assert "checked" not in decision(page), "no choice is made for the doctor"


def test_two_cases_the_computer_sees_differently_look_the_same(cast: Cast) -> None:
    """Whatever it thinks, nothing in the source tells: only ids, tokens and times differ."""
    pages = []
    for view in ({**RED, **NOT_SURE}, {**UNSURE, "reasons": ["risk_r95"]}):
        case = scored(submitted(cast.ana), **view)
        page = decision(body(cast.client(cast.ruth), to("reading", case)))
        page = page.replace(str(case.pk), "ID").replace(case.reference, "REF")
        pages.append(re.sub(r'name="(csrfmiddlewaretoken|key)" value="[\w-]+"', "TOKEN", page))
        Case.objects.filter(pk=case.pk).update(status=Case.Status.CANCELLED)
    assert pages[0] == pages[1]


def test_the_computers_view_opens_with_the_own_reading_and_for_nobody_else(
    cast: Cast, case: Case
) -> None:
    ruth = cast.client(cast.ruth)
    response = ruth.post(to("reading_first", case), READING)
    assert response.status_code == 302

    page = decision(body(ruth, to("reading", case)))
    for share in ("41.3 %", "31.1 %", "13.7 %", "7.1 %", "4.3 %", "1.6 %", "0.5 %", "52.8 %"):
        assert share in page, share
    assert "No disease named" in page
    assert "41.3 %" in page
    assert "the answer changes" in page
    assert "feedbeef" in page
    assert load_pack("skin").reasons["unstable"] in page
    assert "Your reading: <strong>Melanoma</strong>. Fairly sure. Urgent referral." in page

    sams = body(cast.client(cast.sam), to("reading", case))
    assert "Your own reading" in sams
    assert "Calibrated" not in sams


def test_the_own_reading_is_kept_as_it_was(cast: Cast, case: Case) -> None:
    client = cast.client(cast.ruth)
    client.post(to("reading_first", case), READING)
    again = client.post(to("reading_first", case), READING, follow=True)
    assert "recorded before" not in again.content.decode(), "a double click changes nothing"
    other = READING | {"diagnosis": "-", "confidence": "sure"}
    told = client.post(to("reading_first", case), other, follow=True)
    assert "was recorded before, and stays as it was" in told.content.decode()

    reading = FirstReading.objects.get()
    assert (reading.diagnosis, reading.confidence) == ("mel", "fairly")


def test_a_reading_without_a_plan_is_refused_and_keeps_what_was_chosen(
    cast: Cast, case: Case
) -> None:
    response = cast.client(cast.ruth).post(
        to("reading_first", case), {"diagnosis": "mel", "confidence": "fairly"}
    )
    page = response.content.decode()
    assert response.status_code == 422
    assert "Choose a plan." in page
    assert re.search(r'value="mel"[^>]*checked', page)
    assert "Calibrated" not in page
    assert not FirstReading.objects.exists()


def test_where_a_clinic_does_not_read_blind_the_view_is_open_at_once(
    cast: Cast, case: Case
) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(blind_reading=False)
    page = body(cast.client(cast.ruth), to("reading", case))
    assert "41.3 %" in page
    assert "Your answer" in page


def test_an_answer_cannot_be_signed_before_reading(cast: Cast, case: Case) -> None:
    response = cast.client(cast.ruth).post(to("reading_sign", case), ANSWER)
    assert response.status_code == 409
    assert "record your own reading first" in response.content.decode()
    assert "Calibrated" not in response.content.decode()
    assert not Review.objects.exists()


# --- The gate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reading", "reading_first", "reading_sign", "reading_amend"])
def test_a_case_is_not_there_for_whom_it_is_not_meant(cast: Cast, case: Case, name: str) -> None:
    address = to(name, case)
    for person in (cast.xu, cast.ana, cast.bo, cast.ada, cast.root):
        assert cast.client(person).get(address).status_code == 404, person
        assert cast.client(person).post(address, ANSWER).status_code in {404, 405}, person
    assert cast.client(cast.uma).get(address).status_code == 403
    assert cast.client().get(address).status_code == 302
    assert not Review.objects.exists()


def test_undo_is_for_the_clinics_doctors_and_by_post_only(cast: Cast, case: Case) -> None:
    address = to("reading_undo", case)
    assert cast.client(cast.ruth).get(address).status_code == 405
    assert cast.client(cast.xu).post(address).status_code == 404
    assert cast.client(cast.ana).post(address).status_code == 404


def test_opening_a_case_is_written_down(cast: Cast, case: Case) -> None:
    body(cast.client(cast.ruth), to("reading", case))
    entry = AuditEntry.objects.get(action="case.viewed")
    assert (entry.actor, entry.about) == (cast.ruth, f"case:{case.pk}")


# --- What is on the desk -------------------------------------------------------------------------


def test_the_answers_are_read_in_words_with_their_points(cast: Cast) -> None:
    answers = ALL_ANSWERED | {"bleeding": "bleeds", "change_size": "yes", "note": "It <b>itches"}
    del answers["inflamed"]
    case = scored(submitted(cast.ana, answers=answers))
    page = decision(body(cast.client(cast.ruth), to("reading", case)))

    assert '<strong class="number">3</strong>' in page
    assert "urgent from 3" in page
    assert "Yes, it bleeds or has bled" in page
    assert "2 points" in page
    assert "It &lt;b&gt;itches" in page
    assert re.search(r"Not answered: [^<]*inflamed", page)


def test_no_points_are_worked_out_where_nothing_was_answered(cast: Cast) -> None:
    """A nought would read as harmless."""
    ruth = cast.client(cast.ruth)
    silent, calm = submitted(cast.ana, answers={}), submitted(cast.ana, answers=ALL_ANSWERED)
    page = decision(body(ruth, to("reading", silent)))
    assert '<strong class="number">–</strong>' in page
    assert "none of its questions was answered" in page
    assert '<strong class="number">0</strong>' in decision(body(ruth, to("reading", calm)))


def test_what_the_patient_told_later_stands_on_top(cast: Cast, case: Case) -> None:
    workflow.raise_urgency(case, cast.ana, "It has bled twice since Sunday.")
    page = decision(body(cast.client(cast.ruth), to("reading", case)))
    assert page.index("It has bled twice since Sunday.") < page.index("Your own reading")


def test_the_same_mark_and_the_patients_other_marks_stand_beside_it(cast: Cast) -> None:
    case = scored(submitted(cast.ana, site="hand"))
    again = scored(submitted(cast.ana, site="hand", lesion=case.lesion))
    other = scored(submitted(cast.ana, site="foot"))
    of_bo = submitted(cast.bo, site="scalp")
    pictures = body(cast.client(cast.ruth), to("reading", case)).split("bench-pictures")[1]
    pictures = pictures.split('id="decision"')[0]

    same, others = pictures.split("Other marks of Ana Silva")
    assert to("reading", again) in same
    assert to("reading", other) not in same
    assert to("reading", other) in others
    assert to("reading", of_bo) not in pictures


def test_a_photo_sent_although_it_is_poor_says_so(cast: Cast) -> None:
    blurred = workflow.NewPhoto("dermoscopic", photo(blur=8), sent_anyway=True)
    case = submitted(cast.ana, photos=[blurred])
    page = body(cast.client(cast.ruth), to("reading", case))
    assert "Sent although it is blurred" in page
    cast.client(cast.ruth).post(to("reading_first", case), READING)
    page = body(cast.client(cast.ruth), to("reading", case))
    assert "No view of the computer" in page
    assert "cannot be judged" in page


def test_next_and_previous_follow_the_list(cast: Cast) -> None:
    red = scored(submitted(cast.ana), **RED)
    high, low = (scored(submitted(cast.ana), risk=risk) for risk in (0.09, 0.01))
    page = body(cast.client(cast.ruth), to("reading", high))
    keys = dict(re.findall(r'href="/worklist/([0-9a-f-]+)/"\s+data-key="([jk])"', page))
    assert keys == {str(low.pk): "j", str(red.pk): "k"}


def test_a_case_page_costs_the_same_however_much_there_is(cast: Cast) -> None:
    client = cast.client(cast.ruth)
    case = scored(submitted(cast.ana, site="hand"))
    client.post(to("reading_first", case), READING)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            body(client, to("reading", case))
        return len(captured)

    # One of each kind first: a list that is empty costs no statement for what hangs on it.
    scored(submitted(cast.ana, lesion=case.lesion, site="hand"))
    scored(submitted(cast.ana))
    few = statements()
    for _ in range(6):
        scored(submitted(cast.ana, lesion=case.lesion, site="hand"))
        scored(submitted(cast.ana))
        workflow.raise_urgency(case, cast.ana, "More.")
    assert statements() == few
    assert few <= 26


# --- Signing -------------------------------------------------------------------------------------


@pytest.fixture
def ruth(cast: Cast, case: Case) -> Client:
    """Ruth, who has read the case."""
    client = cast.client(cast.ruth)
    client.post(to("reading_first", case), READING)
    return client


def test_a_signed_answer_is_final_and_the_patient_reads_it(
    cast: Cast, case: Case, ruth: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = ruth.post(to("reading_sign", case), ANSWER)
    assert response.status_code == 302

    case.refresh_from_db()
    assert (case.status, case.signed_by) == (Case.Status.FINAL, cast.ruth)
    review = Review.objects.get()
    assert (review.diagnosis, review.plan, review.agrees) == ("mel", "refer_urgent", True)

    ten_seconds_later(case, monkeypatch)
    patients = body(cast.client(cast.ana), reverse("case", args=[case.pk]))
    assert ANSWER["advice"] in patients
    assert "41.3 %" not in patients


def test_within_ten_seconds_the_signature_can_be_taken_back(
    cast: Cast, case: Case, ruth: Client
) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    page = body(ruth, to("reading", case))
    assert f'action="{to("reading_undo", case)}"' in page
    assert re.findall(r'data-seconds="([1-9]|10)"', page)

    after = ruth.post(to("reading_undo", case), follow=True).content.decode()
    case.refresh_from_db()
    assert (case.status, case.signed_by) == (Case.Status.PARTIAL, None)
    assert "Your signature is taken back" in after
    assert ANSWER["advice"] in after, "the text is kept in the form"
    assert re.search(r'name="agrees" value="yes"[^>]*checked', after)
    assert case in Case.objects.readable_by_doctor(cast.sam).awaiting_review()


def test_after_ten_seconds_undo_is_gone_and_says_so(
    cast: Cast, case: Case, ruth: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    ten_seconds_later(case, monkeypatch)
    assert to("reading_undo", case) not in body(ruth, to("reading", case))

    after = ruth.post(to("reading_undo", case), follow=True).content.decode()
    case.refresh_from_db()
    assert case.status == Case.Status.FINAL
    assert "The answer has been sent. You can amend it." in after


def test_nobody_undoes_a_colleagues_signature(cast: Cast, case: Case, ruth: Client) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    sam = cast.client(cast.sam)
    assert to("reading_undo", case) not in body(sam, to("reading", case))
    sam.post(to("reading_undo", case))
    case.refresh_from_db()
    assert case.status == Case.Status.FINAL


def test_the_second_doctor_is_told_who_signed_and_keeps_their_text(
    cast: Cast, case: Case, ruth: Client
) -> None:
    sam = cast.client(cast.sam)
    sam.post(to("reading_first", case), READING)
    ruth.post(to("reading_sign", case), ANSWER)
    response = sam.post(
        to("reading_sign", case), ANSWER | {"advice": "Sam's careful words.", "note": "Biopsy?"}
    )

    page = response.content.decode()
    assert response.status_code == 409
    assert "Ruth Okafor signed this case" in page
    assert "Sam&#x27;s careful words." in page
    assert "Biopsy?" in page
    assert [review.doctor for review in case.reviews.all()] == [cast.ruth]


def test_a_double_click_signs_once_and_is_not_told_that_it_failed(
    cast: Cast, case: Case, ruth: Client
) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    again = ruth.post(to("reading_sign", case), ANSWER)
    assert (again.status_code, again["Location"]) == (302, to("reading", case) + "#answer")
    other = ruth.post(to("reading_sign", case), ANSWER | {"advice": "From another tab."})
    assert other.status_code == 409
    assert "From another tab." in other.content.decode()
    assert case.reviews.count() == 1


def test_a_first_reading_that_comes_too_late_is_told_so(
    cast: Cast, case: Case, ruth: Client
) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    response = cast.client(cast.sam).post(to("reading_first", case), READING)
    assert response.status_code == 409
    assert "Ruth Okafor signed this case" in response.content.decode()


def test_a_withdrawn_case_can_be_read_but_not_signed(cast: Cast, case: Case, ruth: Client) -> None:
    workflow.withdraw(case, cast.ana)
    response = ruth.post(to("reading_sign", case), ANSWER)
    assert response.status_code == 409
    assert "The patient has withdrawn this case." in response.content.decode()
    assert "has withdrawn this case" in body(ruth, to("reading", case))


def test_who_differs_says_why(cast: Cast, case: Case, ruth: Client) -> None:
    refused = ruth.post(to("reading_sign", case), ANSWER | {"agrees": "no"})
    assert refused.status_code == 422
    assert "Say in a few words why you differ." in refused.content.decode()
    assert ANSWER["advice"] in refused.content.decode(), "nothing typed is lost"

    ruth.post(
        to("reading_sign", case),
        ANSWER | {"agrees": "no", "differs_because": "Regression structures"},
    )
    review = Review.objects.get()
    assert (review.agrees, review.differs_because) == (False, "Regression structures")


def test_where_the_computer_gave_no_view_there_is_nothing_to_agree_with(cast: Cast) -> None:
    case = submitted(cast.bo)  # who did not agree to the computer's check
    client = cast.client(cast.ruth)
    client.post(to("reading_first", case), READING)
    page = body(client, to("reading", case))
    assert "did not want a computer to look" in page
    assert 'name="agrees"' not in page

    client.post(to("reading_sign", case), ANSWER)
    assert Review.objects.get().agrees is None


def test_a_recheck_needs_a_time(cast: Cast, case: Case, ruth: Client) -> None:
    answer = ANSWER | {"plan": "recheck"}
    refused = ruth.post(to("reading_sign", case), answer)
    assert "Say when the patient should photograph it again." in refused.content.decode()
    ruth.post(to("reading_sign", case), answer | {"recheck_days": "90"})
    assert Review.objects.get().recheck_days == 90


def test_a_template_fills_the_answer_without_scripts(cast: Cast, case: Case, ruth: Client) -> None:
    page = body(ruth, to("reading", case) + "?template=mole_recheck")
    form = page.split('id="answer-form"')[1]
    assert "I would like to see it" in form
    assert re.search(r'value="nv"[^>]*checked', form)
    assert re.search(r'<option value="90" selected', form)


def test_none_of_these_is_an_answer_too(cast: Cast, case: Case, ruth: Client) -> None:
    ruth.post(to("reading_sign", case), ANSWER | {"diagnosis": "-", "plan": "reassure"})
    assert Review.objects.get().diagnosis == ""
    assert "None of these, or no lesion" in body(ruth, to("reading", case))


# --- Amending ------------------------------------------------------------------------------------


def test_an_amended_answer_stands_beside_the_first(
    cast: Cast, case: Case, ruth: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    ten_seconds_later(case, monkeypatch)
    first = Review.objects.get()
    form = body(ruth, to("reading_amend", case))
    assert form.count(ANSWER["advice"]) >= 2, "the signed answer, and the form that starts from it"

    amended = ANSWER | {"advice": "It is harmless after all.", "after": first.pk}
    assert ruth.post(to("reading_amend", case), amended).status_code == 302
    case.refresh_from_db()
    assert case.status == Case.Status.AMENDED
    page = body(ruth, to("reading", case))
    assert page.index("It is harmless after all.") < page.index(ANSWER["advice"])
    assert [review.advice for review in case.reviews.all()] == [
        ANSWER["advice"],
        "It is harmless after all.",
    ]


def test_two_amendments_at_once_do_not_pass_each_other(
    cast: Cast, case: Case, ruth: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    ten_seconds_later(case, monkeypatch)
    after = {"after": Review.objects.get().pk}
    ruth.post(to("reading_amend", case), ANSWER | after | {"advice": "Ruth's second thoughts."})
    late = cast.client(cast.sam).post(
        to("reading_amend", case), ANSWER | after | {"advice": "Sam's amendment."}
    )
    assert late.status_code == 409
    assert "Ruth Okafor amended this answer in the meantime" in late.content.decode()
    assert "Sam&#x27;s amendment." in late.content.decode()
    assert case.reviews.count() == 2


def test_an_amendment_of_another_cases_answer_is_not_found(
    cast: Cast, case: Case, ruth: Client
) -> None:
    ruth.post(to("reading_sign", case), ANSWER)
    other = scored(submitted(cast.ana), **UNSURE)
    ruth.post(to("reading_first", other), READING)
    ruth.post(to("reading_sign", other), ANSWER)
    foreign = other.reviews.get().pk
    response = ruth.post(to("reading_amend", case), ANSWER | {"after": foreign})
    assert response.status_code == 404
    assert case.reviews.count() == 1


def test_an_unsigned_case_has_nothing_to_amend(cast: Cast, case: Case, ruth: Client) -> None:
    response = ruth.get(to("reading_amend", case))
    assert response.status_code == 302
    assert response["Location"] == to("reading", case)


def test_a_login_in_between_leads_back_to_the_case(cast: Cast, case: Case) -> None:
    client = cast.client()
    lost = client.post(to("reading_sign", case), ANSWER)
    assert lost.status_code == 302
    enter(client, User.objects.get(pk=cast.ruth.pk))
    back = client.get(lost["Location"].split("next=")[1])
    assert (back.status_code, back["Location"]) == (302, to("reading", case))

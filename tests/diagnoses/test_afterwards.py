"""What it turned out to be, the letter to a specialist, and a doctor's own numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEntry, User
from diagnoses import workflow
from diagnoses.models import Case, Letter, Outcome
from diagnoses.numbers import Share, numbers_of
from diagnoses.report import letter_on_paper
from diagnoses.workflow import Answer
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import errors_of, text_of

pytestmark = pytest.mark.usefixtures("media")
KNOWN = {"diagnosis": "mel", "source": "histology", "found_on": "2026-11-01", "words": "0.4 mm"}


@pytest.fixture
def signed(cast: Cast, settings: Settings) -> Case:
    settings.UNDO_SIGNATURE *= 0
    cases.a_model_version()
    return sign(cast, first="nv", final="mel")


def sign(cast: Cast, *, first: str, final: str) -> Case:
    case = cases.scored(cases.submitted(cast.ana, contact_e164="+447700900155"), **cases.RED)
    workflow.read_first(case, cast.ruth, diagnosis=first, confidence="sure", plan="see")
    note = "Please see her soon."
    answer = Answer(diagnosis=final, plan="refer_urgent", advice="Please show it.", note=note)
    workflow.sign(case, cast.ruth, answer)
    return case


def record(cast: Cast, case: Case, **changed: str) -> object:
    said = {name: value for name, value in (KNOWN | changed).items() if value}
    address = reverse("reading_outcome", args=[case.pk])
    return cast.client(cast.ruth).post(address, said)


# --- The outcome ---------------------------------------------------------------------------------


def test_an_outcome_is_kept_beside_the_answer(cast: Cast, signed: Case) -> None:
    record(cast, signed)
    record(cast, signed)  # the other click
    outcome = Outcome.objects.get()
    assert (outcome.diagnosis, outcome.recorded_by) == ("mel", cast.ruth)
    page = text_of(cast.client(cast.sam).get(reverse("reading", args=[signed.pk])))
    assert "Histology, 1 November 2026. Recorded by Ruth Okafor." in page
    assert AuditEntry.objects.filter(action="case.outcome_recorded").count() == 1


def test_a_later_outcome_counts_and_the_earlier_one_stays(cast: Cast, signed: Case) -> None:
    record(cast, signed)
    record(cast, signed, diagnosis="nv", words="A second look at the slide")
    assert [one.diagnosis for one in signed.outcomes.all()] == ["mel", "nv"]
    page = text_of(cast.client(cast.ruth).get(reverse("reading", args=[signed.pk])))
    assert "Replaced since." in page
    with pytest.raises(IntegrityError), transaction.atomic():
        Outcome.objects.update(diagnosis="nv")


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("diagnosis", "", "diagnosis"),
        ("diagnosis", "cold", "diagnosis"),
        ("source", "", "source"),
        ("found_on", "", "found_on"),
        ("found_on", "yesterday", "found_on"),
        ("found_on", "2999-01-01", "found_on"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    cast: Cast, signed: Case, field: str, value: str, wrong: str
) -> None:
    refused = record(cast, signed, **{field: value})
    assert list(errors_of(refused)) == [wrong]
    assert not Outcome.objects.exists()


def test_none_of_these_needs_words(cast: Cast, signed: Case) -> None:
    assert list(errors_of(record(cast, signed, diagnosis="-", words=""))) == ["words"]
    record(cast, signed, diagnosis="-", words="A splinter")
    assert Outcome.objects.get().diagnosis == ""


def test_before_an_answer_there_is_no_outcome(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana), **cases.RED)
    refused = cast.client(cast.ruth).post(reverse("reading_outcome", args=[case.pk]), KNOWN)
    assert refused.status_code == 409
    assert not Outcome.objects.exists()


# --- The letter ----------------------------------------------------------------------------------


def write(cast: Cast, case: Case, **changed: str) -> str:
    said = {"addressee": "Dermatology, Dr Novak", "words": "Thank you.", "with_photos": "on"}
    address = reverse("reading_letter", args=[case.pk])
    return str(cast.client(cast.ruth).post(address, said | changed)["Location"])


def test_a_letter_is_written_kept_and_printed(cast: Cast, signed: Case) -> None:
    fresh = cast.client(cast.ruth).get(reverse("reading_letter", args=[signed.pk]))
    assert "Please see her soon." in text_of(fresh)
    address = write(cast, signed)
    assert write(cast, signed) == address  # the other click
    paper = cast.client(cast.ruth).get(address)
    assert paper["Content-Type"] == "application/pdf"
    assert paper["Cache-Control"] == "private, no-store"
    assert paper.content.startswith(b"%PDF")
    assert "To Dermatology, Dr Novak" in text_of(
        cast.client(cast.sam).get(reverse("reading", args=[signed.pk]))
    )
    for other in (cast.xu, cast.ana, cast.ada):
        assert cast.client(other).get(address).status_code == 404


def test_the_letter_holds_what_a_specialist_needs_and_nothing_of_the_computers(
    cast: Cast, signed: Case
) -> None:
    write(cast, signed)
    paper = letter_on_paper(Letter.objects.get())
    said = str(paper.as_dict())
    for needed in (
        "Ana Silva",
        "+447700900155",
        "Melanoma",
        "C43.9",
        "Urgent referral",
        "Dr Novak",
    ):
        assert needed in said
    for not_there in ("computer&", "From the computer", "41.3", "SHA-256"):
        assert not_there not in said
    assert len(paper.photos) == 1


def test_a_letter_says_that_the_patient_answered_nothing(cast: Cast, signed: Case) -> None:
    Case.objects.filter(pk=signed.pk).update(answers={})
    write(cast, signed)
    assert "No question was answered." in str(letter_on_paper(Letter.objects.get()).as_dict())


def test_a_letter_without_photos_has_none(cast: Cast, signed: Case) -> None:
    write(cast, signed, with_photos="")
    assert letter_on_paper(Letter.objects.get()).photos == ()


def test_a_letter_needs_an_addressee_and_words(cast: Cast, signed: Case) -> None:
    address = reverse("reading_letter", args=[signed.pk])
    refused = cast.client(cast.ruth).post(address, {"addressee": "", "words": ""})
    assert sorted(errors_of(refused)) == ["addressee", "words"]


def test_an_open_case_has_no_letter(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana), **cases.RED)
    address = reverse("reading_letter", args=[case.pk])
    assert cast.client(cast.ruth).get(address)["Location"] == reverse("reading", args=[case.pk])


# --- The numbers ---------------------------------------------------------------------------------


def of(doctor: User) -> object:
    return numbers_of(doctor, timezone.now() - timedelta(days=30))


def test_numbers_of_one_doctor(cast: Cast, signed: Case) -> None:
    sign(cast, first="mel", final="mel")
    workflow.record_outcome(
        signed,
        cast.ruth,
        source="histology",
        diagnosis="nv",
        words="",
        found_on=timezone.localdate(),
    )
    top = signed.predictions.get().top_label
    found = numbers_of(cast.ruth, timezone.now() - timedelta(days=30))
    assert (found.seen, found.signed) == (2, 2)
    assert found.changed == Share(1, 2)
    assert found.as_computer_before == Share((top == "nv") + (top == "mel"), 2)
    assert found.as_computer_after == Share(2 * (top == "mel"), 2)
    assert (found.right_before, found.right_after) == (Share(1, 1), Share(0, 1))
    assert found.right_computer == Share(int(top == "nv"), 1)
    assert found.from_arrival is not None
    none = numbers_of(cast.sam, timezone.now() - timedelta(days=30))
    assert (none.seen, none.signed, none.from_arrival) == (0, 0, None)


def test_a_share_of_few_cases_is_not_shown() -> None:
    assert Share(20, 29).percent is None
    assert Share(20, 30).percent == 67


def test_the_page_says_what_it_cannot_say_yet(cast: Cast, signed: Case) -> None:
    page = text_of(cast.client(cast.ruth).get(reverse("worklist_numbers")))
    assert "Not enough cases: 1 of the 30 it takes." in page
    for odd in ("?days=x", "?days=7", "?days=99999"):
        assert cast.client(cast.ruth).get(reverse("worklist_numbers") + odd).status_code == 200
    assert signed.is_signed


def test_numbers_cost_the_same_however_much_was_signed(cast: Cast, signed: Case) -> None:
    costs = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            of(cast.ruth)
        costs.append(len(queries))
        sign(cast, first="nv", final="nv")
    assert len(set(costs)) == 1
    assert costs[0] <= 4
    assert signed.is_signed

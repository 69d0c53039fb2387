"""Signed cases that look alike: same clinic, same network, confirmed, agreed to; never itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import people
from accounts.models import Clinic, Consent, User
from diagnoses import workflow
from diagnoses.models import INDEXED_SIZE, LARGEST_SIZE, Case, Precedent, Prediction, SecondReading
from diagnoses.similar import Similar, similar_to
from diagnoses.workflow import Answer, NewPhoto
from mlservice.models import ModelVersion
from tests.cases import AMBER, a_model_version, claimed, photo, prediction, scored, submitted
from tests.cast import Cast, _person

pytestmark = pytest.mark.usefixtures("media")
migration = import_module("diagnoses.migrations.0011_precedent")


@pytest.fixture(autouse=True)
def model(cast: Cast, settings: Settings) -> ModelVersion:
    """Every signature is for good at once, and none is drawn to be read again."""
    Clinic.objects.update(double_reading_percent=0)
    settings.UNDO_SIGNATURE = timedelta(0)
    return a_model_version()


@pytest.fixture
def bo(cast: Cast) -> User:
    people.give_consent(cast.bo, Consent.Kind.COMPUTER_CHECK)
    return cast.bo


@pytest.fixture
def case(cast: Cast, model: ModelVersion) -> Case:
    """The one being read."""
    return scored(submitted(cast.ana), **looks(0))


def looks(degrees: float, size: int = INDEXED_SIZE) -> dict[str, Any]:
    """An embedding turned so far away from that of 0 degrees; its length says nothing."""
    vector = np.zeros(size, "<f4")
    vector[:2] = np.cos(np.radians(degrees)) * 7, np.sin(np.radians(degrees)) * 7
    return {"embedding": vector.tobytes()}


def sign(case: Case, doctor: User, diagnosis: str = "nv", plan: str = "reassure") -> None:
    workflow.sign(case, doctor, Answer(diagnosis=diagnosis, plan=plan, advice="All well."))


def signed(patient: User, doctor: User, degrees: float = 5, **more: Any) -> Case:
    case = scored(submitted(patient), **looks(degrees), **more)
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    sign(case, doctor)
    return case


def view_of(case: Case) -> Prediction:
    view = case.prediction
    assert view is not None
    return view


def alike(case: Case, doctor: User) -> list[Similar]:
    return similar_to(case, view_of(case), doctor)


def found(case: Case, doctor: User) -> list[Case]:
    return [one.case for one in alike(case, doctor)]


# --- Which come first ----------------------------------------------------------------------------


def test_the_nearest_come_first_and_no_more_than_six(cast: Cast, case: Case, bo: User) -> None:
    angles = [50, 10, 70, 30, 20, 60, 40, 80]
    by_angle = {angle: signed(bo, cast.ruth, angle) for angle in angles}
    assert found(case, cast.ruth) == [by_angle[angle] for angle in sorted(angles)[:6]]
    first = alike(case, cast.ruth)[0]
    assert first.likeness == pytest.approx(np.cos(np.radians(10)), abs=1e-3)
    assert (first.diagnosis, first.plan, first.same_patient) == ("nv", "reassure", False)
    assert first.photo_id == first.case.photos.get().pk


@pytest.mark.parametrize(
    ("degrees", "says"), [(5, "Very alike"), (30, "Alike"), (40, "Not very alike")]
)
def test_how_alike_is_said_in_words_that_round_nothing_up(
    cast: Cast, case: Case, bo: User, degrees: float, says: str
) -> None:
    signed(bo, cast.ruth, degrees)
    [one] = alike(case, cast.ruth)
    assert one.likeness_in_words == says
    assert one.floored <= one.likeness < one.floored + 0.01


def test_the_patients_own_are_marked_and_the_case_itself_is_not_among_them(
    cast: Cast, bo: User
) -> None:
    own, other = signed(cast.ana, cast.ruth, 3), signed(bo, cast.ruth, 6)
    read = signed(cast.ana, cast.ruth, 0)
    assert [(one.case, one.same_patient) for one in alike(read, cast.ruth)] == [
        (own, True),
        (other, False),
    ]


def test_another_size_of_embedding_is_searched_too(cast: Cast, bo: User) -> None:
    """Without an index, and never together with the others."""
    signed(bo, cast.ruth, 1)
    far, near = (scored(submitted(bo), **looks(angle, size=576)) for angle in (40, 20))
    for one in (far, near):
        workflow.read_first(one, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
        sign(one, cast.ruth)
    read = scored(submitted(cast.ana), **looks(0, size=576))
    assert found(read, cast.ruth) == [near, far]


# --- Which may be shown --------------------------------------------------------------------------


def test_an_open_case_confirms_nothing(cast: Cast, case: Case, bo: User) -> None:
    scored(submitted(bo), **looks(1))
    assert found(case, cast.ruth) == []


def test_an_answer_counts_when_it_can_no_longer_be_undone(
    cast: Cast, case: Case, bo: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.UNDO_SIGNATURE = timedelta(seconds=10)
    other = signed(bo, cast.ruth)
    assert found(case, cast.ruth) == []
    later = timezone.now() + timedelta(seconds=11)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert found(case, cast.ruth) == [other]


def test_an_answer_taken_back_confirms_nothing_and_the_next_one_does(
    cast: Cast, case: Case, bo: User, settings: Settings
) -> None:
    settings.UNDO_SIGNATURE = timedelta(seconds=10)
    other = signed(bo, cast.ruth)
    workflow.undo_signature(other, cast.ruth)
    assert found(case, cast.ruth) == []
    settings.UNDO_SIGNATURE = timedelta(0)
    sign(other, cast.ruth, "bkl", "see")
    assert [(one.case, one.diagnosis) for one in alike(case, cast.ruth)] == [(other, "bkl")]


def test_an_amended_answer_is_the_one_that_stands(cast: Cast, case: Case, bo: User) -> None:
    other = signed(bo, cast.ruth)
    newest = other.reviews.get()
    answer = Answer(diagnosis="mel", plan="refer_urgent", advice="Please come.")
    workflow.amend(other, cast.sam, answer, after=newest)
    [one] = alike(case, cast.ruth)
    assert (one.diagnosis, one.plan) == ("mel", "refer_urgent")


def test_another_clinics_cases_are_nobodys_here(cast: Cast, case: Case, bo: User) -> None:
    theirs = _person("Yan Mo", cast.south)
    for kind in (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK):
        people.give_consent(theirs, kind)
    signed(theirs, cast.xu)
    assert found(case, cast.ruth) == []
    ours = signed(bo, cast.ruth)
    assert found(case, cast.ruth) == [ours]
    assert found(case, cast.xu) == [], "nor does another clinic's doctor find ours by our case"


def test_another_networks_embeddings_are_not_compared(cast: Cast, bo: User) -> None:
    signed(bo, cast.ruth)
    ModelVersion.objects.update(state=ModelVersion.State.RETIRED)
    newer = a_model_version(version="other")
    read = scored(submitted(cast.ana), **looks(0))
    assert found(read, cast.ruth) == []
    # The same weights under other cuts are the same network.
    ModelVersion.objects.update(weights_hash="ab" * 32)
    Precedent.objects.update(network="ab" * 32)
    assert len(found(read, cast.ruth)) == 1
    assert newer.pk == view_of(read).model_version_id


@pytest.mark.parametrize("kind", [Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK])
def test_who_took_a_consent_back_is_not_compared_with_others(
    cast: Cast, case: Case, bo: User, kind: Consent.Kind
) -> None:
    signed(bo, cast.ruth)
    assert len(found(case, cast.ruth)) == 1
    workflow.withdraw_consent(bo, kind)
    assert found(case, cast.ruth) == []
    people.give_consent(bo, kind)
    assert len(found(case, cast.ruth)) == 1
    workflow.withdraw_consent(cast.ana, kind)
    assert found(case, cast.ruth) == [], "nor are others with them"


def test_the_other_consents_change_nothing(cast: Cast, case: Case, bo: User) -> None:
    other = signed(bo, cast.ruth)
    assert not people.has_consent(bo, Consent.Kind.RESEARCH)
    assert not people.has_consent(bo, Consent.Kind.MESSAGES)
    assert found(case, cast.ruth) == [other]


def test_an_erased_patient_is_not_among_them(cast: Cast, case: Case, bo: User) -> None:
    signed(bo, cast.ruth)
    people.erase(bo)
    assert Precedent.objects.exists()
    assert found(case, cast.ruth) == []


def test_a_picture_with_nothing_to_judge_is_like_no_other(cast: Cast, case: Case, bo: User) -> None:
    strange = scored(submitted(bo), **looks(1), modality="not_skin", label="")
    sign_unread(strange, cast.ruth)
    assert not Precedent.objects.filter(case=strange).exists()
    signed(bo, cast.ruth)
    read = scored(submitted(cast.ana), **looks(0), modality="no_lesion", label="")
    assert found(read, cast.ruth) == []


def sign_unread(case: Case, doctor: User) -> None:
    workflow.read_first(case, doctor, diagnosis="", confidence="sure", plan="reassure")
    sign(case, doctor, "")


def test_what_it_turned_out_to_be_stands_beside_the_answer(
    cast: Cast, case: Case, bo: User
) -> None:
    other, plain = signed(bo, cast.ruth, 3), signed(bo, cast.ruth, 6)
    found_on = timezone.localdate()
    for diagnosis, words in (("bkl", ""), ("mel", "")):
        workflow.record_outcome(
            other,
            cast.ruth,
            source="histology",
            diagnosis=diagnosis,
            words=words,
            found_on=found_on,
        )
    first, second = alike(case, cast.ruth)
    assert (first.case, second.case) == (other, plain)
    assert first.outcome_in_words == "Histology: Melanoma", "the newest one"
    assert second.outcome_in_words == ""
    workflow.record_outcome(
        other, cast.ruth, source="follow_up", diagnosis="", words="a wart", found_on=found_on
    )
    assert alike(case, cast.ruth)[0].outcome_in_words == "Follow-up: a wart"


def test_what_a_doctor_has_yet_to_read_again_blind_is_not_shown_to_them(
    cast: Cast, case: Case, bo: User
) -> None:
    drawn, other = signed(bo, cast.ruth, 3), signed(bo, cast.ruth, 6)
    reading = SecondReading.objects.create(
        case=drawn, why=SecondReading.Why.DRAWN, review=drawn.reviews.get()
    )
    assert found(case, cast.sam) == [other]
    assert found(case, cast.ruth) == [drawn, other], "who signed it does not read it again"
    workflow.read_again(
        reading, cast.sam, diagnosis="nv", confidence="sure", plan="reassure", words=""
    )
    assert found(case, cast.sam) == [drawn, other]


# --- How they are kept ---------------------------------------------------------------------------


def test_a_view_that_comes_after_the_signature_is_kept_too(
    cast: Cast, case: Case, bo: User
) -> None:
    early = submitted(bo)
    workflow.read_first(early, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    sign(early, cast.ruth)
    assert not Precedent.objects.exists()
    row = claimed(early)
    assert workflow.attach((row, prediction(row, **looks(4))))
    assert found(case, cast.ruth) == [early]


def test_after_a_new_photo_the_newest_view_counts(
    cast: Cast, case: Case, bo: User, settings: Settings
) -> None:
    settings.UNDO_SIGNATURE = timedelta(seconds=10)
    other = signed(bo, cast.ruth, 40)
    workflow.undo_signature(other, cast.ruth)
    workflow.retake(other, bo, [NewPhoto("dermoscopic", photo(9))], uuid.uuid4())
    settings.UNDO_SIGNATURE = timedelta(0)
    newer = other.photos.order_by("created_at").last()
    scored(other, **looks(3), **AMBER, photo=newer)
    sign(other, cast.ruth)
    [one] = alike(case, cast.ruth)
    assert one.likeness > 0.99
    assert newer is not None
    assert one.photo_id == newer.pk
    assert Precedent.objects.get().prediction == other.prediction


@pytest.mark.parametrize(
    "embedding", [b"", np.zeros(8, "<f4").tobytes(), np.ones(LARGEST_SIZE + 1, "<f4").tobytes()]
)
def test_an_embedding_that_cannot_be_compared_never_stops_a_signature(
    cast: Cast, bo: User, embedding: bytes
) -> None:
    odd = scored(submitted(bo), embedding=embedding)
    sign_unread(odd, cast.ruth)
    assert odd.is_signed
    assert not Precedent.objects.exists()
    assert alike(odd, cast.ruth) == []


def test_numbers_too_large_for_sixteen_bits_are_kept_all_the_same(
    cast: Cast, case: Case, bo: User
) -> None:
    vector = np.frombuffer(looks(5)["embedding"], "<f4") * np.float32(1e6)
    huge = scored(submitted(bo), embedding=vector.tobytes())
    sign_unread(huge, cast.ruth)
    [one] = alike(case, cast.ruth)
    assert one.likeness == pytest.approx(np.cos(np.radians(5)), abs=1e-3)


def test_the_index_of_the_nearest_is_used_and_looks_on_past_what_may_not_be_shown(
    cast: Cast, case: Case, bo: User
) -> None:
    """Of a hundred nearest that may not be shown none hides the one behind them."""
    target = signed(bo, cast.ruth, 30)
    hidden = signed(cast.ana, cast.ruth, 0)
    Precedent.objects.filter(case=hidden).delete()
    template = Precedent.objects.get(case=target)
    for number in range(100):
        twin = Case.objects.get(pk=hidden.pk)
        twin.pk, twin.submit_key = uuid.uuid4(), uuid.uuid4()
        twin.save(force_insert=True)
        Precedent.objects.create(
            case=twin,
            clinic_id=twin.clinic_id,
            prediction=template.prediction,
            network=template.network,
            size=template.size,
            embedding=np.frombuffer(looks(number / 10)["embedding"], "<f4").tolist(),
        )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        with CaptureQueriesContext(connection) as asked:
            assert found(case, cast.ruth) == [target], "the twins have no answer of their own"
        [search] = [one["sql"] for one in asked.captured_queries if "<=>" in one["sql"]]
        cursor.execute(f"EXPLAIN {search}")
        assert "precedent_alike" in str(cursor.fetchall())


# --- The migration -------------------------------------------------------------------------------


def test_what_was_signed_before_is_found_too(cast: Cast, case: Case, bo: User) -> None:
    other, strange = (
        signed(bo, cast.ruth),
        scored(submitted(bo), **looks(1), modality="not_skin", label=""),
    )
    sign_unread(strange, cast.ruth)
    scored(submitted(bo), **looks(2))
    Precedent.objects.all().delete()
    assert found(case, cast.ruth) == []
    with connection.schema_editor() as editor:
        migration.fill(apps, editor)
    assert found(case, cast.ruth) == [other]
    assert Precedent.objects.count() == 1


class Cursor:
    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def execute(self, _statement: str) -> None: ...

    def fetchone(self) -> Any:
        return self.rows.pop(0)


class Editor:
    """A database that answers what is available, and what is installed."""

    def __init__(self, *rows: Any) -> None:
        self.connection, self.rows = self, list(rows)

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        yield Cursor(self.rows)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([None, None], "This PostgreSQL has no pgvector, which Lentigo needs."),
        ([("0.7.4",), None], "pgvector is 0.7.4 here; Lentigo needs 0.8 or later."),
        ([("0.8.1",), ("0.6.0",)], "pgvector is 0.6.0 here; Lentigo needs 0.8 or later."),
    ],
)
def test_a_database_that_cannot_says_so_in_a_sentence(rows: list[Any], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        migration.NeedsVector().database_forwards("diagnoses", Editor(*rows), None, None)

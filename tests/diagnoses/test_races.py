"""Two at once, and answers that get lost: on real connections, with real commits."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, transaction

from diagnoses import workflow
from diagnoses.models import Case, Letter, Photo, Review, Scoring
from diagnoses.states import Answer, Moved
from diagnoses.workflow import NewPhoto, patient
from notifications.models import Event, Message
from tests.cases import (
    a_model_version,
    claimed,
    photo,
    prediction,
    scored,
    submission,
    submitted,
)
from tests.cast import build_cast
from tests.together import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]

ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)


def read(case: Case, doctor: Any) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")


def faults_of(moves: Sequence[Callable[[], object]]) -> list[DatabaseError]:
    """All ``moves`` at once, each on a connection of its own; what the database said to them."""
    said = at_once(*moves, refusals=DatabaseError)
    return [each for each in said if isinstance(each, DatabaseError)]


def test_a_commit_whose_answer_is_lost_keeps_the_photos(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is there when the error comes: its files must be, too."""
    cast, form = build_cast(), submission()
    register = patient._register

    def lost(*args: Any) -> Case:
        transaction.on_commit(lose_the_answer)
        return register(*args)

    def lose_the_answer() -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(patient, "_register", lost)
    with pytest.raises(OperationalError):
        workflow.submit(cast.ana, form)
    case = workflow.submit(cast.ana, form)
    assert (media / f"{case.photos.get().file.name}").exists()
    assert Case.objects.count() == 1


def test_ten_clicks_at_once_are_one_case(media: Path) -> None:
    cast = build_cast()
    a_model_version()
    form = submission(submit_key=uuid.uuid4())
    found = at_once(*[lambda: workflow.submit(cast.ana, form)] * 10)
    assert len(set(found)) == Case.objects.count() == 1
    assert len(list(media.rglob("*.jpg"))) == Photo.objects.count() == 1


def test_two_doctors_sign_at_once_and_one_wins() -> None:
    cast = build_cast()
    a_model_version()
    case = scored(submitted(cast.ana))
    moves = []
    for doctor in (cast.ruth, cast.sam):
        read(case, doctor)
        moves.append(partial(workflow.sign, Case.objects.get(pk=case.pk), doctor, ANSWER))
    said = at_once(*moves, refusals=Moved)
    assert sum(isinstance(each, Moved) for each in said) == 1
    assert Review.objects.count() == 1
    assert Message.objects.filter(event=Event.CASE_SIGNED).count() == 1


def test_a_new_photo_and_a_signature_at_once_and_no_answer_overlooks_the_photo(
    media: Path,
) -> None:
    """Either the photo is in and the doctor is asked to look, or the patient is told who signed."""
    cast = build_cast()
    a_model_version()
    for _ in range(6):
        case = scored(submitted(cast.ana))
        read(case, cast.ruth)
        new = [NewPhoto("dermoscopic", photo(2))]
        signing, joining = at_once(
            partial(workflow.sign, case, cast.ruth, ANSWER, saw=0),
            partial(workflow.retake, Case.objects.get(pk=case.pk), cast.ana, new, uuid.uuid4()),
            refusals=Moved,
        )
        signed, joined = (not isinstance(each, Moved) for each in (signing, joining))
        fresh = Case.objects.get(pk=case.pk)
        assert signed is not joined, "one of them is told"
        assert fresh.is_signed is signed
        assert fresh.retakes.exists() is joined
        assert len(list((media / f"photos/{case.pk}").glob("*.jpg"))) == fresh.photos.count()


def test_ten_clicks_at_once_are_one_remark_one_new_photo_and_one_notice(media: Path) -> None:
    cast = build_cast()
    a_model_version()
    case = scored(submitted(cast.ana))
    key, said = uuid.uuid4(), []
    new = [NewPhoto("dermoscopic", photo(2))]

    def click() -> None:
        said.append(workflow.ask(case, cast.ana, "Hello?", key).pk)
        said.append(workflow.retake(case, cast.ana, new, key).pk)

    at_once(*[click] * 10)
    assert len(said) == 20
    assert (case.remarks.count(), case.retakes.count(), case.photos.count()) == (1, 1, 2)
    assert len(list(media.rglob("*.jpg"))) == 2
    assert Message.objects.filter(event=Event.PATIENT_WROTE).count() == 2, "one for each doctor"


def test_a_new_photo_and_the_computer_do_not_deadlock_and_no_view_is_left_out(
    media: Path,
) -> None:
    cast = build_cast()
    a_model_version()
    failures: list[DatabaseError] = []
    for _ in range(6):
        case = submitted(cast.ana)
        row = claimed(case)
        new = [NewPhoto("dermoscopic", photo(2))]
        moves: list[Callable[[], object]] = [
            partial(workflow.retake, case, cast.ana, new, uuid.uuid4()),
            partial(workflow.attach, (row, prediction(row))),
        ]
        failures += faults_of(moves)
        waiting = Scoring.objects.waiting().get(case=case)
        assert waiting.round == 2, "the photo that came is still to be looked at"
    assert failures == []


def test_telling_more_and_the_computer_do_not_deadlock(media: Path) -> None:
    cast = build_cast()
    a_model_version()
    failures: list[DatabaseError] = []
    for _ in range(10):
        case = submitted(cast.ana)
        row = claimed(case)
        moves: list[Callable[[], object]] = [
            partial(workflow.raise_urgency, case, cast.ana, "x", {"bleeding": "bleeds"}),
            partial(workflow.give_up, row, "crashed"),
        ]
        failures += faults_of(moves)
    assert failures == []


def test_the_same_letter_twice_at_once_is_one() -> None:
    cast = build_cast()
    a_model_version()
    case = scored(submitted(cast.ana))
    read(case, cast.ruth)
    workflow.sign(case, cast.ruth, ANSWER)
    for number in range(6):
        write = partial(
            workflow.write_letter,
            doctor=cast.ruth,
            addressee="Dr Noe",
            words=f"Please look: {number}.",
            with_photos=False,
        )
        own = [Case.objects.get(pk=case.pk) for _ in range(2)]
        one, other = at_once(*(partial(write, each) for each in own))
        assert one == other
    assert Letter.objects.count() == 6

"""Two at once, and answers that get lost: on real connections, with real commits."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

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

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]

ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)


def read(case: Case, doctor: Any) -> None:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")


def faults_of(moves: Sequence[Callable[[], object]]) -> list[DatabaseError]:
    """All ``moves`` at once, each on a connection of its own; what the database said to them."""
    found: list[DatabaseError] = []

    def run(move: Callable[[], object]) -> None:
        try:
            move()
        except DatabaseError as error:
            found.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[move]) for move in moves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


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
    found: list[Case] = []

    def click() -> None:
        found.append(workflow.submit(cast.ana, form))
        connection.close()

    threads = [threading.Thread(target=click) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 10
    assert len(set(found)) == Case.objects.count() == 1
    assert len(list(media.rglob("*.jpg"))) == Photo.objects.count() == 1


def test_two_doctors_sign_at_once_and_one_wins() -> None:
    cast = build_cast()
    a_model_version()
    case = scored(submitted(cast.ana))
    outcomes: list[str] = []
    for doctor in (cast.ruth, cast.sam):
        read(case, doctor)
    gate = threading.Barrier(2)

    def sign(doctor: Any) -> None:
        own = Case.objects.get(pk=case.pk)
        gate.wait()
        try:
            workflow.sign(own, doctor, ANSWER)
            outcomes.append("signed")
        except Moved:
            outcomes.append("told")
        connection.close()

    threads = [threading.Thread(target=sign, args=[doctor]) for doctor in (cast.ruth, cast.sam)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["signed", "told"]
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
        outcomes: list[str] = []

        def run(name: str, move: Callable[[], object], outcomes: list[str] = outcomes) -> None:
            try:
                move()
                outcomes.append(name)
            except Moved:
                outcomes.append("told")
            finally:
                connection.close()

        moves: dict[str, Callable[[], object]] = {
            "signed": partial(workflow.sign, case, cast.ruth, ANSWER, saw=0),
            "joined": partial(
                workflow.retake,
                Case.objects.get(pk=case.pk),
                cast.ana,
                [NewPhoto("dermoscopic", photo(2))],
                uuid.uuid4(),
            ),
        }
        threads = [threading.Thread(target=run, args=item) for item in moves.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fresh = Case.objects.get(pk=case.pk)
        assert sorted(outcomes) in (["joined", "told"], ["signed", "told"])
        assert fresh.is_signed is ("signed" in outcomes)
        assert fresh.retakes.exists() is ("joined" in outcomes)
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
        connection.close()

    threads = [threading.Thread(target=click) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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
    kept: list[Letter] = []
    for number in range(6):
        gate = threading.Barrier(2)

        def write(gate: threading.Barrier = gate, number: int = number) -> None:
            own = Case.objects.get(pk=case.pk)
            gate.wait()
            kept.append(
                workflow.write_letter(
                    own,
                    cast.ruth,
                    addressee="Dr Noe",
                    words=f"Please look: {number}.",
                    with_photos=False,
                )
            )

        assert faults_of([write, write]) == []
    assert len(kept) == 12
    assert Letter.objects.count() == 6

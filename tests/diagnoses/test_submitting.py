"""Sending a case, told through the workflow alone: what is kept, what is refused, who is told."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from accounts import people
from accounts.models import Consent
from diagnoses import workflow
from diagnoses.intake import clean
from diagnoses.models import Case, CaseEvent, Photo
from diagnoses.states import NewPhoto, WorkflowError
from notifications.models import Event, Message
from tests.cases import (
    a_model_version,
    jpeg,
    photo,
    submission,
    submitted,
    told,
)
from tests.cast import ANAS_NUMBER, RUTHS_NUMBER, Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def test_a_submitted_case_is_whole(cast: Cast, media: Path) -> None:
    version = a_model_version()
    case = submitted(cast.ana)
    assert case.status == Case.Status.REGISTERED
    assert case.clinic == cast.north
    assert case.lesion is not None
    [stored] = case.photos.all()
    assert stored.file.name is not None
    assert stored.file.read() == photo().content
    assert b"JFIF" not in (media / stored.file.name).read_bytes()
    assert stored.file.name == f"photos/{case.pk}/{stored.pk}.jpg"
    [row] = case.scorings.all()
    assert (row.model_version, row.attempts, row.settled_at) == (version, 0, None)
    assert [event.kind for event in case.events.all()] == ["submitted"]


def test_photos_stay_in_the_order_they_were_sent(cast: Cast) -> None:
    kinds = ["dermoscopic", "overview", "close_up", "close_up", "overview"]
    case = submitted(cast.ana, photos=[NewPhoto(kind, photo()) for kind in kinds])
    assert [stored.kind for stored in case.photos.all()] == kinds


def test_a_double_click_is_one_case(cast: Cast) -> None:
    a_model_version()
    form = submission()
    assert workflow.submit(cast.ana, form) == workflow.submit(cast.ana, form)
    assert Case.objects.count() == 1
    assert Photo.objects.count() == 1


def test_two_people_may_draw_the_same_key(cast: Cast) -> None:
    key = uuid.uuid4()
    assert submitted(cast.ana, submit_key=key) != submitted(cast.bo, submit_key=key)


def test_a_form_that_fails_leaves_no_file(
    cast: Cast, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CaseEvent.objects, "create", full_disk)
    with pytest.raises(OSError, match="No space"):
        submitted(cast.ana)
    assert Case.objects.count() == 0
    assert [path for path in media.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"photos": []}, "add a photo"),
        ({"site": "left wing"}, "no site"),
        ({"answers": {"bleeding": "purple"}}, "no answer"),
        ({"answers": {"shoe_size": "44"}}, "no question"),
        ({"pack_name": "chess"}, "no pack"),
    ],
)
def test_what_does_not_hold_together_is_refused(
    cast: Cast, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(WorkflowError, match=says):
        submitted(cast.ana, **changes)
    assert Case.objects.count() == 0


def test_no_care_without_consent(cast: Cast) -> None:
    people.withdraw_consent(cast.ana, Consent.Kind.CARE)
    with pytest.raises(WorkflowError, match="agree"):
        submitted(cast.ana)


def test_only_a_reading_doctor_of_the_clinic_can_be_asked(cast: Cast) -> None:
    assert submitted(cast.ana, doctor=cast.ruth).doctor == cast.ruth
    for stranger in (cast.xu, cast.uma, cast.bo, cast.ada):
        with pytest.raises(WorkflowError, match="cannot be chosen"):
            submitted(cast.ana, doctor=stranger)


def test_a_named_doctor_is_invited_and_the_case_is_in_the_pool(cast: Cast) -> None:
    case = submitted(cast.ana, named_doctor=("Dr Novak", "+447700900999"))
    assert case.invitation is not None
    assert case.invitation.e164 == "+447700900999"
    assert Message.objects.filter(event=Event.INVITATION, address="+447700900999").count() == 1
    assert Case.objects.readable_by_doctor(cast.ruth).get() == case


def test_a_doctor_named_by_the_number_of_one_who_is_here_is_simply_asked(cast: Cast) -> None:
    case = submitted(cast.ana, named_doctor=("Doctor Ruth", RUTHS_NUMBER))
    assert (case.doctor, case.invitation) == (cast.ruth, None)
    assert not Message.objects.filter(event=Event.INVITATION).exists()


def test_nobody_is_their_own_doctor(cast: Cast) -> None:
    with pytest.raises(WorkflowError, match="is your own"):
        submitted(cast.ana, named_doctor=("Dr Ana", ANAS_NUMBER))
    with pytest.raises(WorkflowError, match="is your own"):
        submitted(cast.bo, named_doctor=("Dr Bo", "+447700900777"), contact_e164="+447700900777")


def test_photos_from_further_away_alone_are_not_called_poor(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana, photos=[NewPhoto("overview", photo())])
    assert case.events.get(kind="unscored").detail == {"reason": "no_close_view"}


def test_without_consent_to_the_check_the_computer_never_sees_it(cast: Cast) -> None:
    a_model_version()
    people.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    case = submitted(cast.ana)
    assert (case.status, case.tier, case.scorings.count()) == ("partial", None, 0)
    assert told(case, Event.CASE_TO_READ) == {"ruth", "sam"}


def test_a_poor_photo_sent_anyway_goes_unscored_to_a_doctor(cast: Cast) -> None:
    a_model_version()
    poor = NewPhoto("close_up", photo(blur=8), sent_anyway=True)
    case = submitted(cast.ana, photos=[poor])
    assert (case.status, case.scorings.count()) == ("partial", 0)
    assert case.events.get(kind="unscored").detail == {"reason": "photo_quality"}


def test_without_a_model_the_doctors_get_it_at_once(cast: Cast) -> None:
    case = submitted(cast.ana)
    assert case.status == Case.Status.PARTIAL
    assert case in Case.objects.readable_by_doctor(cast.ruth).awaiting_review()


def test_urgent_answers_go_first_in_the_queue(cast: Cast) -> None:
    a_model_version()
    calm = submitted(cast.ana)
    urgent = submitted(cast.ana, answers={"bleeding": "bleeds", "change_size": "yes"})
    assert calm.scorings.get().priority == 1
    assert urgent.scorings.get().priority == 0
    assert urgent.answer_due_at < calm.answer_due_at


def test_drawn_photos_survive_the_real_intake() -> None:
    import io

    assert clean(io.BytesIO(jpeg(5))).quality.reasons == ()

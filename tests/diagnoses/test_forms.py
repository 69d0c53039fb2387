"""What the form of a new case refuses, keeps and asks."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pytest

from accounts import people
from accounts.models import Consent, User
from accounts.wording import ASKED_ON_SENDING
from diagnoses import drafts
from diagnoses.forms import SubmitForm
from diagnoses.questions import TellForm, telling_questions
from mlservice.packs import load_pack
from tests.cases import jpeg
from tests.cast import ANAS_NUMBER, Cast

pytestmark = pytest.mark.usefixtures("media")
PACK = load_pack("skin")


def filled(patient: User, photo: bytes | None = None, **fields: Any) -> SubmitForm:
    """The form with one good photo kept and a site chosen, but for ``fields``."""
    key = uuid.uuid4()
    slots = drafts.slots(patient, key, PACK)
    drafts.receive(patient, key, slots["main"], io.BytesIO(photo or jpeg()))
    return SubmitForm({"site": "back"} | fields, patient=patient, pack=PACK, slots=slots)


def test_a_photo_and_a_site_suffice(cast: Cast) -> None:
    form = filled(cast.ana)
    assert form.is_valid(), form.errors
    sent = form.submission(uuid.uuid4())
    assert (sent.site, sent.answers, sent.contact_e164) == ("back", {}, "")
    assert [photo.kind for photo in sent.photos] == [PACK.photo_kinds[0].name]


def test_a_number_is_kept_as_e164_and_a_wrong_one_is_explained(cast: Cast) -> None:
    form = filled(cast.ana, contact="07700 900 199")
    assert form.is_valid(), form.errors
    assert form.submission(uuid.uuid4()).contact_e164 == "+447700900199"
    wrong = filled(cast.ana, contact="ring me")
    assert "phone number" in wrong.errors["contact"][0]


def test_the_own_number_stands_in_the_form_already(cast: Cast) -> None:
    assert filled(cast.ana)["contact"].initial.replace(" ", "") == ANAS_NUMBER


def test_a_named_doctor_needs_a_name_and_a_number(cast: Cast) -> None:
    assert "number" in filled(cast.ana, doctor_name="Dr Quill").errors["doctor_number"][0]
    assert "name" in filled(cast.ana, doctor_number="07700 900 888").errors["doctor_name"][0]
    both = filled(cast.ana, doctor_name="Dr Quill", doctor_number="07700 900 888")
    assert both.is_valid(), both.errors
    assert both.submission(uuid.uuid4()).named_doctor == ("Dr Quill", "+447700900888")


def test_a_doctor_from_the_list_and_a_named_one_are_one_too_many(cast: Cast) -> None:
    form = filled(
        cast.ana, doctor=cast.ruth.pk, doctor_name="Dr Quill", doctor_number="07700 900 888"
    )
    assert "list" in form.errors["doctor_name"][0]


def test_the_list_holds_the_own_clinics_verified_doctors_only(cast: Cast) -> None:
    offered = {choice.data["label"] for choice in filled(cast.ana)["doctor"]}
    assert offered == {"Any doctor at my clinic", "Ruth Okafor", "Sam Patel"}
    assert "doctor" in filled(cast.ana, doctor=cast.uma.pk).errors  # not verified
    assert "doctor" in filled(cast.ana, doctor=cast.xu.pk).errors  # another clinic's


def test_only_what_was_not_agreed_to_yet_is_asked(cast: Cast) -> None:
    kinds = {kind.value for kind in ASKED_ON_SENDING}
    assert not kinds & set(filled(cast.ana).fields)
    assert kinds & set(filled(cast.bo).fields) == {"computer_check", "messages"}
    people.withdraw_consent(cast.ana, Consent.Kind.CARE)
    assert "Tick this box" in filled(cast.ana).errors["care"][0]


def test_messages_need_a_number_to_go_to(cast: Cast) -> None:
    assert "mobile number" in filled(cast.bo, messages="on").errors["contact"][0]


def test_a_blurred_photo_has_to_be_looked_at_again_or_sent_as_it_is(cast: Cast) -> None:
    blurred = jpeg(3, blur=14)
    refused = filled(cast.ana, photo=blurred)
    assert "again" in refused.errors["main_photo"][0]
    anyway = filled(cast.ana, photo=blurred, main_as_it_is="on")
    assert anyway.is_valid(), anyway.errors
    assert [photo.sent_anyway for photo in anyway.submission(uuid.uuid4()).photos] == [True]


def test_every_question_of_the_pack_is_asked_and_none_must_be_answered(cast: Cast) -> None:
    form = filled(cast.ana, q_bleeding="bleeds", q_note="It is new")
    assert [question.name for question, _ in form.asked()] == [q.name for q in PACK.questions]
    assert form.is_valid(), form.errors
    assert form.answers() == {"bleeding": "bleeds", "note": "It is new"}


def test_an_answer_nobody_offered_is_refused(cast: Cast) -> None:
    assert "q_bleeding" in filled(cast.ana, q_bleeding="sometimes").errors


def test_telling_more_asks_what_could_make_it_urgent_and_takes_no_empty_form() -> None:
    assert PACK.points is not None
    assert {q.name for q in telling_questions(PACK)} == set(PACK.points.weights)
    assert not TellForm({}, pack=PACK).is_valid()
    assert TellForm({"what": "It bled last night"}, pack=PACK).is_valid()
    told = TellForm({"q_bleeding": "bleeds"}, pack=PACK)
    assert told.is_valid()
    assert told.answers() == {"bleeding": "bleeds"}

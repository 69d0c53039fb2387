"""Sending a case, without JavaScript: what is taken, what is refused, what is never lost."""

from __future__ import annotations

import io
import re
import uuid
from pathlib import Path

import pillow_heif
import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from accounts import people
from accounts.models import Consent, ContactNumber
from diagnoses.models import Case, DraftPhoto, Scoring
from mlservice.packs.skin.drawing import draw
from notifications.models import Channel, Invitation, Message
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import NEW, errors_of, named, page, send, text_of

pytestmark = pytest.mark.usefixtures("media")


def test_one_photo_and_a_site_make_a_case(cast: Cast) -> None:
    cases.a_model_version()
    client = cast.client(cast.ana)
    response = send(client)
    case = Case.objects.get()
    assert response.url == reverse("case", args=[case.pk])
    assert (case.patient, case.site, case.answers) == (cast.ana, "back", {})
    assert case.photos.count() == 1
    assert Scoring.objects.waiting().filter(case=case).exists()
    assert not DraftPhoto.objects.exists()
    assert "We have your photo" in text_of(page(client, case))


def test_answers_second_photo_doctor_and_number_arrive(cast: Cast) -> None:
    send(
        cast.client(cast.ana),
        main_kind="dermoscopic",
        second_photo=named(cases.jpeg(2)),
        q_bleeding="oozes",
        q_note="It came in spring",
        doctor=cast.ruth.pk,
        contact="07700 900 155",
    )
    case = Case.objects.get()
    assert sorted(photo.kind for photo in case.photos.all()) == ["dermoscopic", "overview"]
    assert case.answers == {"bleeding": "oozes", "note": "It came in spring"}
    assert (case.doctor, case.contact_e164) == (cast.ruth, "+447700900155")
    number = people.reachable_number(cast.ana)
    assert number is not None
    assert number.e164 == "+447700900155"


def test_a_second_photo_can_be_left_out_again(cast: Cast) -> None:
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    send(client, submit_key=key, site="", second_photo=named(cases.jpeg(3, blur=14)))
    client.post(NEW, {"submit_key": key, "site": "back", "second_left_out": "on"})
    assert [photo.kind for photo in Case.objects.get().photos.all()] == ["close_up"]


def test_a_missing_site_is_said_and_the_photo_is_kept(cast: Cast) -> None:
    client = cast.client(cast.ana)
    key = str(uuid.uuid4())
    refused = send(client, submit_key=key, site="", q_note="Please look", contact="07700 900155")
    assert errors_of(refused) == {"site": ["Choose where the mark is."]}
    words = refused.content.decode()
    assert "We have your photo" in words
    assert f'value="{key}"' in words
    assert "Please look" in words
    assert 'value="07700 900155"' in words
    # The same form again, without the photo: the browser cannot send it twice.
    again = client.post(NEW, {"submit_key": key, "site": "back"})
    assert again.status_code == 302
    assert Case.objects.get().photos.count() == 1


def test_no_photo_is_said(cast: Cast) -> None:
    refused = cast.client(cast.ana).post(NEW, {"submit_key": str(uuid.uuid4()), "site": "back"})
    assert "Add a photo" in errors_of(refused)["main_photo"][0]


def bomb() -> bytes:
    """51 megapixels in a few kilobytes."""
    return cases.encoded(Image.new("1", (8_500, 6_000)), "PNG").getvalue()


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"Dear doctor, it itches.", "photo.jpg", "not a photo we can read"),
        (b"", "photo.jpg", "This file is empty"),
        (cases.jpeg()[:3_000], "photo.jpg", "damaged"),
        (bomb(), "photo.png", "more than 50 megapixels"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_sentence(
    cast: Cast, content: bytes, name: str, sentence: str
) -> None:
    refused = send(cast.client(cast.ana), photo=named(content, name), q_note="Please look")
    assert sentence in errors_of(refused)["main_photo"][0]
    assert "Please look" in refused.content.decode()
    assert not Case.objects.exists()


def test_an_iphones_heic_is_taken(cast: Cast) -> None:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(draw(1)).save(buffer, quality=90)
    response = send(cast.client(cast.ana), photo=named(buffer.getvalue(), "IMG_0001.HEIC"))
    assert response.status_code == 302
    photo = Case.objects.get().photos.get()
    with Image.open(photo.file) as image:
        assert image.format == "JPEG"


def test_a_blurred_photo_is_explained_and_goes_as_it_is_if_the_patient_says_so(cast: Cast) -> None:
    cases.a_model_version()
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    refused = send(client, submit_key=key, photo=named(cases.jpeg(3, blur=14)))
    words = text_of(refused)
    assert "We can't judge this photo: it is blurred" in words.replace("&#x27;", "'")
    assert "Rest your arm on something" in words
    assert not Case.objects.exists()
    client.post(NEW, {"submit_key": key, "site": "back", "main_as_it_is": "on"})
    case = Case.objects.get()
    assert case.photos.get().sent_anyway
    assert case.status == Case.Status.PARTIAL  # to a doctor, unscored
    assert not Scoring.objects.exists()


def test_a_doctor_who_left_while_the_form_was_filled_in_is_said_to_have_left(cast: Cast) -> None:
    people.suspend(cast.ruth, cast.ada, people.SuspensionReason.LEFT)
    refused = send(cast.client(cast.ana), doctor=cast.ruth.pk, q_note="Please look")
    assert "cannot be asked any more" in errors_of(refused)["doctor"][0]
    assert "Please look" in refused.content.decode()


def test_a_double_click_makes_one_case(cast: Cast) -> None:
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    first, second = send(client, submit_key=key), send(client, submit_key=key)
    assert first.url == second.url
    assert Case.objects.count() == 1
    assert "nothing was sent twice" in text_of(client.get(second.url))


def test_a_kept_photo_that_is_gone_is_asked_for_again(cast: Cast, media: Path) -> None:
    client, key = cast.client(cast.ana), str(uuid.uuid4())
    send(client, submit_key=key, site="")
    (media / str(DraftPhoto.objects.get().file.name)).unlink()
    form = {"submit_key": key, "site": "back", "q_note": "Please look"}
    refused = client.post(NEW, form)
    assert "no longer have this photo" in errors_of(refused)["main_photo"][0]
    assert "Please look" in refused.content.decode()
    assert "The photo we kept" not in refused.content.decode()


def test_the_first_message_about_a_case_goes_to_the_number_in_its_form(cast: Cast) -> None:
    """Once it is known to be theirs: a number mistyped is somebody else's phone."""
    send(cast.client(cast.bo), messages="on", contact="07700 900 333")
    told = Message.objects.get(recipient=cast.bo)
    assert (told.channel, told.address) == (Channel.EMAIL, cast.bo.email)
    people.confirm_number(cast.bo, cast.bo.numbers.get(), ContactNumber.Proof.CODE)
    send(cast.client(cast.bo), contact="07700 900 333")
    told = Message.objects.exclude(pk=told.pk).get(recipient=cast.bo)
    assert (told.channel, told.address) == (Channel.WHATSAPP, "+447700900333")


def test_the_same_key_of_somebody_else_finds_nothing(cast: Cast) -> None:
    key = str(uuid.uuid4())
    send(cast.client(cast.ana), submit_key=key)
    send(cast.client(cast.bo), submit_key=key)
    assert Case.objects.filter(patient=cast.bo).count() == 1


def test_a_named_doctor_is_invited_and_the_clinic_has_the_case(cast: Cast) -> None:
    send(cast.client(cast.ana), doctor_name="Dr Quill", doctor_number="07700 900 888")
    case, invitation = Case.objects.get(), Invitation.objects.get()
    assert case.invitation == invitation
    assert (invitation.name, invitation.e164) == ("Dr Quill", "+447700900888")
    assert Case.objects.visible_to(cast.ruth).get() == case


def test_without_consent_to_the_check_no_computer_looks(cast: Cast) -> None:
    cases.a_model_version()
    client = cast.client(cast.bo)
    send(client)
    case = Case.objects.get()
    assert not Scoring.objects.exists()
    assert case.status == Case.Status.PARTIAL
    assert "The computer gave no view" in text_of(page(client, case))


def test_what_is_ticked_is_agreed_to(cast: Cast) -> None:
    cases.a_model_version()
    send(cast.client(cast.bo), computer_check="on", messages="on", contact="07700 900 333")
    assert people.has_consent(cast.bo, Consent.Kind.COMPUTER_CHECK)
    assert people.has_consent(cast.bo, Consent.Kind.MESSAGES)
    number = people.reachable_number(cast.bo)
    assert number is not None
    assert number.e164 == "+447700900333"
    assert Scoring.objects.count() == 1


def test_a_number_without_the_tick_gets_no_messages(cast: Cast) -> None:
    send(cast.client(cast.bo), contact="07700 900 333")
    assert people.reachable_number(cast.bo) is None
    assert Case.objects.get().contact_e164 == "+447700900333"


def test_asking_again_about_a_mark_keeps_it_one_lesion(cast: Cast) -> None:
    first = cases.submitted(cast.ana)
    client = cast.client(cast.ana)
    opened = client.get(NEW, {"about": str(first.pk)})
    assert opened.context["form"]["site"].initial == first.site
    form = {"submit_key": str(uuid.uuid4()), "site": "back", "main_photo": named(cases.jpeg(2))}
    client.post(f"{NEW}?about={first.pk}", form)
    assert Case.objects.exclude(pk=first.pk).get().lesion == first.lesion
    assert cast.client(cast.bo).get(NEW, {"about": str(first.pk)}).status_code == 404


# --- All of it without JavaScript ----------------------------------------------------------------


def test_the_form_needs_no_script(cast: Cast) -> None:
    words = cast.client(cast.bo).get(NEW).content.decode()
    names = set(re.findall(r'name="([a-z_]+)"', words))
    assert {"submit_key", "main_photo", "second_photo", "main_kind", "site", "contact"} <= names
    assert {"doctor", "doctor_name", "doctor_number", "computer_check", "messages"} <= names
    assert {name for name in names if name.startswith("q_")}
    assert 'enctype="multipart/form-data"' in words
    assert "hidden>" not in re.findall(r"<input[^>]+main_photo[^>]*>", words)[0]
    assert not re.search(r"<script(?![^>]+src=)", words)
    assert " style=" not in words


def test_a_page_left_open_too_long_says_that_nothing_was_lost(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.ana)
    refused = send(client)
    assert refused.status_code == 403
    assert "What you had sent before is safe" in refused.content.decode()
    assert not Case.objects.exists()
    assert not DraftPhoto.objects.exists()

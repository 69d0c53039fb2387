"""Sending a case, without JavaScript: what is taken, what is refused, what is never lost."""

from __future__ import annotations

import io
import itertools
import re
import uuid
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image
from pytest_django import DjangoAssertNumQueries

from accounts import people
from accounts.models import Consent, ContactNumber, SuspensionReason
from diagnoses import conversation
from diagnoses.figures import SCALE
from diagnoses.models import Case, Draft, DraftPhoto, Scoring
from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw
from notifications.models import Channel, Invitation, Message
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import (
    NEW,
    Response,
    errors_of,
    every_step,
    named,
    page,
    say,
    screen,
    send,
    text_of,
)

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


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
    assert not Draft.objects.exists()
    assert "We have your photo" in text_of(page(client, case))


def test_answers_more_photos_doctor_and_number_arrive(cast: Cast) -> None:
    send(
        cast.client(cast.ana),
        main_kind="dermoscopic",
        overview_photo=named(cases.jpeg(2)),
        angle_photo=named(cases.jpeg(4)),
        q_bleeding="oozes",
        q_note="It came in spring",
        doctor=cast.ruth.pk,
        contact="07700 900 155",
    )
    case = Case.objects.get()
    kinds = sorted(photo.kind for photo in case.photos.all())
    assert kinds == ["angle", "dermoscopic", "overview"]
    assert case.answers == {"bleeding": "oozes", "note": "It came in spring"}
    assert (case.doctor, case.contact_e164) == (cast.ruth, "+447700900155")
    number = people.reachable_number(cast.ana)
    assert number is not None
    assert number.e164 == "+447700900155"


def test_another_photo_can_be_left_out_again(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    refused = send(client, submit_key=key, overview_photo=named(cases.jpeg(3, blur=14)))
    assert "again" in errors_of(refused)["overview_photo"][0]
    say(client, key, "views", overview_left_out="on")
    send(client, submit_key=key)
    assert [photo.kind for photo in Case.objects.get().photos.all()] == ["close_up"]


# --- One question after another ------------------------------------------------------------------


def test_the_way_in_leads_to_the_photo_and_on_through_every_question(cast: Cast) -> None:
    client = cast.client(cast.ana)
    first: Response = client.get(NEW)
    assert first.status_code == 302
    assert first.url.endswith("/photo/")
    key = first.url.split("/")[-3]
    assert not Draft.objects.exists()  # looking leaves nothing
    every = every_step()
    for step, after in itertools.pairwise(every):
        fields: dict[str, dict[str, Any]] = {
            "photo": {"main_photo": named(cases.jpeg())},
            "place": {"site": "back"},
        }
        gone_on = say(client, key, step.name, **fields.get(step.name, {}))
        assert gone_on.url == screen(key, after.name)
    assert [step.name for step in every][-1] == "check"


def test_each_screen_asks_one_thing_and_says_why(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    for step in every_step():
        words = client.get(screen(key, step.name)).content.decode()
        assert words.count("<h1") == 1, step.name
        if step.question:
            assert step.question.text in words.replace("&#x27;", "'")
            assert "Why we ask" in words
            assert re.findall(r'name="(q_[a-z_]+)"', words).count(step.fields[0]) >= 1


def test_what_was_answered_is_there_on_another_device(cast: Cast, key: str) -> None:
    phone, desktop = cast.client(cast.ana), cast.client(cast.ana)
    say(phone, key, "photo", main_photo=named(cases.jpeg()))
    say(phone, key, "place", site="face")
    say(phone, key, "bleeding", q_bleeding="oozes")
    begun = desktop.get(NEW)
    assert "You have begun already" in text_of(begun)
    assert "Face" in text_of(begun)
    assert screen(key, "sensation") in begun.content.decode()  # where to go on
    seen = desktop.get(screen(key, "bleeding")).content.decode()
    assert re.search(r'value="oozes"[^>]* checked', seen)
    send(desktop, submit_key=key, site="face")
    assert Case.objects.get().answers == {"bleeding": "oozes"}


def test_a_photo_alone_is_enough_to_be_found_again(cast: Cast, key: str) -> None:
    """Sent ahead by the script, or refused with its form: who leaves then finds it all the same."""
    client = cast.client(cast.ana)
    ahead = client.get(screen(key, "photo")).content.decode()
    address = re.findall(r'data-photos="([^"]+)"', ahead)[0].replace("&amp;", "&")
    client.post(address, {"submit_key": key, "main_photo": named(cases.jpeg())})
    refused = say(client, str(uuid.uuid4()), "photo", main_photo=named(cases.jpeg(3, blur=14)))
    assert refused.status_code == 422
    assert text_of(client.get(NEW)).count("Not sent yet") == 2


def test_a_photo_for_an_open_case_begins_no_new_one(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    page_of_retake = cast.client(cast.ana).get(reverse("case_photo", args=[case.pk]))
    address = re.findall(r'data-photos="([^"]+)"', page_of_retake.content.decode())[0]
    form = {"submit_key": str(uuid.uuid4()), "main_photo": named(cases.jpeg(2))}
    assert cast.client(cast.ana).post(address, form).status_code == 200
    assert not Draft.objects.exists()


def test_an_answer_can_be_taken_back(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    say(client, key, "note", q_note="It itches")
    say(client, key, "note", q_note="")
    assert Draft.objects.get().data == {}


def test_two_tabs_do_not_undo_each_other(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    for field, value in (("site", "face"), ("q_diameter", "yes"), ("q_note", "New")):
        say(client, key, conversation.step_of(field, load_pack("skin")).name, **{field: value})
    kept = Draft.objects.get().data
    assert kept == {"site": ["face"], "q_diameter": ["yes"], "q_note": ["New"]}


def test_the_summary_shows_all_and_leads_back_to_each(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    say(client, key, "place", site="upper_extremity", side="left")
    say(client, key, "note", q_note="<b>Look</b>")
    words = client.get(screen(key, "check")).content.decode()
    assert "Arm, left" in words
    assert "&lt;b&gt;Look&lt;/b&gt;" in words
    assert "There is no photo of the mark yet" in words
    for step in every_step()[2:-1]:
        assert f"{screen(key, step.name)}?then=check" in words
    changed = say(client, key, "note", "?then=check", q_note="Look")
    assert changed.url == screen(key, "check")


def test_a_missing_photo_and_site_are_said_with_the_way_to_them(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    say(client, key, "note", q_note="Please look")
    refused = say(client, key, "check")
    assert errors_of(refused) == {
        "main_photo": ["Add a photo of the mark. We need one to look at."],
        "site": ["Choose where the mark is."],
    }
    words = refused.content.decode()
    assert f"{screen(key, 'photo')}?then=check" in words
    assert f"{screen(key, 'place')}?then=check" in words
    assert "Please look" in words
    assert not Case.objects.exists()


def test_what_was_begun_can_be_deleted(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    address = reverse("case_drop", args=[key])
    assert "nothing is sent to a doctor" in text_of(client.get(address))
    assert cast.client(cast.bo).post(address).status_code == 404
    client.post(address)
    assert not Draft.objects.exists()
    assert not DraftPhoto.objects.exists()


def test_somebody_elses_form_is_not_there(cast: Cast, key: str) -> None:
    say(cast.client(cast.ana), key, "note", q_note="Mine alone")
    seen = cast.client(cast.bo).get(screen(key, "note"))
    assert "Mine alone" not in seen.content.decode()
    say(cast.client(cast.bo), key, "note", q_note="His")
    assert Draft.objects.get(patient=cast.ana).data == {"q_note": ["Mine alone"]}


def test_few_forms_are_kept_and_the_oldest_makes_room(cast: Cast) -> None:
    client = cast.client(cast.ana)
    keys = [str(uuid.uuid4()) for _ in range(conversation.MOST_DRAFTS + 1)]
    for one in keys:
        say(client, one, "note", q_note="Begun")
    kept = {str(draft.submit_key) for draft in Draft.objects.all()}
    assert kept == set(keys[1:])


def test_a_screen_there_is_none_of_is_not_there(cast: Cast, key: str) -> None:
    assert cast.client(cast.ana).get(screen(key, "shoe_size")).status_code == 404
    assert cast.client(cast.ruth).get(screen(key, "photo")).status_code in {302, 404}


def test_no_screen_asks_the_database_much(
    cast: Cast, key: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = cast.client(cast.ana)
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    for step in every_step()[:-1]:
        with django_assert_max_num_queries(8):
            client.get(screen(key, step.name))


# --- The figures to tap on -----------------------------------------------------------------------


def tap(client: Client, key: str, view: str, x: float, y: float) -> object:
    pixels = {f"{view}.x": str(int(x * SCALE)), f"{view}.y": str(int(y * SCALE))}
    return say(client, key, "place", **pixels)


def test_a_tap_chooses_the_place_and_the_side(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    tap(client, key, "front", 145, 150)  # the viewer's right is the person's left
    seen = client.get(screen(key, "place")).content.decode()
    assert re.search(r'value="upper_extremity"[^>]* selected', seen)
    assert re.search(r'value="left"[^>]* checked', seen)
    assert "figure-dot" in seen
    kept = Draft.objects.get().data
    send(client, submit_key=key, **{name: value[0] for name, value in kept.items()})
    case = Case.objects.get()
    assert case.spot is not None
    assert (case.site, case.side, case.spot["view"]) == ("upper_extremity", "left", "front")
    assert case.place == "Arm, left"
    assert "figure-dot" in page(client, case).content.decode()


def test_a_tap_beside_the_figure_is_said_and_changes_nothing(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    say(client, key, "place", site="face")
    tap(client, key, "front", 5, 5)
    assert Draft.objects.get().data == {"site": ["face"]}
    assert "beside the figure" in text_of(client.get(screen(key, "place")))


def test_the_list_has_the_last_word(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    tap(client, key, "front", 145, 150)
    spot = Draft.objects.get().data["spot"][0]
    send(client, submit_key=key, site="face", side="", spot=spot)
    case = Case.objects.get()
    assert (case.site, case.side, case.spot) == ("face", "", None)


def test_a_made_up_spot_is_none(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    for spot in ("front", "moon 0.5 0.5", "front nan inf", "front 7 7", "front 0.5 x"):
        assert say(client, key, "place", site="face", spot=spot).status_code == 302
    send(client, submit_key=key, site="face", spot="front 9 9")
    assert Case.objects.get().spot is None


# --- Photos --------------------------------------------------------------------------------------


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
    cast: Cast, key: str, content: bytes, name: str, sentence: str
) -> None:
    client = cast.client(cast.ana)
    refused = say(client, key, "photo", main_photo=named(content, name), main_kind="dermoscopic")
    assert sentence in errors_of(refused)["main_photo"][0]
    assert re.search(r'value="dermoscopic"[^>]* checked', refused.content.decode())
    assert not DraftPhoto.objects.exists()


def test_an_iphones_heic_is_taken(cast: Cast) -> None:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(draw(1)).save(buffer, quality=90)
    response = send(cast.client(cast.ana), photo=named(buffer.getvalue(), "IMG_0001.HEIC"))
    assert response.status_code == 302
    photo = Case.objects.get().photos.get()
    with Image.open(photo.file) as image:
        assert image.format == "JPEG"


def test_a_blurred_photo_is_explained_and_goes_as_it_is_if_the_patient_says_so(
    cast: Cast, key: str
) -> None:
    cases.a_model_version()
    client = cast.client(cast.ana)
    refused = send(client, submit_key=key, photo=named(cases.jpeg(3, blur=14)))
    words = text_of(refused)
    assert "We can't judge this photo: it is blurred" in words.replace("&#x27;", "'")
    assert "Rest your arm on something" in words
    assert not Case.objects.exists()
    say(client, key, "photo", main_as_it_is="on")
    say(client, key, "place", site="back")
    say(client, key, "check")
    case = Case.objects.get()
    assert case.photos.get().sent_anyway
    assert case.status == Case.Status.PARTIAL  # to a doctor, unscored
    assert not Scoring.objects.exists()


def test_a_kept_photo_that_is_gone_is_asked_for_again(cast: Cast, key: str, media: Path) -> None:
    client = cast.client(cast.ana)
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    say(client, key, "place", site="back")
    say(client, key, "note", q_note="Please look")
    (media / str(DraftPhoto.objects.get().file.name)).unlink()
    refused = say(client, key, "check")
    assert "no longer have this photo" in errors_of(refused)["main_photo"][0]
    assert "Please look" in refused.content.decode()
    assert "There is no photo of the mark yet" in refused.content.decode()


# --- Sending -------------------------------------------------------------------------------------


def test_a_doctor_who_left_while_the_form_was_filled_in_is_said_to_have_left(
    cast: Cast, key: str
) -> None:
    client = cast.client(cast.ana)
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    say(client, key, "place", site="back")
    say(client, key, "doctor", doctor=cast.ruth.pk)
    people.suspend(cast.ruth, cast.ada, SuspensionReason.LEFT)
    refused = say(client, key, "check")
    assert "cannot be asked any more" in errors_of(refused)["doctor"][0]
    assert f"{screen(key, 'doctor')}?then=check" in refused.content.decode()


def test_a_double_click_makes_one_case(cast: Cast, key: str) -> None:
    client = cast.client(cast.ana)
    first, second = send(client, submit_key=key), say(client, key, "check")
    assert first.url == second.url
    assert Case.objects.count() == 1
    assert "nothing was sent twice" in text_of(client.get(second.url))


def test_the_first_message_about_a_case_goes_to_the_number_in_its_form(cast: Cast) -> None:
    """Once it is known to be theirs: a number mistyped is somebody else's phone."""
    send(cast.client(cast.bo), messages="on", contact="07700 900 333")
    told = Message.objects.get(recipient=cast.bo)
    assert (told.channel, told.address) == (Channel.EMAIL, cast.bo.email)
    people.confirm_number(cast.bo, cast.bo.numbers.get(), ContactNumber.Proof.CODE)
    send(cast.client(cast.bo), contact="07700 900 333")
    told = Message.objects.exclude(pk=told.pk).get(recipient=cast.bo)
    assert (told.channel, told.address) == (Channel.WHATSAPP, "+447700900333")


def test_the_same_key_of_somebody_else_finds_nothing(cast: Cast, key: str) -> None:
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


def test_asking_again_about_a_mark_keeps_it_one_lesion(cast: Cast, key: str) -> None:
    first = cases.submitted(cast.ana)
    client = cast.client(cast.ana)
    opened: Response = client.get(NEW, {"about": str(first.pk)})
    assert opened.url.endswith(f"?about={first.pk}")
    shown = client.get(opened.url).content.decode()
    assert "About the mark you asked about before" in shown
    assert reverse("photo", args=[first.photos.get().pk]) in shown  # the shadow to line up with
    placed = client.get(f"{screen(key, 'place')}?about={first.pk}").content.decode()
    assert re.search(rf'value="{first.site}"[^>]* selected', placed)
    send(client, photo=named(cases.jpeg(2)), site=first.site, about=first)
    assert Case.objects.exclude(pk=first.pk).get().lesion == first.lesion
    assert cast.client(cast.bo).get(NEW, {"about": str(first.pk)}).status_code == 404


# --- All of it without JavaScript ----------------------------------------------------------------


def test_the_form_needs_no_script(cast: Cast, key: str) -> None:
    client = cast.client(cast.bo)
    for step in every_step():
        words = client.get(screen(key, step.name)).content.decode()
        names = set(re.findall(r'name="([a-z_]+)"', words))
        asked = {f for f in step.fields if f != "care" and not f.endswith(("as_it_is", "left_out"))}
        assert asked <= names, step.name
        assert "hidden>" not in "".join(re.findall(r'<input[^>]+type="file"[^>]*>', words))
        assert ('enctype="multipart/form-data"' in words) == bool(step.slots)
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

"""The patient's way, page by page and without JavaScript: send, wait, read the answer."""

from __future__ import annotations

import io
import json
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from accounts import people
from accounts.models import Clinic, Consent, User
from diagnoses import workflow
from diagnoses.models import Case, DraftPhoto, Review, Scoring
from diagnoses.workflow import Answer
from mlservice.packs.skin.drawing import draw
from notifications.models import Channel, Invitation, Message
from tests import cases
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")
NEW = "/cases/new/"
Response = Any  # the test client adds url, context and json() at run time


def named(content: bytes, name: str = "photo.jpg") -> io.BytesIO:
    upload = io.BytesIO(content)
    upload.name = name
    return upload


def send(client: Client, *, photo: io.BytesIO | None = None, **fields: Any) -> Response:
    """Fill in the form with a good photo and a site, but for ``fields``, and press the button."""
    form = {"submit_key": str(uuid.uuid4()), "site": "back"}
    return client.post(NEW, form | {"main_photo": photo or named(cases.jpeg())} | fields)


def errors_of(response: Response) -> dict[str, list[str]]:
    assert response.status_code == 422
    return dict(response.context["form"].errors)


def text_of(response: Response) -> str:
    """What can be read on the page."""
    assert response.status_code in {200, 422}, response.status_code
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def page(client: Client, case: Case, query: str = "") -> Response:
    return client.get(reverse("case", args=[case.pk]) + query)


def state(client: Client, case: Case, **headers: str) -> Response:
    return client.get(reverse("case_state", args=[case.pk]), headers=headers or None)


def signed(case: Case, doctor: User, advice: str = "Keep an eye on it.") -> Review:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    answer = Answer(diagnosis="nv", plan="reassure", advice=advice)
    return workflow.sign(case, doctor, answer)


@pytest.fixture
def no_undo(settings: Any) -> None:
    """A signature reaches the patient at once."""
    settings.UNDO_SIGNATURE = timedelta(0)


# --- Sending -------------------------------------------------------------------------------------


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
    send(cast.client(cast.bo), messages="on", contact="07700 900 333")
    told = Message.objects.get(recipient=cast.bo)
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


# --- Whose ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["case", "case_state", "case_tell", "case_withdraw"])
def test_a_case_page_is_its_patients_alone(cast: Cast, name: str) -> None:
    address = reverse(name, args=[cases.submitted(cast.ana).pk])
    seen = {who: cast.client(p).get(address).status_code for who, p in cast.everyone().items()}
    assert seen == {who: 200 if who == "ana" else 404 for who in cast.everyone()}
    stranger: Response = cast.client().get(address)
    assert stranger.status_code == 302
    assert stranger.url.startswith(reverse("account_login"))


def test_the_list_shows_ones_own_newest_first_and_pages_without_gaps(cast: Cast) -> None:
    mine = [cases.submitted(cast.ana) for _ in range(23)]
    others = cases.submitted(cast.bo)
    client = cast.client(cast.ana)
    first = client.get(reverse("case_list"))
    second = client.get(reverse("case_list"), {"before": first.context["before"]})
    shown = [case.pk for page in (first, second) for case, *_ in page.context["rows"]]
    assert shown == [case.pk for case in reversed(mine)]
    assert second.context["before"] is None
    # A mark that is not one's own opens nothing.
    assert client.get(reverse("case_list"), {"before": str(others.pk)}).context["rows"] == []
    assert client.get(reverse("case_list"), {"before": "x"}).context["rows"] == []


def test_the_list_costs_the_same_however_long_it_is(cast: Cast) -> None:
    client = cast.client(cast.ana)
    costs = []
    for _ in range(2):
        cases.submitted(cast.ana)
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("case_list"))
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_an_empty_list_says_what_to_do(cast: Cast) -> None:
    response = cast.client(cast.bo).get(reverse("case_list"))
    assert "No cases yet" in text_of(response)
    assert reverse("case_new") in response.content.decode()


# --- The wait and the answer ---------------------------------------------------------------------


def test_the_page_tells_every_step(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    assert "The computer is looking at it now" in text_of(page(client, case))
    cases.scored(case)
    words = text_of(page(client, case))
    assert "probably a common harmless growth" in words
    assert "This is not an all-clear" in words
    signed(case, cast.ruth, "It is a mole. Nothing to do.")
    words = text_of(page(client, case))
    assert "Ruth Okafor answered." in words
    assert "It is a mole. Nothing to do." in words
    assert words.index("It is a mole") < words.index("probably a common harmless growth")


def test_no_number_of_the_computer_reaches_the_patient(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case, confidence=0.9321, risk=0.4321, picture_tier="red")
    words = page(client, case).content.decode()
    assert "A doctor should look at this soon" in words
    assert not re.search(
        r"93|43[.,]?2|0\.9|95\s*%", text_of(page(client, case)).split("Receipt")[0]
    )


def test_an_answer_stays_with_the_doctor_while_it_can_be_undone(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    signed(case, cast.ruth, "Secret for ten seconds.")
    assert "Secret for ten seconds." not in text_of(page(client, case))
    assert "Waiting for a doctor" in text_of(client.get(reverse("case_list")))
    assert state(client, case).json()["done"] is False


def test_a_clinic_may_hold_the_computers_view_until_the_answer(cast: Cast, no_undo: None) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    for query in ("", "?fragment=1"):
        words = text_of(page(client, case, query))
        assert "Your clinic shows results after a doctor has looked at them" in words
        assert "harmless growth" not in words
        assert "SHA-256" not in words
    signed(case, cast.ruth)
    assert "probably a common harmless growth" in text_of(page(client, case))


def test_the_state_is_cheap_and_says_nothing_new_in_304(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    first = state(client, case)
    assert json.loads(first.content)["version"] == page(client, case).context["version"]
    with CaptureQueriesContext(connection) as queries:
        same = state(client, case, if_none_match=first["ETag"])
    assert same.status_code == 304
    assert len([q for q in queries if "diagnoses_" in q["sql"]]) == 1
    assert len(queries) <= 3  # the session, the person, the case
    cases.scored(case)
    changed = state(client, case, if_none_match=first["ETag"])
    assert changed.status_code == 200
    assert changed.json()["done"] is False
    signed(case, cast.ruth)
    last = state(client, case, if_none_match=changed["ETag"])
    assert last.json()["done"] is True


def test_the_fragment_is_the_changing_part_alone(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    fragment = page(client, case, "?fragment=1").content.decode()
    assert fragment.lstrip().startswith('<div class="case')
    assert "<html" not in fragment
    assert fragment.strip() in page(client, case).content.decode()


def test_without_javascript_the_page_loads_itself_again_until_it_is_done(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    refresh = '<noscript><meta http-equiv="refresh"'
    assert refresh in page(client, case).content.decode().split("</head>")[0]
    workflow.withdraw(case, cast.ana)
    assert refresh not in page(client, case).content.decode()


# --- Telling more, and taking it back ------------------------------------------------------------


def test_telling_that_it_bleeds_and_grows_makes_it_urgent(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    due = Case.objects.get().answer_due_at
    address = reverse("case_tell", args=[case.pk])
    form = {"q_bleeding": "bleeds", "q_change_size": "yes", "what": "Since last night"}
    response = client.post(address, form, follow=True)
    words = text_of(response)
    assert "Your doctors can see this now" in words
    assert "A doctor should look at this soon" in words
    assert "Since last night" in words
    assert Case.objects.get().tier == "red"
    assert Case.objects.get().answer_due_at < due


def test_an_empty_telling_is_asked_again(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    refused = cast.client(cast.ana).post(reverse("case_tell", args=[case.pk]), {})
    assert errors_of(refused)["__all__"] == ["Answer a question or write what has changed."]


def test_after_the_answer_a_change_is_a_new_photo_of_the_same_mark(
    cast: Cast, no_undo: None
) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    signed(case, cast.ruth)
    response: Response = client.get(reverse("case_tell", args=[case.pk]))
    assert response.url == f"{NEW}?about={case.pk}"


def test_withdrawing_is_asked_once_more_and_then_done(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    address = reverse("case_withdraw", args=[case.pk])
    assert "cannot be undone" in text_of(client.get(address))
    assert Case.objects.get().is_open
    words = text_of(client.post(address, follow=True))
    assert "You have withdrawn this case" in words
    assert Case.objects.get().status == Case.Status.CANCELLED


def test_withdrawing_what_was_answered_is_explained(cast: Cast) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    cases.scored(case)
    signed(case, cast.ruth)
    words = text_of(client.post(reverse("case_withdraw", args=[case.pk]), follow=True))
    assert "Ruth Okafor signed this case" in words
    assert Case.objects.get().is_signed


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

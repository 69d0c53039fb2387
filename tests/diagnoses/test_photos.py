"""The one door to a picture, and the photos of a form that is not sent yet."""

from __future__ import annotations

import io
import os
import time
import uuid
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from PIL import Image

from accounts.models import AuditEntry
from diagnoses import drafts, thumbnails
from diagnoses.models import Case, DraftPhoto
from mlservice.packs import load_pack
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import Response, screen, send

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def case(cast: Cast) -> Case:
    return cases.submitted(cast.ana)


def body(response: Response) -> bytes:
    return b"".join(response) if response.streaming else bytes(response.content)


def picture(case: Case, query: str = "") -> str:
    photo = case.photos.first()
    assert photo is not None
    return reverse("photo", args=[photo.pk]) + query


@pytest.mark.parametrize("query", ["", "?size=thumb"])
def test_who_may_see_a_picture(cast: Cast, case: Case, query: str) -> None:
    seen = {
        name: cast.client(who).get(picture(case, query)).status_code
        for name, who in cast.everyone().items()
    }
    may = {"ana", "ruth", "sam"}
    assert seen == {name: 200 if name in may else 404 for name in cast.everyone()}
    stranger: Response = cast.client().get(picture(case, query))
    assert stranger.status_code == 302
    assert stranger.url.startswith(reverse("account_login"))


def test_no_cache_keeps_a_picture_and_no_site_embeds_it(cast: Cast, case: Case) -> None:
    for query in ("", "?size=thumb"):
        response = cast.client(cast.ana).get(picture(case, query))
        assert response["Content-Type"] == "image/jpeg"
        assert "no-store" in response["Cache-Control"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Disposition"] == "inline"
        assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_look_at_the_whole_picture_is_written_down_and_a_small_copy_is_not(
    cast: Cast, case: Case
) -> None:
    client = cast.client(cast.ruth)
    client.get(picture(case, "?size=thumb"))
    views = AuditEntry.objects.filter(action="photo.viewed")
    assert not views.exists()
    client.get(picture(case))
    assert [(entry.actor, entry.about) for entry in views] == [(cast.ruth, f"case:{case.pk}")]


def test_a_small_copy_is_small_and_made_once(
    cast: Cast, case: Case, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast.client(cast.ana)
    first = body(client.get(picture(case, "?size=thumb")))
    with Image.open(io.BytesIO(first)) as image:
        assert max(image.size) == thumbnails.SIDE
    assert len(list(media.rglob("*.thumb.jpg"))) == 1

    def never(_picture: object) -> bytes:
        raise AssertionError("made a second time")

    monkeypatch.setattr(thumbnails, "shrink", never)
    assert body(client.get(picture(case, "?size=thumb"))) == first


def test_nothing_of_where_and_when_survives_in_the_served_picture(cast: Cast) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Spyphone"
    exif.get_ifd(0x8825)[1] = "N"
    upload = cases.encoded(Image.open(io.BytesIO(cases.jpeg())), "JPEG", exif=exif.tobytes())
    assert b"Spyphone" in upload.getvalue()
    upload.name = "holiday.jpg"
    client = cast.client(cast.ana)
    send(client, photo=upload)
    served = body(client.get(picture(Case.objects.get())))
    with Image.open(io.BytesIO(served)) as image:
        assert not image.getexif()
    assert b"Spyphone" not in served


# --- Before the form is sent ---------------------------------------------------------------------


def sent(picture: Image.Image) -> bytes:
    return cases.encoded(picture, "JPEG", quality=90).getvalue()


def ahead(cast: Cast, content: bytes, key: uuid.UUID, name: str = "main_photo") -> Response:
    upload = io.BytesIO(content)
    upload.name = "photo.jpg"
    return cast.client(cast.ana).post(
        reverse("draft_photo"), {"submit_key": str(key), name: upload}
    )


def test_a_photo_sent_ahead_is_kept_and_judged_at_once(cast: Cast) -> None:
    key = uuid.uuid4()
    good = ahead(cast, cases.jpeg(), key)
    assert good.status_code == 200
    assert "We have your photo" in good.content.decode()
    bad = ahead(cast, cases.jpeg(3, blur=14), key)
    assert "it is blurred" in bad.content.decode()
    assert "main_as_it_is" in bad.content.decode()
    assert DraftPhoto.objects.get().quality["reasons"] == ["blurred"]  # instead of the first


def test_a_photo_of_something_else_is_said_to_be_and_may_go_as_it_is(cast: Cast) -> None:
    page = ahead(cast, sent(cases.ordinary()), uuid.uuid4()).content.decode()
    assert "it does not look like a photo of skin" in page
    assert 'aria-label="A photo of a cup on a table."' in page
    assert "main_as_it_is" in page
    second = ahead(cast, sent(cases.ordinary()), uuid.uuid4(), "overview_photo").content.decode()
    assert "We have your photo" in second, "an overview may show anything"


def test_a_mark_on_the_edge_is_hinted_at_and_the_photo_is_kept_as_good(cast: Cast) -> None:
    page = ahead(cast, sent(cases.beside(1)), uuid.uuid4()).content.decode()
    assert "We have your photo" in page
    assert "Please look once more: the mark may not be in the middle." in page
    assert 'aria-label="A mark in the middle, with skin all around it."' in page
    assert "main_as_it_is" not in page


def test_every_fault_of_a_photo_has_a_drawing_that_says_what_it_shows() -> None:
    for code in load_pack("skin").quality:
        drawing = render_to_string(f"drawings/retake/skin/{code}.html")
        assert drawing.count('role="img"') == drawing.count("aria-label=") == 2, code
        assert "Not like this" in drawing


def test_a_photo_kept_before_there_were_hints_is_shown(cast: Cast) -> None:
    key = uuid.uuid4()
    ahead(cast, cases.jpeg(), key)
    old = {"focus": 1.0, "brightness": 140.0, "clipped": 0.0, "reasons": ["blurred"]}
    DraftPhoto.objects.update(quality=old)
    page = cast.client(cast.ana).get(screen(str(key), "photo"))
    slot = drafts.slots(cast.ana, key, load_pack("skin"))["main"]
    assert page.status_code == 200
    assert (slot.hints, len(slot.drawings)) == ([], 1)
    assert drafts.clean_photo(DraftPhoto.objects.get()).quality.reasons == ("blurred",)


def test_the_second_click_does_not_take_the_photo_from_the_first(cast: Cast) -> None:
    """Both carry the same photo; the first is still on its way with what was kept for it."""
    key = uuid.uuid4()
    ahead(cast, cases.jpeg(), key)
    first = DraftPhoto.objects.get()
    ahead(cast, cases.jpeg(), key)
    assert DraftPhoto.objects.get() == first
    assert drafts.clean_photo(first).content


def test_a_refused_photo_gets_its_sentence_and_the_kept_one_stays(cast: Cast) -> None:
    key = uuid.uuid4()
    ahead(cast, cases.jpeg(), key)
    refused = ahead(cast, b"just words", key)
    assert refused.status_code == 422
    assert "not a photo we can read" in refused.content.decode()
    assert DraftPhoto.objects.filter(submit_key=key).count() == 1


def test_a_kept_photo_is_its_owners_alone(cast: Cast) -> None:
    ahead(cast, cases.jpeg(), uuid.uuid4())
    address = reverse("draft_thumb", args=[DraftPhoto.objects.get().pk])
    seen = {
        name: cast.client(who).get(address).status_code for name, who in cast.everyone().items()
    }
    assert seen == {name: 200 if name == "ana" else 404 for name in cast.everyone()}


def test_nobody_puts_a_photo_into_somebody_elses_form(cast: Cast) -> None:
    key = uuid.uuid4()
    ahead(cast, cases.jpeg(), key)
    page = cast.client(cast.bo).get(screen(str(key), "photo"))
    assert "The photo we kept" not in page.content.decode()


def test_what_arrives_for_a_form_already_sent_is_not_kept(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    assert ahead(cast, cases.jpeg(2), case.submit_key).status_code == 409
    assert not DraftPhoto.objects.exists()


def test_an_opened_form_keeps_few_photos(cast: Cast) -> None:
    for _ in range(drafts.MOST_PER_PERSON + 2):
        ahead(cast, cases.jpeg(), uuid.uuid4())
    assert DraftPhoto.objects.count() == drafts.MOST_PER_PERSON


def test_after_a_day_row_and_file_are_gone(cast: Cast, media: Path) -> None:
    ahead(cast, cases.jpeg(), uuid.uuid4())
    ahead(cast, cases.jpeg(2), uuid.uuid4())
    old, fresh = DraftPhoto.objects.order_by("created_at", "pk")
    yesterday = time.time() - drafts.KEPT_FOR.total_seconds() - 60
    DraftPhoto.objects.filter(pk=old.pk).update(created_at=old.created_at - drafts.KEPT_FOR)
    os.utime(media / str(old.file.name), (yesterday, yesterday))
    assert drafts.sweep() == 1
    assert list(DraftPhoto.objects.all()) == [fresh]
    assert [path.name for path in (media / "drafts").rglob("*.jpg")] == [
        Path(str(fresh.file.name)).name
    ]

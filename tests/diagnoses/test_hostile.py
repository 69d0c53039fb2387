"""Hostile files, one by one and at random: each is a picture made anew, or a refusal's sentence."""

from __future__ import annotations

import io
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.hostile.catalogue import FORMATS, TAKEN, Hostile, catalogue, honest
from benchmarks.hostile.crafted import MARKER
from benchmarks.hostile.mutations import DEEDS, Change, spoilt
from diagnoses import intake
from diagnoses.models import Case, Draft, DraftPhoto, Photo, UploadPiece
from diagnoses.opening import child
from diagnoses.opening.pixels import MIN_SIDE, STORED_SIDE
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import named, say, screen

ROOT = Path(__file__).resolve().parents[2]
MORE = os.environ.get("LENTIGO_FUZZ")  # how many; without it the same 150 each time
# What a stored picture may hold beside its pixels: nothing that names a place, a person or a time.
SEGMENTS = {0xDB, 0xC0, 0xC4, 0xDA, 0xE0}
API = "/api/v1/cases"


def is_only_pixels(content: bytes, size: tuple[int, int] | None = None) -> None:
    """A JPEG of tables and pixels, and not a byte more."""
    assert MARKER not in content
    at, kinds = 2, set()
    while content[at + 1] != 0xDA:
        kinds.add(content[at + 1])
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    assert kinds <= SEGMENTS, [hex(kind) for kind in kinds]
    assert content.endswith(b"\xff\xd9")
    assert content.count(b"\xff\xd9") == 1
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert size is None or image.size == size
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        image.load()


def outcome(content: bytes) -> intake.CleanPhoto | intake.Refusal:
    try:
        return intake.clean(io.BytesIO(content))
    except intake.Refusal as refusal:
        return refusal


@pytest.mark.parametrize("file", catalogue(), ids=lambda file: str(file.name))
def test_what_becomes_of_each(file: Hostile) -> None:
    found = outcome(file.make())
    if isinstance(found, intake.Refusal):
        assert found.code in file.codes
        assert found.sentence == str(intake.SENTENCES[found.code])
    else:
        assert TAKEN in file.codes
        assert (found.width, found.height) == file.size
        is_only_pixels(found.content, file.size)


def test_the_catalogue_tries_what_it_should() -> None:
    files = catalogue()
    assert len({file.name for file in files}) == len(files) > 120
    codes = {code for file in files for code in file.codes}
    assert codes >= set(intake.SENTENCES) - {"quota", "not_now", "not_kept", "too_much"}
    hidden = [file for file in files if file.codes == (TAKEN,) and MARKER in file.make()]
    assert len(hidden) > 20, "most of what is taken carries something that must not be kept"


def test_however_a_phone_was_held_the_picture_is_upright() -> None:
    """A dark half that was above, beside or below comes to lie above."""
    upright = np.full((200, 300, 3), 220, np.uint8)
    upright[:100] = 40
    turns = {1: 0, 3: 2, 6: 1, 8: 3}  # orientation -> quarter turns that the camera was held by
    for orientation, quarters in turns.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        held = Image.fromarray(np.rot90(upright, quarters))
        sent = cases.encoded(held, "JPEG", exif=exif)
        with Image.open(io.BytesIO(intake.clean(sent).content)) as image:
            assert image.size == (300, 200)
            grey = np.asarray(image.convert("L"), float)
        assert (grey[:90].mean(), grey[110:].mean()) == pytest.approx((40, 220), abs=5)


# --- At random -----------------------------------------------------------------------------------

CHANGES = st.lists(
    st.builds(
        Change,
        deed=st.sampled_from(DEEDS),
        place=st.integers(0, 65_535),
        length=st.integers(0, 65_535),
        value=st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=6,
)


@given(file_format=st.sampled_from(FORMATS), changes=CHANGES)
@settings(max_examples=int(MORE or 150), derandomize=MORE is None, database=None, deadline=None)
def test_whatever_is_done_to_a_picture(file_format: str, changes: list[Change]) -> None:
    """Nothing but a refusal with a code, or a picture within the caps; never anything else."""
    found = outcome(spoilt(honest(file_format), changes))
    if isinstance(found, intake.Refusal):
        assert found.code in set(intake.SENTENCES) - {"quota", "not_now", "not_kept"}
    else:
        assert min(found.width, found.height) >= MIN_SIDE
        assert max(found.width, found.height) <= STORED_SIDE
        is_only_pixels(found.content, (found.width, found.height))


@given(noise=st.binary(max_size=300))
@settings(max_examples=30, derandomize=True, database=None, deadline=None)
def test_noise_behind_every_beginning(noise: bytes) -> None:
    for beginning in (b"", *(honest(name)[:24] for name in FORMATS)):
        with pytest.raises(intake.Refusal) as caught:
            intake.clean(io.BytesIO(beginning + noise))
        assert caught.value.code in {"empty", "not_a_picture", "damaged", *caps()}


def caps() -> set[str]:
    return {"too_many_pixels", "too_few_pixels", "strip"}


# --- Through the doors ---------------------------------------------------------------------------

# One of each kind; the rest goes through the same function.
THROUGH = {
    *("png-30000-squared", "png-that-goes-on", "png-text-bomb", "jpeg-65500-squared"),
    *("jpeg-of-endless-scans", "jpeg-and-zip", "png-and-page", "webp-and-zip", "heic-and-page"),
    *("pdf-and-jpeg", "svg", "page", "mp4", "pillow-tiff", "pillow-avif", "jpeg-60-percent-of-it"),
    *("heif-40-percent-of-it", "png-animated", "webp-animated", "png-16-bit", "jpeg-ycck"),
    *("png-palette-with-transparency", "jpeg-where-and-who", "heif-where-and-who", "jpeg-turned-6"),
    *("jpeg-giant-exif", "jpeg-profile-of-noise", "empty", "1-pixel", "jpeg-of-65500-by-64"),
    *("png-endless-chunk", "jpeg-of-255-colours"),
}
DOORS = tuple(file for file in catalogue() if file.name in THROUGH)


@pytest.fixture
def nothing(cast: Cast, media: Path) -> Iterator[None]:
    """Neither a row nor a file more, wherever a refusal left none."""
    yield
    kept = (Case, Draft, DraftPhoto, Photo, UploadPiece)
    assert [model.objects.count() for model in kept] == [0] * len(kept)
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_each_kind_is_sent_through_the_doors() -> None:
    assert len(DOORS) == len(THROUGH)


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(
    "file", [one for one in DOORS if TAKEN not in one.codes], ids=lambda file: str(file.name)
)
def test_a_refusal_says_why_at_every_door_and_leaves_nothing(cast: Cast, file: Hostile) -> None:
    browser, key, content = cast.client(cast.ana), str(uuid.uuid4()), file.make()
    form = {"submit_key": key, "main_photo": named(content)}
    ahead = browser.post(reverse("draft_photo") + "?of=new", form)
    page = say(browser, key, "photo", main_photo=named(content))
    half = len(content) // 2
    for start, piece in ((0, content[:half]), (half, content[half:])):
        about = {"upload": "cafebabe", "start": start, "total": len(content)}
        whole = browser.post(
            reverse("draft_photo") + "?of=new",
            {"submit_key": key, "main_photo": named(piece)} | about,
        )
    for answer in (ahead, page, whole):
        code = answer["X-Refused"]
        assert (answer.status_code, code in file.codes) == (422, True)
        assert str(intake.SENTENCES[code]) in answer.content.decode()
        assert f'data-code="{code}"' in answer.content.decode()
    said = cast.api(cast.ana).post(
        API, {"photo": named(content), "site": "back"}, format="multipart"
    )
    assert (said.status_code, said.json()["code"] in file.codes) == (422, True)
    assert said.json()["detail"] == str(intake.SENTENCES[said.json()["code"]])


@pytest.mark.usefixtures("media")
@pytest.mark.parametrize(
    "file", [one for one in DOORS if one.codes == (TAKEN,)], ids=lambda file: str(file.name)
)
def test_what_is_taken_is_kept_and_served_as_pixels_alone(cast: Cast, file: Hostile) -> None:
    said = cast.api(cast.ana).post(
        API,
        {"photo": named(file.make()), "site": "back", "send_anyway": "yes"},
        format="multipart",
    )
    assert said.status_code == 201
    photo = Photo.objects.get()
    is_only_pixels(photo.file.read(), file.size)
    served = cast.client(cast.ana).get(reverse("photo", args=[photo.pk]))
    is_only_pixels(served.content, file.size)
    assert served["Content-Type"] == "image/jpeg"
    ahead = cast.client(cast.ana).post(
        reverse("draft_photo"), {"submit_key": str(uuid.uuid4()), "main_photo": named(file.make())}
    )
    assert ahead.status_code == 200
    is_only_pixels(DraftPhoto.objects.get().file.read(), file.size)


NAMES = (
    "../../../../etc/passwd.jpg",
    "..\\..\\windows\\system32\\evil.jpg",
    "photo\0.php.jpg",
    "\u202egpj.exe",
    "x" * 300 + ".jpg",
    "😀🩺.jpg",
    "CON",
    "photo.jpg.exe",
    "photo.php",
    ".htaccess",
    "<script>alert(1)</script>.jpg",
    'a"; filename="b.html',
    "photo\r\nX-Planted: yes.jpg",
    "|id;.jpg",
    "~",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_name_a_file_comes_with_goes_nowhere(cast: Cast, media: Path, name: str) -> None:
    browser, key = cast.client(cast.ana), str(uuid.uuid4())
    answer = browser.post(
        reverse("draft_photo"), {"submit_key": key, "main_photo": named(cases.jpeg(), name)}
    )
    assert answer.status_code == 200
    said = cast.api(cast.ana).post(
        API, {"photo": named(cases.jpeg(), name), "site": "back"}, format="multipart"
    )
    assert said.status_code == 201
    for path in (path.relative_to(media) for path in media.rglob("*") if path.is_file()):
        assert re.fullmatch(r"[a-z]+(/[\w-]+)*/[0-9a-f-]{36}\.jpg", path.as_posix()), path
    shown = browser.get(reverse("case", args=[Case.objects.get().pk])).content.decode()
    assert "alert(1)" not in shown + answer.content.decode() + said.content.decode()


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/x-php", "", "x/y\0"])
def test_what_a_file_says_it_is_decides_nothing(cast: Cast, media: Path, kind: str) -> None:
    """The bytes do."""
    from django.core.files.uploadedfile import SimpleUploadedFile as Sent

    def send(content: bytes, said: str) -> Any:
        form = {"submit_key": str(uuid.uuid4()), "main_photo": Sent("photo.jpg", content, said)}
        return cast.client(cast.ana).post(reverse("draft_photo"), form)

    assert send(cases.jpeg(), kind).status_code == 200
    assert send(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/jpeg").status_code == 422


def test_every_sentence_is_spoken_in_every_language_of_the_pages(cast: Cast, media: Path) -> None:
    said = {}
    for language in ("en-gb", "es"):
        with translation.override(language):
            said[language] = {code: intake.Refusal(code).sentence for code in intake.SENTENCES}
    for code, sentence in said["en-gb"].items():
        assert said["es"][code] != sentence, f"{code} is not spoken in Spanish"
    cast.ana.language = "es"
    cast.ana.save()
    page = say(cast.client(cast.ana), str(uuid.uuid4()), "photo", main_photo=named(b"no photo"))
    assert said["es"]["not_a_picture"] in page.content.decode()


def test_a_decoder_that_ends_badly_ends_no_page(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "asked", lambda *_: b"no question")
    key = str(uuid.uuid4())
    answer = say(cast.client(cast.ana), key, "photo", main_photo=named(cases.jpeg()))
    assert (answer.status_code, answer["X-Refused"]) == (422, "over_limits")
    monkeypatch.undo()
    assert (
        say(cast.client(cast.ana), key, "photo", main_photo=named(cases.jpeg())).status_code == 302
    )
    assert cast.client(cast.ana).get(screen(key, "photo")).status_code == 200

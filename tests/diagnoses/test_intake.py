"""What people send becomes a clean picture, or a sentence they can act on."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from diagnoses.intake import MAX_BYTES, SENTENCES, Quality, Refusal, clean, judge
from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw
from tests.cases import beside, encoded, jpeg, ordinary

PACK = load_pack("skin")


def refusal_of(data: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        clean(io.BytesIO(data))
    assert caught.value.sentence == str(SENTENCES[caught.value.code])
    return caught.value.code


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_what_phones_send_is_accepted(file_format: str) -> None:
    picture = draw(3, kind="bkl")
    result = clean(encoded(picture, file_format))
    stored = Image.open(io.BytesIO(result.content))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (600, 450))
    assert (result.width, result.height) == (600, 450)
    difference = np.abs(np.asarray(stored, float) - np.asarray(picture, float)).mean()
    assert difference < 4, "the stored picture is the picture that was sent"


def test_the_stored_copy_carries_nothing_but_pixels() -> None:
    exif = Image.Exif()
    exif[0x010E] = "PLANTED description"
    exif.get_ifd(0x8825)[1] = "N"
    sent = encoded(draw(1), "JPEG", exif=exif, comment=b"PLANTED comment").getvalue()
    assert b"PLANTED" in sent
    stored = clean(io.BytesIO(sent + b"PLANTED after the end")).content
    assert b"PLANTED" not in stored
    assert not Image.open(io.BytesIO(stored)).getexif()


def test_a_photo_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    result = clean(encoded(draw(1), "JPEG", exif=exif))
    assert (result.width, result.height) == (450, 600)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_unusual_colour_modes_become_rgb(mode: str) -> None:
    grey = draw(2).convert("L")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        picture = draw(2).convert(mode)
    result = clean(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))
    stored = Image.open(io.BytesIO(result.content))
    assert stored.mode == "RGB"
    reference = np.asarray(draw(2), float).mean()
    assert abs(np.asarray(stored, float).mean() - reference) < 40, "not black, not white"


def test_transparent_parts_become_paper() -> None:
    result = clean(encoded(Image.new("RGBA", (300, 300), (0, 0, 0, 0)), "PNG"))
    assert np.asarray(Image.open(io.BytesIO(result.content))).min() > 250


def test_a_large_photo_is_kept_at_twelve_megapixels() -> None:
    result = clean(encoded(draw(1).resize((8000, 6000)), "JPEG"))
    assert (result.width, result.height) == (4096, 3072)


def test_files_that_are_not_photos() -> None:
    assert refusal_of(b"") == "empty"
    assert refusal_of(b"%PDF-1.7 not a photo") == "not_a_picture"
    assert refusal_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "not_a_picture"
    assert refusal_of(encoded(draw(1), "GIF").getvalue()) == "not_a_picture"
    assert refusal_of(encoded(draw(1), "TIFF").getvalue()) == "not_a_picture"
    assert refusal_of(b"\xff" * (MAX_BYTES + 1)) == "too_heavy"


def test_a_broken_transfer_is_said_to_be_broken() -> None:
    whole = jpeg()
    assert refusal_of(whole[: len(whole) // 2]) == "damaged"
    png = encoded(draw(1), "PNG").getvalue()
    assert refusal_of(png[: len(png) // 3]) == "damaged"


def test_a_bomb_is_refused_on_its_header() -> None:
    """A 30,000 x 30,000 PNG of a few hundred bytes: 900 megapixels if anybody decoded it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
    assert refusal_of(png + chunk(b"IEND", b"")) == "too_many_pixels"


def test_just_over_and_just_under_fifty_megapixels() -> None:
    over = encoded(Image.new("RGB", (7100, 7100), "pink"), "JPEG").getvalue()
    under = encoded(Image.new("RGB", (7000, 7000), "pink"), "JPEG").getvalue()
    assert refusal_of(over) == "too_many_pixels"
    assert clean(io.BytesIO(under)).width == 4096


def test_a_large_photo_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    result = clean(encoded(Image.new("RGB", (6000, 4000), "pink"), "JPEG", exif=exif))
    assert (result.width, result.height) == (2731, 4096)


def test_a_jpeg_of_endless_scans_is_refused_before_it_keeps_a_processor_busy() -> None:
    """Every scan is a pass over all pixels: 2,000 empty ones at 49 megapixels took 80 seconds."""
    honest = encoded(draw(1), "JPEG", progressive=True).getvalue()
    assert clean(io.BytesIO(honest)).width == 600
    last_scan = honest[honest.rindex(b"\xff\xda") : -2]
    assert refusal_of(honest[:-2] + last_scan * 60 + b"\xff\xd9") == "damaged"
    filled = honest[:-2] + b"\xff\xff\xff\x01" + last_scan * 60 + b"\xff\xd9"
    assert refusal_of(filled) == "damaged"


def test_what_only_looks_like_scans_does_not_count() -> None:
    """A thumbnail in a segment, or the film of a moving photo behind the end of the picture."""
    sent = encoded(draw(1), "JPEG", comment=b"\xff\xda\x00\x02" * 100).getvalue()
    assert clean(io.BytesIO(sent + b"\xff\xda\x00\x02" * 100)).width == 600


def test_shapes_that_are_no_photo() -> None:
    assert refusal_of(encoded(Image.new("RGB", (40, 40)), "PNG").getvalue()) == "too_few_pixels"
    assert refusal_of(encoded(Image.new("RGB", (2000, 100)), "PNG").getvalue()) == "strip"


def test_moving_pictures() -> None:
    frames = [draw(1), draw(2)]
    webp = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert refusal_of(webp.getvalue()) == "animated"
    apng = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert refusal_of(apng.getvalue()) == "animated"


def test_a_compressed_text_bomb_in_a_png_does_no_harm() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "A" * 40_000_000, zip=True)
    data = encoded(draw(1), "PNG", pnginfo=info).getvalue()
    assert refusal_of(data) == "damaged"


def test_good_drawings_pass_and_bad_ones_say_why() -> None:
    assert judge(draw(1)).reasons == ()
    assert judge(draw(1, blur=8)).reasons == ("blurred",)
    assert "too_dark" in judge(draw(1).point(lambda level: level // 8)).reasons
    assert "too_bright" in judge(Image.new("RGB", (600, 450), "white")).reasons
    assert "too_small" in judge(draw(1).resize((160, 120))).reasons


def test_dark_skin_in_good_light_is_neither_dark_nor_blurred() -> None:
    for phone in (False, True):
        picture = draw(2, skin_tone=6, phone=phone)
        assert judge(picture, PACK.glance).reasons == ()
    assert "blurred" in judge(draw(2, skin_tone=6, blur=8)).reasons


def test_a_photo_of_something_else_is_a_reason_to_take_it_again() -> None:
    assert judge(ordinary(), PACK.glance).reasons == ("not_skin",)
    assert judge(ordinary()).reasons == (), "a pack without a glance has nothing to say"


def test_what_a_dark_photo_shows_nobody_claims_to_know() -> None:
    night = ordinary().point(lambda level: level // 6)
    assert judge(night, PACK.glance).reasons == ("too_dark",)


def test_a_mark_on_the_edge_is_a_hint_and_no_reason() -> None:
    found = judge(beside(1), PACK.glance)
    assert (found.reasons, found.hints) == ((), ("framing",))
    assert judge(draw(1), PACK.glance).hints == ()


def test_a_photo_with_something_wrong_is_not_hinted_at_as_well() -> None:
    dark = beside(1).point(lambda level: level // 8)
    assert judge(dark, PACK.glance).hints == ()


def test_an_overview_is_not_looked_at_for_its_subject() -> None:
    """It shows where on the body the mark is: a bedroom, a jumper, a face from far."""
    glance = PACK.glance_at("overview")
    assert judge(ordinary(), glance).reasons == ()
    assert PACK.glance_at("close_up") == PACK.glance_at("dermoscopic") == PACK.glance


def test_what_was_measured_comes_back_as_it_was_stored() -> None:
    for picture in (draw(1), ordinary(), beside(1)):
        stored = judge(picture, PACK.glance).as_dict()
        assert Quality.of(stored).as_dict() == stored


def test_what_was_stored_before_there_were_hints_is_read() -> None:
    old = {"focus": 9.1, "brightness": 140.0, "clipped": 0.0, "reasons": ["blurred"]}
    assert Quality.of(old) == Quality(9.1, 140.0, 0.0, ("blurred",))


def test_every_reason_and_hint_has_words_in_the_pack() -> None:
    codes = {"blurred", "too_dark", "too_bright", "too_small", "not_skin", "framing"}
    assert codes <= set(PACK.quality)  # it words a doctor's reasons for a retake besides


def test_real_photos_pass_and_blurred_ones_do_not(real_data: Path) -> None:
    """On every 40th picture of HAM10000: at most 2 % false alarms, at least 90 % of blurs seen."""
    from PIL import ImageFilter

    paths = sorted((real_data / "ham10000" / "images").glob("*.webp"))[::40]
    sharp = [Image.open(path).convert("RGB").resize((600, 450)) for path in paths]
    alarms = sum("blurred" in judge(picture).reasons for picture in sharp)
    seen = sum(
        "blurred" in judge(picture.filter(ImageFilter.GaussianBlur(4))).reasons for picture in sharp
    )
    assert alarms <= 0.02 * len(paths), f"{alarms} of {len(paths)} sharp pictures refused"
    assert seen >= 0.90 * len(paths), f"{seen} of {len(paths)} blurred pictures found"

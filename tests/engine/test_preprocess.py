"""One picture, however it was saved and however large, looks the same to the network."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mlservice.engine import (
    Bundle,
    Modality,
    PictureError,
    Predictor,
    assess,
    prepare,
    preprocess_hash,
)
from mlservice.packs.skin.drawing import draw


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    return draw(11, kind="mel", size=(1200, 900))


def test_a_picture_is_a_square_of_bytes(scene: Image.Image) -> None:
    picture = prepare(scene)
    assert picture.shape == (224, 224, 3)
    assert picture.dtype == np.uint8
    assert prepare(scene, 96).shape == (96, 96, 3)


def test_the_same_bytes_always_give_the_same_picture(scene: Image.Image, tmp_path: Path) -> None:
    jpeg = saved(scene, quality=90)
    path = tmp_path / "spot.jpg"
    path.write_bytes(jpeg)
    with Image.open(io.BytesIO(jpeg)) as opened:
        assert np.array_equal(prepare(jpeg), prepare(opened))
    assert np.array_equal(prepare(jpeg), prepare(path))


def test_a_small_jpeg_and_a_twelve_megapixel_photo_look_alike(
    scene: Image.Image, bundle: Bundle, predictor: Predictor
) -> None:
    lanczos = Image.Resampling.LANCZOS
    small = prepare(saved(scene.resize((600, 450), lanczos), quality=92))
    large = prepare(saved(scene.resize((4000, 3000), lanczos), quality=92))
    assert np.abs(small.astype(int) - large.astype(int)).mean() < 2
    one, two = assess(predictor, bundle, [small, large], [Modality.DERMOSCOPIC] * 2)
    assert abs(one.risk - two.risk) < 0.05
    assert one.top_label == two.top_label


def test_the_fast_jpeg_decoding_hardly_changes_the_picture(scene: Image.Image) -> None:
    """A PNG of the decoded JPEG is read at full size; the JPEG itself is decoded at an eighth."""
    jpeg = saved(scene.resize((4000, 3000)), quality=95)
    with Image.open(io.BytesIO(jpeg)) as opened:
        exact = prepare(saved(opened.convert("RGB"), "PNG", compress_level=1))
    assert np.abs(prepare(jpeg).astype(int) - exact.astype(int)).mean() < 1.5


def test_nothing_is_stretched() -> None:
    """A round mark in a 4:3 and in a 9:16 picture stays round."""
    for size in ((640, 480), (450, 800)):
        image = Image.new("RGB", size, "white")
        middle, radius = (size[0] / 2, size[1] / 2), 100
        box = (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius)
        ImageDraw.Draw(image).ellipse(box, fill="black")
        dark = prepare(image)[:, :, 0] < 128
        width, height = dark.any(0).sum(), dark.any(1).sum()
        assert abs(int(width) - int(height)) <= 1
        assert abs(width - 2 * radius * 224 / min(size)) <= 2


def test_colours_keep_their_order() -> None:
    red, green, blue = prepare(Image.new("RGB", (300, 200), (200, 100, 50)))[50, 50]
    assert (red, green, blue) == (200, 100, 50)


def test_a_turned_phone_photo_is_set_upright() -> None:
    image = Image.new("RGB", (200, 200), "black")
    image.paste((255, 255, 255), (0, 0, 200, 100))  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: white must come to the right
    picture = prepare(saved(image, exif=exif, quality=95))
    assert picture[:, -20:].mean() > 240
    assert picture[:, :20].mean() < 15


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_other_colour_modes_become_rgb(scene: Image.Image, mode: str) -> None:
    assert prepare(scene.convert(mode)).shape == (224, 224, 3)


def test_what_is_not_a_picture_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_bytes(b"Dear doctor")
    with pytest.raises(PictureError, match=r"letter\.jpg"):
        prepare(path)
    with pytest.raises(PictureError, match="does not exist"):
        prepare(tmp_path / "nowhere.jpg")
    with pytest.raises(PictureError):
        prepare(b"")


def test_a_truncated_picture_is_refused(scene: Image.Image) -> None:
    jpeg = saved(scene, quality=90)
    with pytest.raises(PictureError):
        prepare(jpeg[: len(jpeg) // 3])


def test_the_hash_names_the_preprocessing() -> None:
    assert preprocess_hash(224) == preprocess_hash(224)
    assert preprocess_hash(224) != preprocess_hash(192)

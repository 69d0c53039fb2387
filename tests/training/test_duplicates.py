"""A photograph is known again whatever was done to its file, and another one is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from mlservice.packs.skin.drawing import draw
from training.data import Row, file_hashes
from training.duplicates import Twins, find_twins
from training.errors import TrainingError

Change = Callable[[Image.Image], Image.Image]


def cropped(left: float, top: float, right: float, bottom: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        return image.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]  # four

    return change


def tinted(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) * (1.0, 0.93, 0.85)).astype(np.uint8))


CHANGES: dict[str, tuple[Change, str, int]] = {
    "same bytes": (lambda image: image, "png", 0),
    "JPEG": (lambda image: image, "jpeg", 80),
    "poor JPEG": (lambda image: image, "jpeg", 10),
    "WebP": (lambda image: image, "webp", 50),
    "half the size": (lambda image: image.resize((120, 90)), "png", 0),
    "another shape": (lambda image: image.resize((224, 224)), "png", 0),
    "larger": (lambda image: image.resize((600, 450)), "jpeg", 70),
    "brighter": (lambda image: ImageEnhance.Brightness(image).enhance(1.15), "png", 0),
    "darker": (lambda image: ImageEnhance.Brightness(image).enhance(0.8), "png", 0),
    "more contrast": (lambda image: ImageEnhance.Contrast(image).enhance(1.2), "png", 0),
    "tinted": (tinted, "png", 0),
    "grey": (lambda image: image.convert("L"), "png", 0),
    "mirrored": (ImageOps.mirror, "jpeg", 80),
    "upside down": (ImageOps.flip, "webp", 70),
    "turned by 90": (lambda image: image.transpose(Image.Transpose.ROTATE_90), "png", 0),
    "turned by 180": (lambda image: image.transpose(Image.Transpose.ROTATE_180), "png", 0),
    "turned and flipped": (lambda image: image.transpose(Image.Transpose.TRANSVERSE), "png", 0),
    "blurred": (lambda image: image.filter(ImageFilter.GaussianBlur(1)), "png", 0),
    "cropped all round": (cropped(0.05, 0.05, 0.05, 0.05), "jpeg", 80),
    "cropped at two sides": (cropped(0.1, 0.1, 0, 0), "png", 0),
    "cropped at one side": (cropped(0, 0, 0.08, 0), "webp", 80),
    "turned by 4 degrees": (lambda image: image.rotate(4, Image.Resampling.BICUBIC), "jpeg", 80),
    "several at once": (
        lambda image: ImageEnhance.Brightness(
            cropped(0.06, 0.02, 0.03, 0.07)(ImageOps.mirror(image)).resize((200, 150))
        ).enhance(1.1),
        "jpeg",
        60,
    ),
}


def row(path: Path) -> Row:
    return Row(path.stem, "nv", f"L_{path.stem}", path)


def twins(*paths: Path, cache: Path | None = None) -> list[Twins]:
    rows = [row(path) for path in paths]
    return find_twins(rows, rows, file_hashes(rows), cache)


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six drawn marks, two of each of three kinds."""
    folder = tmp_path_factory.mktemp("drawings")
    paths = []
    for number, kind in enumerate(("nv", "mel", "bkl", "nv", "mel", "bkl")):
        paths.append(folder / f"{kind}_{number}.png")
        draw(number, kind=kind, size=(240, 180), skin_tone=2).save(paths[-1])
    return paths


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_is_known_again(name: str, drawings: list[Path], tmp_path: Path) -> None:
    change, kind, quality = CHANGES[name]
    copy = tmp_path / f"copy.{kind}"
    with Image.open(drawings[0]) as image:
        change(image.convert("RGB")).save(copy, quality=quality or 75)
    [found] = twins(*drawings, copy)
    assert (found.one, found.other) == ("copy", "nv_0")


def test_a_copy_is_known_by_its_orientation_mark(drawings: list[Path], tmp_path: Path) -> None:
    """A camera's way to turn: the pixels lie on their side and a mark says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(drawings[1]) as image:
        sideways = image.transpose(Image.Transpose.ROTATE_90)
        sideways.save(tmp_path / "copy.jpg", exif=exif)
    [found] = twins(*drawings, tmp_path / "copy.jpg")
    assert (found.one, found.other) == ("copy", "mel_1")


def test_other_drawings_are_other_pictures(drawings: list[Path]) -> None:
    assert twins(*drawings) == []


def test_pictures_of_one_lesion_are_not_held_against_each_other(drawings: list[Path]) -> None:
    one = row(drawings[0])
    again = Row("again", "nv", one.lesion_id, one.path)
    assert find_twins([one, again], [one, again], file_hashes([one, again])) == []


def test_plain_pictures_are_not_copies_of_each_other(tmp_path: Path) -> None:
    """Nothing to be seen is nothing in common."""
    for name, colour in (("a", (200, 150, 120)), ("b", (90, 60, 50))):
        Image.new("RGB", (80, 60), colour).save(tmp_path / f"{name}.png")
    assert twins(tmp_path / "a.png", tmp_path / "b.png") == []


def test_what_was_found_is_kept_for_these_very_files(drawings: list[Path], tmp_path: Path) -> None:
    copy, cache = tmp_path / "copy.jpg", tmp_path / "cache"
    with Image.open(drawings[0]) as image:
        image.save(copy)
    found = twins(*drawings, copy, cache=cache)
    [kept] = cache.iterdir()
    kept.write_text("[]")
    assert twins(*drawings, copy, cache=cache) == []  # read, not searched again
    with Image.open(drawings[0]) as image:
        image.save(copy, quality=60)
    [again] = twins(*drawings, copy, cache=cache)
    assert again.one == found[0].one


def test_an_unreadable_picture_is_named(drawings: list[Path], tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(TrainingError, match=r"broken\.jpg.*image_id 'broken'.*cannot be read"):
        twins(*drawings, tmp_path / "broken.jpg")

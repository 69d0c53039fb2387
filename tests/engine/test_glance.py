"""What is seen at a glance: the same at every size, of any picture, and mild to whoever is good."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlservice.engine.glance import SIDE, colours_of, copy_of, palettes, placement, score
from mlservice.engine.types import Floats
from mlservice.packs import Sign, load_pack
from mlservice.packs.skin.drawing import draw
from mlservice.packs.skin.marks import LOOKS
from tests.cases import beside, ordinary

GLANCE = load_pack("skin").glance


def sign(name: str) -> Sign:
    found: Sign | None = getattr(GLANCE, name)
    assert found is not None
    return found


def seen(picture: Image.Image) -> Floats:
    return colours_of(copy_of(picture))


def strange(picture: Image.Image) -> bool:
    own = sign("strange")
    return min(score(each, own.weights, own.bias) for each in palettes(seen(picture))) >= 0


def misplaced(picture: Image.Image) -> bool:
    own = sign("misplaced")
    return score(placement(seen(picture)), own.weights, own.bias) >= 0


def test_the_packs_weights_are_over_the_numbers_that_are_measured() -> None:
    colours = seen(draw(1))
    for measured in palettes(colours):
        assert set(measured) == set(sign("strange").weights)
    assert set(placement(colours)) == set(sign("misplaced").weights)


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("tone", range(1, 7))
def test_a_mark_in_the_middle_of_any_skin_is_fine(tone: int, phone: bool) -> None:
    for kind in LOOKS:
        picture = draw(tone, kind=kind, skin_tone=tone, phone=phone, size=(320, 240))
        assert not strange(picture), kind
        assert not misplaced(picture), kind


def test_an_ordinary_photo_is_strange() -> None:
    assert strange(ordinary())


def test_skin_in_the_middle_of_something_else_is_fine() -> None:
    """A hand on a table: most of the photo may be the table."""
    scene = ordinary().copy()
    scene.paste(draw(1).resize((448, 336)), (96, 72))
    assert not strange(scene)


@pytest.mark.parametrize("phone", [False, True])
def test_a_mark_on_the_edge_is_misplaced(phone: bool) -> None:
    assert [seed for seed in range(1, 7) if misplaced(beside(seed, phone=phone, wide=480))]


def test_a_photo_of_twelve_megapixels_is_seen_as_its_small_copy_is() -> None:
    small = draw(4, kind="bkl")
    large = small.resize((4000, 3000), Image.Resampling.BICUBIC)
    assert np.abs(copy_of(small).astype(int) - copy_of(large)).mean() < 1.5


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (600, 450), "black"),
        Image.new("RGB", (600, 450), "white"),
        Image.new("RGB", (64, 512), "pink"),
        Image.effect_noise((300, 200), 90).convert("RGB"),
    ],
)
def test_any_picture_can_be_measured(picture: Image.Image) -> None:
    colours = seen(picture)
    assert colours.shape == (SIDE, SIDE, 3)
    for measured in (*palettes(colours), placement(colours)):
        assert all(math.isfinite(value) for value in measured.values())


def test_real_skin_is_hardly_ever_strange_and_ordinary_photos_mostly_are(real_data: Path) -> None:
    def share(folder: str, every: int = 1) -> float:
        paths = sorted((real_data / folder).glob("*.*"))[::every]
        found = []
        for path in paths:
            with Image.open(path) as opened:
                found.append(strange(opened.convert("RGB")))
        assert len(found) > 40
        return sum(found) / len(found)

    assert share("ham10000/images", 50) <= 0.01
    assert share("isic2017/images", 15) <= 0.02
    assert share("phone/images") <= 0.04  # two of 51
    assert share("ood", 5) >= 0.80

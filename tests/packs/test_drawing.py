"""The drawn pictures: the same for the same seed, different for another, and fit to be uploaded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw, draw_cast
from mlservice.packs.skin.marks import LOOKS

KINDS = [label.name for label in load_pack("skin").labels]


def pixels(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(image, np.float64)


def sharpness(image: Image.Image) -> float:
    return float(np.abs(np.diff(pixels(image), axis=1)).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("phone", [False, True])
def test_every_label_has_a_mark_in_the_middle_of_the_skin(
    kind: str, phone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = draw(7, kind=kind, phone=phone, hair=0, skin_tone=2)
    assert (image.mode, image.size) == ("RGB", (600, 450))
    monkeypatch.setitem(LOOKS, kind, replace(LOOKS[kind], paint=lambda *_: None, height=0))
    bare = draw(7, kind=kind, phone=phone, hair=0, skin_tone=2)
    painted = np.abs(pixels(image) - pixels(bare)).max(axis=2)
    assert painted[180:270, 240:360].mean() > 15
    assert painted[:40].mean() < 1


def test_the_same_seed_draws_the_same_picture_and_another_seed_another() -> None:
    assert draw(3, kind="mel").tobytes() == draw(3, kind="mel").tobytes()
    assert draw(3, kind="mel").tobytes() != draw(4, kind="mel").tobytes()
    assert draw(3, kind="mel").tobytes() != draw(3, kind="nv").tobytes()


@pytest.mark.parametrize("size", [(64, 48), (450, 600), (4000, 3000)])
def test_any_size_can_be_asked_for(size: tuple[int, int]) -> None:
    assert draw(1, size=size).size == size


def test_hair_darkens_and_leaves_the_mark_beneath_as_it_is() -> None:
    bald, hairy = pixels(draw(5, hair=0)), pixels(draw(5, hair=25))
    changed = np.abs(bald - hairy).max(axis=2) > 4
    assert 0.005 < changed.mean() < 0.3
    assert hairy.mean() < bald.mean()


def test_blur_takes_the_edges_away() -> None:
    assert sharpness(draw(5, blur=6)) < 0.6 * sharpness(draw(5))


def test_skin_types_go_from_light_to_dark() -> None:
    means = [pixels(draw(5, skin_tone=tone, hair=0)).mean() for tone in range(1, 7)]
    assert means == sorted(means, reverse=True)
    assert means[0] > 1.8 * means[-1]


def test_a_cast_is_mostly_naevi_and_the_same_each_time() -> None:
    cast = list(draw_cast(12, seed=2))
    assert [kind for kind, _ in cast].count("nv") >= 4
    assert {kind for kind, _ in cast} <= set(KINDS)
    again = [(kind, image.tobytes()) for kind, image in draw_cast(12, seed=2)]
    assert again == [(kind, image.tobytes()) for kind, image in cast]


def test_nonsense_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="Unknown kind 'wart'"):
        draw(1, kind="wart")
    with pytest.raises(ValueError, match="A skin type is from 1 to 6, not 7"):
        draw(1, skin_tone=7)

"""Plain skin cut from around marks: nothing of a mark in it, and a twin for every piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import Row, read_folder
from training.errors import TrainingError
from training.labels import pack_labels
from training.skin_crops import MARKED, Square, cut, find_pairs, read_mask, spoiled_skin

WIDTH, HEIGHT = 120, 90


def bits(*, left: int = 50, radius: int = 15) -> np.ndarray:
    """An outline: a disc of ``radius``, its middle at ``left``, half way down."""
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    inside: np.ndarray = (across - left) ** 2 + (down - HEIGHT // 2) ** 2 <= radius**2
    return inside


def skin(mark: np.ndarray, seed: int) -> np.ndarray:
    """Even skin with a dark mark, a little grainy."""
    grain = np.random.default_rng(seed).normal(0, 3, (HEIGHT, WIDTH, 1))
    light = np.where(mark[..., None], (90, 50, 40), (220, 170, 160)) + grain
    return np.clip(light, 0, 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve pictures of ten lesions with their outlines in ``masks``."""
    (tmp_path / "masks").mkdir()
    for number in range(12):
        mark = bits(left=40 + 3 * number)
        Image.fromarray(skin(mark, number)).save(tmp_path / f"p{number}.png")
        Image.fromarray(mark).save(tmp_path / "masks" / f"p{number}.png")
    return tmp_path


def rows(data: Path) -> list[Row]:
    return [Row(f"p{n}", "nv", f"L{n % 10}", data / f"p{n}.png") for n in range(12)]


def inside(square: Square, mask: np.ndarray) -> np.ndarray:
    left, top, right, bottom = square.box
    assert 0 <= left < right <= mask.shape[1]
    assert 0 <= top < bottom <= mask.shape[0]
    return mask[top:bottom, left:right]


def test_plain_skin_holds_no_pixel_of_a_mark_and_its_twin_does(data: Path) -> None:
    pairs = find_pairs(rows(data), data / "masks", seed=7, most=100)
    assert len(pairs) == 10, "one pair a lesion"
    for plain, marked in pairs:
        mask = read_mask(data / "masks", plain.row, (WIDTH, HEIGHT))
        assert (plain.content, marked.content) == ("skin", "mark")
        assert not inside(plain, mask).any()
        assert inside(marked, mask).mean() >= MARKED
        assert (plain.side, plain.row) == (marked.side, marked.row)


def test_a_margin_is_kept_because_outlines_are_drawn_tight(data: Path) -> None:
    mask = bits()
    spoiled = spoiled_skin(skin(mask, 0), mask)
    assert spoiled[HEIGHT // 2, 50 + 15 + 3]
    assert not spoiled[HEIGHT // 2, 50 + 15 + 12]


def test_shadow_and_a_second_mark_are_no_plain_skin() -> None:
    """An outline knows one mark only, and corners are dark where the dermatoscope ends."""
    picture = skin(bits(), 0)
    picture[:, 100:] = 10
    picture[5:20, 85:95] = 90, 50, 40
    spoiled = spoiled_skin(picture, bits())
    assert spoiled[:, 102:].all()
    assert spoiled[8:17, 87:93].all()
    assert not spoiled[40:80, 75:90].any()


def test_the_seed_decides_what_is_cut_whatever_the_order_of_rows(data: Path) -> None:
    masks = data / "masks"
    pairs = find_pairs(rows(data), masks, seed=7, most=4)
    assert pairs == find_pairs(rows(data)[::-1], masks, seed=7, most=4)
    assert pairs != find_pairs(rows(data), masks, seed=8, most=4)
    assert pairs == find_pairs(rows(data), masks, seed=7, most=8)[:4]


def test_a_picture_full_of_mark_gives_no_pair(data: Path) -> None:
    Image.fromarray(np.ones((HEIGHT, WIDTH), bool)).save(data / "masks" / "p0.png")
    assert find_pairs(rows(data)[:1], data / "masks", seed=7, most=5) == []


def test_a_picture_without_a_mark_gives_no_pair(data: Path) -> None:
    """Then nothing says that the outline, not the picture, is the mistake."""
    Image.fromarray(np.zeros((HEIGHT, WIDTH), bool)).save(data / "masks" / "p0.png")
    assert find_pairs(rows(data)[:1], data / "masks", seed=7, most=5) == []


def test_a_missing_and_a_misfitting_outline_are_named(data: Path) -> None:
    (data / "masks" / "p5.png").unlink()
    with pytest.raises(TrainingError, match=r"'p5' has no outline 'p5\.png'"):
        find_pairs(rows(data), data / "masks", seed=7, most=100)
    Image.new("1", (60, 45)).save(data / "masks" / "p5.png")
    with pytest.raises(TrainingError, match=r"'p5\.png' is 60x45 pixels, its picture 120x90"):
        find_pairs(rows(data), data / "masks", seed=7, most=100)
    (data / "masks" / "p5.png").write_bytes(b"torn")
    with pytest.raises(TrainingError, match=r"'p5\.png' cannot be read"):
        find_pairs(rows(data), data / "masks", seed=7, most=100)


def test_outlines_may_carry_the_name_they_are_published_under(data: Path) -> None:
    masks = data / "masks"
    (masks / "p2.png").rename(masks / "p2_segmentation.png")
    assert read_mask(masks, rows(data)[2], (WIDTH, HEIGHT)).any()


def test_near_is_the_piece_scaled_up_and_wide_keeps_its_grain(data: Path) -> None:
    [(plain, _)] = find_pairs(rows(data)[:1], data / "masks", seed=7, most=1)
    near, wide = (cut([plain], HEIGHT, view)[0].astype(float) for view in ("near", "wide"))
    assert near.shape == wide.shape == (HEIGHT, HEIGHT, 3)
    own = np.asarray(Image.open(plain.row.path).crop(plain.box)).astype(float)
    start = (HEIGHT - plain.side) // 2
    middle = wide[start : start + plain.side, start : start + plain.side]
    assert np.abs(middle - own).max() <= 1, "not scaled"
    assert wide.mean() == pytest.approx(own.mean(), abs=3), "mirrored: nothing but this skin"
    assert np.abs(np.diff(near, axis=0)).mean() < 0.8 * np.abs(np.diff(wide, axis=0)).mean()


def test_real_pictures_give_plain_skin(real_data: Path) -> None:
    """Of two hundred real lesions: no pixel of a mark, and even light, in every square."""
    folder = real_data / "ham10000"
    some = read_folder(folder, pack_labels("skin")[0])[::50]
    pairs = find_pairs(some, folder / "masks", seed=7, most=60)
    assert len(pairs) == 60
    for plain, marked in pairs:
        picture = Image.open(plain.row.path)
        mask = read_mask(folder / "masks", plain.row, picture.size)
        assert not inside(plain, mask).any()
        assert inside(marked, mask).mean() >= MARKED
        assert plain.side >= 95
        light = np.asarray(picture.crop(plain.box).convert("L").resize((8, 8)), float)
        assert light.min() > 0.7 * np.median(light)

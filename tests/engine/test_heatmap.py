"""The heatmap shows the place that speaks for a class, wherever the picture is looked at from."""

from __future__ import annotations

import io
from collections.abc import Container

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlservice.engine import Bundle, Modality, Picture, Predictor, assess, open_predictor
from mlservice.engine import litert_predictor as litert
from mlservice.engine.assess import views
from mlservice.engine.bundle import shipped
from mlservice.engine.heatmap import GRID, heat_of, overlay, views_mapped
from mlservice.engine.litert_predictor import LitertPredictor
from mlservice.engine.types import Floats, Heat, RawScores

CELLS = 7
FIELDS = (1.0, 0.85, 0.7)


class Bright:
    """A network to which brightness speaks for melanoma, and nothing else for anything.

    ``shift`` moves what each cell sees by so many pixels right and down, as padding does.
    """

    name, batch_size = "bright", 1

    def __init__(self, bundle: Bundle, shift: int = 0) -> None:
        self.bundle, self.shift = bundle, shift
        self.mapped: set[int] = set()

    def predict(self, batch: Picture, mapped: Container[int] = ()) -> list[RawScores]:
        self.mapped = {number for number in range(len(batch)) if number in mapped}
        return [self._one(one, number in self.mapped) for number, one in enumerate(batch)]

    def _one(self, picture: Picture, mapped: bool) -> RawScores:
        seen = np.roll(picture, (-self.shift, -self.shift), (0, 1)).mean(-1)
        cells = seen.reshape(CELLS, 32, CELLS, 32).mean((1, 3))
        maps = np.zeros((CELLS, CELLS, len(self.bundle.labels)), np.float32)
        maps[..., self.bundle.labels.index("mel")] = cells / 255
        embedding = self.bundle.statistics.centres[0]
        return RawScores(maps.mean((0, 1)), embedding, maps if mapped else None)


def spot(row: float, column: float, side: int = 224, radius: float = 0.08) -> Picture:
    """Black, with a bright square around a place given as shares of the side."""
    picture = np.zeros((side, side, 3), np.uint8)
    top, left = round((row - radius) * side), round((column - radius) * side)
    size = round(2 * radius * side)
    picture[max(0, top) : top + size, max(0, left) : left + size] = 255
    return picture


def heat_in(bundle: Bundle, picture: Picture, shift: int = 0) -> Heat:
    [found] = assess(Bright(bundle, shift), bundle, [picture], [Modality.DERMOSCOPIC])
    assert found.heat is not None
    return found.heat


def of(bundle: Bundle, heat: Heat, label: str) -> Heat:
    one: Heat = heat[sorted(bundle.labels).index(label)]
    return one


def middle(heat: Heat) -> tuple[float, float]:
    """Where the weight of it lies: row and column, as shares of the side."""
    places = (np.arange(GRID) + 0.5) / GRID
    total = heat.sum(dtype=float)
    return float(heat.sum(1) @ places / total), float(heat.sum(0) @ places / total)


@pytest.mark.parametrize("row", [0.1, 0.9])
@pytest.mark.parametrize("column", [0.1, 0.9])
def test_what_lies_in_a_corner_is_shown_in_that_corner(
    bundle: Bundle, row: float, column: float
) -> None:
    heat = of(bundle, heat_in(bundle, spot(row, column)), "mel")
    found = middle(heat)
    assert found == pytest.approx((row, column), abs=0.06)
    far = heat[: GRID // 2] if row > 0.5 else heat[GRID // 2 :]
    assert far.max() <= 8, "nothing of it is shown on the other side"


@pytest.mark.parametrize("place", [(0.3, 0.6), (0.5, 0.5), (0.72, 0.35)])
def test_the_nearer_views_are_laid_where_they_looked(
    bundle: Bundle, place: tuple[float, float]
) -> None:
    """Were they stretched over the whole, a spot off the middle would be shown twice."""
    heat = of(bundle, heat_in(bundle, spot(*place)), "mel")
    assert middle(heat) == pytest.approx(place, abs=0.04)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    strongest = ((row + 0.5) / GRID, (column + 0.5) / GRID)
    assert strongest == pytest.approx(place, abs=0.08)


def test_what_padding_moves_by_half_a_cell_is_put_right(bundle: Bundle) -> None:
    heat = of(bundle, heat_in(bundle, spot(0.5, 0.5), shift=16), "mel")
    assert middle(heat) == pytest.approx((0.5, 0.5), abs=0.02)


def test_only_the_views_it_needs_are_mapped(bundle: Bundle) -> None:
    network = Bright(bundle)
    pictures = [spot(0.5, 0.5), spot(0.2, 0.2)]
    assess(network, bundle, pictures, [Modality.DERMOSCOPIC] * 2)
    assert bundle.fields == FIELDS
    assert views_mapped(3) == (0, 1, 2, 6, 7, 8)
    assert network.mapped == {0, 1, 2, 6, 7, 8, 12, 13, 14, 18, 19, 20}


def maps_with(**places: tuple[int, int]) -> NDArray[np.float32]:
    maps = np.zeros((CELLS, CELLS, 3), np.float32)
    for number, (row, column) in enumerate(places.values()):
        maps[row, column, number] = 4.0 / (number + 1)
    return maps


def test_classes_of_one_picture_share_one_scale() -> None:
    upright = maps_with(strong=(1, 1), weak=(5, 5))
    heat = heat_of([upright, np.rot90(upright, 2)], (1.0,))
    assert heat.dtype == np.uint8
    assert heat.shape == (3, GRID, GRID)
    assert heat[0].max() == 255
    assert 100 < heat[1].max() < 160, "half as strong"


def test_what_speaks_for_all_classes_alike_speaks_for_none() -> None:
    upright = maps_with(strong=(1, 1)) + np.float32(100)
    upright[6, 6] += 50
    heat = heat_of([upright, np.rot90(upright, 2)], (1.0,))
    assert heat[:, -3:, -3:].max() == 0
    nothing = np.ones((CELLS, CELLS, 3), np.float32)
    assert not heat_of([nothing, nothing], (1.0,)).any()


def clear(png: bytes) -> tuple[tuple[int, int], NDArray[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size, np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("size", [(600, 450), (450, 600), (4000, 3000), (64, 64), (33, 500)])
def test_an_overlay_has_the_photos_frame_and_colours_the_middle_square_only(
    size: tuple[int, int],
) -> None:
    (width, height), pixels = clear(overlay(np.full((GRID, GRID), 255, np.uint8), size))
    assert width / height == pytest.approx(size[0] / size[1], rel=0.05)
    assert max(width, height) <= 480
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    alpha = pixels[..., 3]
    assert alpha[top : top + edge, left : left + edge].min() > 150
    alpha = alpha.copy()
    alpha[top : top + edge, left : left + edge] = 0
    assert not alpha.any(), "beside the square nobody looked"


def test_an_overlay_is_clear_where_little_speaks_and_never_hides_the_photo() -> None:
    heat = np.zeros((GRID, GRID), np.uint8)
    heat[2:5, 14:17] = 255
    (width, height), pixels = clear(overlay(heat, (600, 450)))
    alpha = pixels[..., 3]
    rows, columns = np.nonzero(alpha)
    edge = height
    assert rows.mean() / edge == pytest.approx(3.5 / GRID, abs=0.02)
    assert (columns.mean() - (width - edge) / 2) / edge == pytest.approx(15.5 / GRID, abs=0.02)
    assert alpha.max() < 200
    assert (alpha == 0).mean() > 0.9
    assert len(overlay(heat, (600, 450))) < 20_000


def test_stronger_is_lighter_to_every_eye() -> None:
    """Lightness alone tells the order, for whoever does not tell colours."""
    ramp = np.repeat(np.linspace(90, 255, GRID).astype(np.uint8)[None], GRID, 0)
    _, pixels = clear(overlay(ramp, (480, 480)))
    light = pixels[240, 20:-20:40, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > 0).all()


# --- Real networks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["skin-2.1", "skin-2", "skin-1.1"])
def test_a_logit_is_the_mean_of_its_map_and_a_constant(name: str, pictures: list[Picture]) -> None:
    predictor = open_predictor(Bundle.load(shipped("skin").parent / name), "cpu")
    found = predictor.predict(np.stack(pictures), range(len(pictures)))
    constants = [one.logits - maps_of(one).mean((0, 1)) for one in found]
    assert np.ptp(constants, axis=0).max() < 1e-4


def maps_of(scores: RawScores) -> Floats:
    assert scores.class_maps is not None
    return scores.class_maps


def test_the_maps_cost_the_scores_nothing(predictor: Predictor, pictures: list[Picture]) -> None:
    batch = np.stack(pictures)
    plain, mapped = predictor.predict(batch), predictor.predict(batch, {1})
    assert [one.class_maps is None for one in plain] == [True] * len(batch)
    assert [one.class_maps is None for one in mapped] == [
        number != 1 for number in range(len(batch))
    ]
    for one, other in zip(plain, mapped, strict=True):
        assert np.array_equal(one.logits, other.logits)
        assert np.array_equal(one.embedding, other.embedding)


def test_keras_and_litert_find_it_in_the_same_place(
    bundle: Bundle, predictor: Predictor, pictures: list[Picture]
) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    reference = open_predictor(bundle, "gpu")
    batch = views(pictures[:1], bundle.fields)
    both = [one.predict(batch, {0, 6}) for one in (reference, predictor)]
    for one, other in zip(*both, strict=True):
        assert (one.class_maps is None) == (other.class_maps is None)
        if one.class_maps is not None:
            assert np.abs(one.class_maps - maps_of(other)).max() < 1e-3


def test_a_network_that_gives_no_feature_map_serves_without_a_heatmap(
    bundle: Bundle, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litert._Lane, "_feature_map", lambda _lane, _size: None)
    predictor = open_predictor(bundle, "cpu")
    assert isinstance(predictor, LitertPredictor)
    assert not predictor.gives_maps
    [found] = assess(predictor, bundle, pictures[:1], [Modality.DERMOSCOPIC])
    assert found.heat is None


def test_a_dense_layer_that_does_not_explain_the_logits_is_not_believed(
    predictor: Predictor, pictures: list[Picture]
) -> None:
    """Another layer of the same shape, or something between it and the logits."""
    assert isinstance(predictor, LitertPredictor)
    assert predictor.gives_maps
    one, other = predictor.predict(np.stack(pictures[:2]))
    kernel = np.asarray(predictor._kernel).T
    assert litert._explains(kernel, one, other)
    assert not litert._explains(kernel[::-1], one, other)
    assert not litert._explains(kernel * np.float32(1.1), one, other)

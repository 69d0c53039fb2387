"""The figures to tap on: what lies where, and that the list can say everything they can."""

from __future__ import annotations

import pytest

from mlservice.packs import BodyView, area_at, load_pack

SKIN = load_pack("skin")


def view(name: str) -> BodyView:
    return SKIN.body_view(name)


@pytest.mark.parametrize(
    ("name", "x", "y", "site", "side"),
    [
        ("front", 100, 45, "face", ""),
        ("front", 100, 15, "scalp", ""),
        ("front", 78, 44, "ear", "right"),  # who looks at us has the right ear on our left
        ("front", 122, 44, "ear", "left"),
        ("front", 100, 110, "chest", ""),
        ("front", 100, 160, "abdomen", ""),
        ("front", 147, 150, "upper_extremity", "left"),
        ("front", 80, 250, "lower_extremity", "right"),
        ("front", 80, 400, "foot", "right"),
        ("back", 100, 120, "back", ""),
        ("back", 53, 150, "upper_extremity", "left"),  # seen from behind, left is left
        ("back", 80, 250, "lower_extremity", "left"),
        ("palms_and_soles", 45, 70, "acral", "left"),
        ("palms_and_soles", 155, 150, "acral", "right"),
    ],
)
def test_what_lies_where(name: str, x: float, y: float, site: str, side: str) -> None:
    area = area_at(view(name), x, y)
    assert area is not None
    assert (area.site, area.side) == (site, side)


def test_a_finger_beside_an_area_means_it_and_further_away_nothing() -> None:
    assert area_at(view("front"), 100, 5) is not None  # just above the head
    assert area_at(view("front"), 5, 5) is None


def test_every_area_is_in_its_view_and_its_site_in_the_list() -> None:
    sites = {site.name for site in SKIN.sites}
    for one in SKIN.body:
        for area in one.areas:
            assert area.site in sites
            for x, y in area.points:
                assert 0 <= x <= one.width
                assert 0 <= y <= one.height


def test_every_place_but_the_unknown_one_can_be_tapped() -> None:
    tappable = {area.site for one in SKIN.body for area in one.areas}
    assert {site.name for site in SKIN.sites} - tappable == {"unknown"}


def test_both_sides_are_each_others_mirror() -> None:
    for one in SKIN.body:
        right = sum(area.side == "right" for area in one.areas)
        assert right == sum(area.side == "left" for area in one.areas)

"""A figure to tap on: a view of the body and the areas on it, as the pack draws them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from mlservice.packs.model import Area, BodyView, Site
from mlservice.packs.table import Table

Side = Literal["", "left", "right"]
_OTHER: dict[Side, Side] = {"": "", "left": "right", "right": "left"}
# A finger is wider than an ear: a tap beside an area still means it, this far in the view's units.
NEAR = 8.0


@dataclass(frozen=True, slots=True)
class Spot:
    """One point of a view, as shares of its width and height: 0, 0 is its upper left corner."""

    view: str
    x: float
    y: float


def read_spot(raw: str, views: Sequence[BodyView]) -> Spot | None:
    """The point written as "view x y"; ``None`` for what cannot be one on any of ``views``."""
    try:
        name, x, y = raw.split()
        spot = Spot(name, float(x), float(y))
    except ValueError:
        return None
    known = name in {view.name for view in views}
    return spot if known and 0 <= spot.x <= 1 and 0 <= spot.y <= 1 else None


def area_at(view: BodyView, x: float, y: float) -> Area | None:
    """The area under a point in the view's units, or the nearest one a finger's width away."""
    inside = next((area for area in view.areas if _holds(area.points, x, y)), None)
    if inside is not None:
        return inside
    distance, _, nearest = min(
        (_distance(area.points, x, y), i, area) for i, area in enumerate(view.areas)
    )
    return nearest if distance <= NEAR else None


def read_body(tables: Sequence[Table], sites: Sequence[Site]) -> tuple[BodyView, ...]:
    """The views in ``tables``; raises ``PackError`` for an area whose site the pack lacks."""
    return tuple(_view(t, {site.name for site in sites}) for t in tables)


def _view(t: Table, sites: set[str]) -> BodyView:
    width, height = t.integer("width"), t.integer("height")
    areas = [area for a in t.tables("areas") for area in _areas(a, width, sites)]
    view = BodyView(t.name("name"), t.text("text"), width, height, tuple(areas))
    return t.all_of_it(view)


def _areas(t: Table, width: int, sites: set[str]) -> Iterator[Area]:
    site = t.name("site")
    if site not in sites:
        t.fail("site", f"{site!r} is not a site of this pack")
    side = cast("Side", t.one_of("side", ("left", "right")) if t.has("side") else "")
    points = t.points("points")
    if len(points) < 3:
        t.fail("points", "must be at least three")
    mirrored = t.flag("mirrored", default=False)
    yield t.all_of_it(Area(site, side, points))
    if mirrored:
        yield Area(site, _OTHER[side], tuple((width - x, y) for x, y in points))


def _holds(points: Sequence[tuple[float, float]], x: float, y: float) -> bool:
    """Whether the polygon holds the point: a ray to the right crosses its edge an odd number of
    times."""
    inside = False
    for (x1, y1), (x2, y2) in _edges(points):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _distance(points: Sequence[tuple[float, float]], x: float, y: float) -> float:
    """From the point to the nearest edge of the polygon."""
    nearest = float("inf")
    for (x1, y1), (x2, y2) in _edges(points):
        dx, dy = x2 - x1, y2 - y1
        along = max(0.0, min(1.0, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy)))
        nearest = min(nearest, ((x - x1 - along * dx) ** 2 + (y - y1 - along * dy) ** 2) ** 0.5)
    return nearest


def _edges(
    points: Sequence[tuple[float, float]],
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    yield from zip(points, (*points[1:], points[0]), strict=True)

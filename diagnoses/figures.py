"""The figures to tap on: where a tap fell, and how they are drawn. Needs no JavaScript.

A figure is an image button: the browser sends where in it one pressed. The list beside it says the
same, for keys and screen readers.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from diagnoses.forms import SubmitForm
from diagnoses.models import Case
from mlservice.packs import Area, BodyView, Pack, PackError, Spot, area_at, read_spot

SCALE = 1.4  # CSS pixels for one unit of a view: an arm is as wide as a fingertip
BESIDE = _("That was beside the figure. Tap on the body itself, or choose from the list.")


@dataclass(frozen=True, slots=True)
class Figure:
    """One view with what is chosen on it."""

    view: BodyView
    shapes: tuple[tuple[str, bool], ...]  # each area's corners as SVG has them; whether chosen
    dot: tuple[float, float] | None  # the point tapped, in the view's units

    @property
    def width(self) -> int:
        """In CSS pixels."""
        return round(self.view.width * SCALE)

    @property
    def height(self) -> int:
        return round(self.view.height * SCALE)


def tapped(posted: QueryDict, pack: Pack) -> QueryDict | None:
    """``posted`` with the place a tap fell on; itself without one; ``None`` for a tap beside all
    areas."""
    for view in pack.body:
        try:
            x, y = (float(posted.get(f"{view.name}.{axis}", "")) / SCALE for axis in "xy")
        except ValueError:
            continue
        area = area_at(view, x, y)
        if area is None:
            return None
        chosen = posted.copy()
        chosen["site"] = area.site
        chosen["side"] = area.side
        chosen["spot"] = f"{view.name} {_share(x, view.width)} {_share(y, view.height)}"
        return chosen
    return posted


def shown(form: SubmitForm) -> list[Figure]:
    """The pack's figures with what the form has chosen; first the one that was tapped, for on a
    phone only the first is in sight."""
    site, side = (str(form[name].value() or "") for name in ("site", "side"))
    spot = read_spot(str(form["spot"].value() or ""), form.pack.body)
    figures = [figure(view, site, side, spot) for view in form.pack.body]
    return sorted(figures, key=lambda one: one.dot is None)


def of_case(case: Case) -> Figure | None:
    """The figure a case's place was tapped on; ``None`` where it was chosen from the list."""
    if not case.spot:
        return None
    spot = Spot(**case.spot)
    try:
        view = case.pack.body_view(spot.view)
    except PackError:  # an older version of the pack had it
        return None
    return figure(view, case.site, case.side, spot)


def figure(view: BodyView, site: str, side: str, spot: Spot | None) -> Figure:
    here = spot if spot is not None and spot.view == view.name else None
    shapes = tuple((_corners(area), _chosen(area, site, side)) for area in view.areas)
    dot = (round(here.x * view.width, 1), round(here.y * view.height, 1)) if here else None
    return Figure(view, shapes, dot)


def _chosen(area: Area, site: str, side: str) -> bool:
    return area.site == site and (
        not area.side or area.side == side or side not in ("left", "right")
    )


def _corners(area: Area) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in area.points)


def _share(value: float, whole: int) -> str:
    return f"{min(1.0, max(0.0, value / whole)):.4f}"

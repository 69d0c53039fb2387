"""What the model learned from, and beside it the reader's own cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_safe

from accounts.access import admin_required, person
from diagnoses.exploring import FEWEST, LAST, Cell, Own, guarded, own_cases
from diagnoses.numbers import ENOUGH
from mlservice import registry
from mlservice.engine import BundleError
from mlservice.engine.bundle import Manifest
from mlservice.engine.explored import AGES, Explored, read_explored
from mlservice.models import ModelVersion
from mlservice.packs import Pack, available_packs
from mlservice.readers import pack_for_reader

SEXES: Final[Mapping[str, str | Promise]] = {
    "female": pgettext_lazy("sex", "female"),
    "male": pgettext_lazy("sex", "male"),
}
HEIGHT: Final = 60.0  # of the highest column, in the drawing's units
WIDTH: Final = 8.0


@dataclass(frozen=True, slots=True)
class Row:
    """One class or place: pictures that trained; the reader's own cases where there are enough."""

    title: str
    pictures: int
    percent: float
    own: Cell | None


@dataclass(frozen=True, slots=True)
class Place:
    """A body site: how many pictures of each sex, in the order of the page's sexes."""

    title: str
    pictures: int
    by_sex: tuple[tuple[str, int, float], ...]  # name, pictures, per cent of the site


@dataclass(frozen=True, slots=True)
class Column:
    """Ages from ``start`` to ``end`` years, and where its bar stands in the drawing."""

    start: int
    end: int
    pictures: int
    x: float
    height: float

    @property
    def y(self) -> float:
        return round(HEIGHT - self.height, 1)

    @property
    def middle(self) -> float:
        return self.x + WIDTH / 2


@require_safe
@admin_required
def model_data(request: HttpRequest) -> HttpResponse:
    """Numbers only; of one clinic's cases for its admin, of all for an admin of none."""
    name = request.GET.get("pack", settings.PACK)
    if name not in available_packs():
        raise Http404
    pack, version = pack_for_reader(name), registry.active(name)
    own = own_cases(person(request), name)
    context: dict[str, Any] = {
        "pack": pack,
        "version": version,
        "own": own,
        "enough": ENOUGH,
        "fewest": FEWEST,
        "last": LAST,
        "several": _several(own),
    }
    explored, context["unmeasured"] = _explored(version)
    if explored is not None:
        context |= {"explored": explored, "sexes": _sexes(explored), "ages": _ages(explored)}
        context["ages_wide"] = WIDTH * len(context["ages"])
        context["places"] = _places(explored, pack)
    context["classes"] = _classes(explored, own, pack)
    context["sites"] = _sites(explored, own, pack)
    return render(request, "models/data.html", context)


def _explored(version: ModelVersion | None) -> tuple[Explored | None, str]:
    """The numbers of the version in service, or why there are none."""
    if version is None:
        return None, _("No version is in service.")
    manifest: Manifest | None = registry.manifest(version)
    if manifest is None:
        return None, _("The files of %(version)s are not there.") % {"version": version}
    try:
        folder = registry.bundle_folder(version)
        return read_explored(folder, manifest, version.manifest_hash), ""
    except BundleError as error:
        return None, str(error)


def _classes(explored: Explored | None, own: Own, pack: Pack) -> list[Row]:
    titles = {label.name: label.title for label in pack.labels}
    return _rows(titles, explored.classes if explored else {}, own.classes, enough=own.enough)


def _sites(explored: Explored | None, own: Own, pack: Pack) -> list[Row]:
    titles = {site.name: site.text for site in pack.sites}
    trained = {name: counts.total() for name, counts in explored.sites.items()} if explored else {}
    return _rows(titles, trained, own.sites, enough=own.enough)


def _rows(
    titles: Mapping[str, str],
    trained: Mapping[str, int],
    own: Mapping[str, int],
    *,
    enough: bool,
) -> list[Row]:
    """The pack's names first, then whatever else is there; "" is what is not said."""
    further = sorted({*trained, *own} - {*titles, ""})
    names = [*titles, *further, *([""] if "" in {*trained, *own} else [])]
    cells = guarded(own, names) if enough else {}
    total = sum(trained.values()) or 1
    return [
        Row(
            titles.get(name, name.replace("_", " ")) or _("none of these, or not recorded"),
            trained.get(name, 0),
            round(100 * trained.get(name, 0) / total, 1),
            cells.get(name),
        )
        for name in names
    ]


def _sexes(explored: Explored) -> list[tuple[str, int, float]]:
    found = explored.sexes
    return [
        (_sex(name), count, round(100 * count / explored.pictures, 1))
        for name, count in sorted(found.items(), key=lambda item: (not item[0], -item[1]))
    ]


def _sex(name: str) -> str:
    return str(SEXES.get(name, name)) if name else _("not recorded")


def _places(explored: Explored, pack: Pack) -> list[Place]:
    """The most pictured first."""
    titles = {site.name: site.text for site in pack.sites}
    sexes = sorted(explored.sexes, key=lambda name: (not name, name))
    places = []
    for name, counts in explored.sites.items():
        total = counts.total()
        shares = ((_sex(sex), counts[sex], round(100 * counts[sex] / total, 1)) for sex in sexes)
        title = titles.get(name, name.replace("_", " ")) or _("not recorded")
        places.append(Place(title, total, tuple(shares)))
    return sorted(places, key=lambda place: -place.pictures)


def _ages(explored: Explored) -> list[Column]:
    years = {int(start): count for start, count in explored.ages.items() if start}
    if not years:
        return []
    most = max(years.values())
    starts = range(min(years), max(years) + 1, AGES)
    return [
        Column(
            start=start,
            end=start + AGES - 1,
            pictures=years.get(start, 0),
            x=WIDTH * place,
            height=round(HEIGHT * years.get(start, 0) / most, 1),
        )
        for place, start in enumerate(starts)
    ]


def _several(own: Own) -> Cell | None:
    """Marks with more than one case: not said where it would be of a few people."""
    if not own.enough:
        return None
    few = 0 < own.lesions_of_several < FEWEST
    return Cell(None if few else own.lesions_of_several, few, 0.0)

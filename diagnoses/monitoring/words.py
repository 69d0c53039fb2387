"""What the monitoring pages call things, in the words of the pack and of whoever reads."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from diagnoses.monitoring.flow import MODALITIES, Flow
from diagnoses.monitoring.truth import UNKNOWN
from mlservice.engine.types import Tier
from mlservice.packs import Pack, PackError

KINDS: Final[dict[str, str | Promise]] = {
    "site": gettext_lazy("Place on the body"),
    "modality": gettext_lazy("What the computer took the photo for"),
}


def tier_titles() -> list[tuple[str, str]]:
    """The most urgent first."""
    said = {Tier.RED: _("Red"), Tier.AMBER: _("Amber"), Tier.GREEN: _("Green")}
    return [(tier.value, text) for tier, text in said.items()]


def modality_titles(pack: Pack | None) -> list[tuple[str, str]]:
    """Name and words of each that the pack knows, in the engine's order; of no pack all names."""
    said = pack.modalities if pack else {name: name for name in MODALITIES}
    return [(name, said[name]) for name in MODALITIES if name in said]


def modalities(pack: Pack | None, flow: Flow) -> list[tuple[str, str, int]]:
    return [(name, text, flow.modalities[name]) for name, text in modality_titles(pack)]


def kind_title(pack: Pack, kind: str) -> str:
    """A kind of subgroup: the site, how the photo was taken, or a question of the pack."""
    return str(KINDS[kind]) if kind in KINDS else pack.question(kind).short


def group_title(pack: Pack, kind: str, value: str) -> str:
    """One group of a kind; what an older version of the pack knew is called as it was stored."""
    if value == UNKNOWN and kind not in KINDS:
        return _("not answered")
    try:
        if kind == "site":
            return pack.site(value).text
        if kind == "modality":
            return pack.modalities.get(value, value)
        return pack.question(kind).choice(value).text
    except PackError:
        return value

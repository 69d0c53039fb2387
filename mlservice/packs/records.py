"""What the records of a data set are called where patients are asked."""

from __future__ import annotations

from typing import Final

from mlservice.packs.model import Pack

# The engine's age bands (mlservice.engine.judging.subgroups) -> the choices of the question "age".
AGES: Final = {
    "under 30": "under_30",
    "30 to 49": "from_30",
    "50 to 69": "from_50",
    "70 and over": "from_70",
}


def site_of(localization: str) -> str:
    """A body site as the packs name it, "" where the record has none: "lower extremity" ->
    "lower_extremity". Whether a pack knows it is for the caller to see."""
    name = localization.strip().lower().replace(" ", "_")
    return "" if name == "unknown" else name


def asked(pack: Pack, kind: str) -> frozenset[str]:
    """The values that a kind of metadata can have in a pack: what patients are asked.

    Raises :class:`~mlservice.packs.model.PackError` for a kind that nobody asks.
    """
    if kind == "site":
        return frozenset(site.name for site in pack.sites)
    return frozenset(choice.value for choice in pack.question(kind).choices)


def metadata_of(band: str, localization: str) -> dict[str, str]:
    """What is known beside a picture, by the words that patients' answers have; "" where not."""
    return {"age": AGES.get(band, ""), "site": site_of(localization)}

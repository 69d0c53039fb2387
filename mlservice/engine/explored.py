"""What a bundle was trained and measured on, in numbers alone: ``data.json``, beside its files.

Aggregates of whole folders, made by ``python -m training explore … --beside BUNDLE``; it names the
manifest that it belongs to, and folders by the hashes that the manifest has of them. What is in it
is counted in pictures.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mlservice.engine.bundle import Manifest
from mlservice.engine.types import BundleError

DATA: Final = "data.json"
FORMAT: Final = 1
MOST: Final = 1 << 20  # bytes
AGES: Final = 5  # years in one bin
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder. ``sites`` by site, then by sex, with "" for a sex that is not recorded; ``ages``
    by the first year of each bin, as text. What is not recorded is under ""."""

    name: str
    citation: str
    licence: str
    data_hash: str
    pictures: int
    lesions: int
    lesions_of_several: int  # with more than one picture
    classes: Counts
    sexes: Counts
    ages: Counts
    sites: Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class Explored:
    """The folders of one bundle; sums over all of them."""

    bundle: str
    manifest_hash: str
    folders: tuple[Folder, ...]

    @property
    def pictures(self) -> int:
        return sum(folder.pictures for folder in self.folders)

    @property
    def lesions(self) -> int:
        return sum(folder.lesions for folder in self.folders)

    @property
    def lesions_of_several(self) -> int:
        return sum(folder.lesions_of_several for folder in self.folders)

    @property
    def classes(self) -> Counter[str]:
        return _sum(folder.classes for folder in self.folders)

    @property
    def sexes(self) -> Counter[str]:
        return _sum(folder.sexes for folder in self.folders)

    @property
    def ages(self) -> Counter[str]:
        return _sum(folder.ages for folder in self.folders)

    @property
    def sites(self) -> dict[str, Counter[str]]:
        """By site, then by sex."""
        names = sorted({name for folder in self.folders for name in folder.sites})
        return {name: _sum(folder.sites.get(name, {}) for folder in self.folders) for name in names}

    def as_dict(self) -> dict[str, Any]:
        """What ``data.json`` holds."""
        return {
            "format": FORMAT,
            "bundle": self.bundle,
            "manifest_hash": self.manifest_hash,
            "folders": [asdict(folder) for folder in self.folders],
        }


def trained_on(manifest: Manifest) -> set[str]:
    """The hashes of the folders that the manifest names."""
    config = manifest.training.get("config")
    also = config.get("also", ()) if isinstance(config, dict) else ()
    return {str(manifest.training.get("data_hash")), *(str(entry[1]) for entry in also)}


def write_explored(explored: Explored, path: Path) -> None:
    """A line for each entry of a folder: short, and the same bytes for the same numbers."""
    whole = explored.as_dict()
    folders = whole.pop("folders")
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in whole.items())
    parts = []
    for folder in folders:
        lines = ",\n".join(
            f"   {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in folder.items()
        )
        parts.append(f"  {{\n{lines}\n  }}")
    inner = ",\n".join(parts)
    path.write_text(f'{{\n{head} "folders": [\n{inner}\n ]\n}}\n', encoding="utf-8")


def read_explored(folder: Path, manifest: Manifest, manifest_hash: str) -> Explored:
    """The numbers of the bundle in ``folder``; raises :class:`BundleError` saying why not."""
    path = folder / DATA
    try:
        if path.stat().st_size > MOST:
            raise BundleError(f"{DATA} is longer than {MOST >> 20} MB.")
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = _parsed(raw)
    except FileNotFoundError:
        raise BundleError(f"There is no {DATA} with its files.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{DATA} is not readable: {error!r}.") from error
    if found.manifest_hash != manifest_hash:
        raise BundleError(f"{DATA} belongs to another bundle.")
    if {one.data_hash for one in found.folders} != trained_on(manifest):
        raise BundleError(f"{DATA} is of other folders than the bundle was trained on.")
    return found


def _parsed(raw: Mapping[str, Any]) -> Explored:
    if raw["format"] != FORMAT:
        raise ValueError("another format")
    folders = tuple(_folder(one) for one in raw["folders"])
    return Explored(str(raw["bundle"]), str(raw["manifest_hash"]), folders)


def _folder(raw: Mapping[str, Any]) -> Folder:
    texts = {name: raw[name] for name in ("name", "citation", "licence", "data_hash")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("a name is no text")
    folder = Folder(
        **texts,
        pictures=_count(raw["pictures"]),
        lesions=_count(raw["lesions"]),
        lesions_of_several=_count(raw["lesions_of_several"]),
        classes=_counts(raw["classes"]),
        sexes=_counts(raw["sexes"]),
        ages=_counts(raw["ages"]),
        sites={str(name): _counts(counts) for name, counts in raw["sites"].items()},
    )
    sums = {
        sum(folder.classes.values()),
        sum(folder.sexes.values()),
        sum(folder.ages.values()),
        sum(sum(counts.values()) for counts in folder.sites.values()),
    }
    years = [year for year in folder.ages if year]
    if sums != {folder.pictures} or not all(year.isdecimal() for year in years):
        raise ValueError(f"the counts of {folder.name!r} do not add up")
    return folder


def _counts(raw: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): _count(value) for name, value in raw.items()}


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _sum(parts: Any) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total

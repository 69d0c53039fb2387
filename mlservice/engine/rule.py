"""The price of the 80 % rule on the frozen test part, threshold by threshold: ``rule.json``.

A training run writes it into its bundle, under the manifest's hashes. A bundle older than that may
have it beside its files (a sidecar): then it names the manifest that it belongs to, and is taken
for no other. Either way it must be of the pictures that ``metrics.json`` is of, and say the same at
the threshold that was shipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlservice.engine.bundle import Manifest, file_sha256
from mlservice.engine.gate import Numbers, frozen_set
from mlservice.engine.types import BundleError

RULE: Final = "rule.json"
FORMAT: Final = 1
# Every hundredth that the rule may be set to; compared with confidences as they are.
THRESHOLDS: Final = tuple(hundredths / 100 for hundredths in range(30, 100))
MOST: Final = 1 << 20  # bytes; it is read for a page


@dataclass(frozen=True, slots=True)
class LabelPrice:
    """Of the ``n`` pictures that truly are ``name``; a number for each of :data:`THRESHOLDS`.

    ``no_disease`` the rule leaves without a name, ``no_disease_green`` of these also end GREEN;
    ``right`` are named, and rightly.
    """

    name: str
    harmful: bool
    n: int
    no_disease: tuple[int, ...]
    no_disease_green: tuple[int, ...]
    right: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Of some labels' pictures at one threshold."""

    n: int
    no_disease: int
    no_disease_green: int
    right: int

    @property
    def named(self) -> int:
        return self.n - self.no_disease


@dataclass(frozen=True, slots=True)
class RulePrice:
    """``manifest_hash`` is "" in a bundle's own file, which the manifest names by its hash."""

    bundle: str
    manifest_hash: str
    part: str
    data_hash: str
    split_hash: str
    threshold: float  # as shipped
    labels: tuple[LabelPrice, ...]

    @property
    def harmful(self) -> tuple[LabelPrice, ...]:
        return tuple(label for label in self.labels if label.harmful)

    def totals(self, index: int, labels: Iterable[LabelPrice] | None = None) -> Totals:
        """Of ``labels``, all of them by default, at the threshold in place ``index``."""
        rows = tuple(self.labels if labels is None else labels)
        return Totals(
            sum(row.n for row in rows),
            sum(row.no_disease[index] for row in rows),
            sum(row.no_disease_green[index] for row in rows),
            sum(row.right[index] for row in rows),
        )

    def as_dict(self) -> dict[str, Any]:
        """What ``rule.json`` holds."""
        return {
            "format": FORMAT,
            "bundle": self.bundle,
            "manifest_hash": self.manifest_hash,
            "part": self.part,
            "data_hash": self.data_hash,
            "split_hash": self.split_hash,
            "n": sum(label.n for label in self.labels),
            "threshold": self.threshold,
            "thresholds": list(THRESHOLDS),
            "labels": {
                label.name: {
                    "harmful": label.harmful,
                    "n": label.n,
                    "no_disease": list(label.no_disease),
                    "no_disease_green": list(label.no_disease_green),
                    "right": list(label.right),
                }
                for label in self.labels
            },
        }


def place_of(threshold: float) -> int | None:
    """Where ``threshold`` stands among :data:`THRESHOLDS`, if it does."""
    return THRESHOLDS.index(threshold) if threshold in THRESHOLDS else None


def write_rule(price: RulePrice, path: Path) -> None:
    """A line for each entry and each label: short, and the same bytes for the same numbers."""
    entries = price.as_dict()
    labels = entries.pop("labels")
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in entries.items())
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in labels.items())
    path.write_text(f'{{\n{head} "labels": {{\n{rows}\n }}\n}}\n', encoding="utf-8")


def read_rule(folder: Path, manifest: Manifest, manifest_hash: str, metrics: Numbers) -> RulePrice:
    """The price of the bundle in ``folder``; raises :class:`BundleError` saying why there is none.

    ``manifest_hash`` and ``metrics`` are those that were registered.
    """
    path = folder / RULE
    try:
        if path.stat().st_size > MOST:
            raise BundleError(f"{RULE} is longer than {MOST >> 20} MB.")
        hashed = manifest.sha256.get(RULE)
        if hashed is not None and file_sha256(path) != hashed:
            raise BundleError(f"{RULE} is not the one that was made: its hash differs.")
        price = _parsed(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BundleError(f"There is no {RULE}: it was never measured.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{RULE} is not readable: {error!r}.") from error
    if hashed is None and price.manifest_hash != manifest_hash:
        raise BundleError(f"{RULE} belongs to another bundle.")
    _check(price, manifest, metrics)
    return price


def _parsed(raw: Mapping[str, Any]) -> RulePrice:
    if raw["format"] != FORMAT or tuple(raw["thresholds"]) != THRESHOLDS:
        raise ValueError("another format")
    names = ("bundle", "manifest_hash", "part", "data_hash", "split_hash")
    texts = {name: raw[name] for name in names}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("a name is no text")
    labels = tuple(_label(name, row) for name, row in raw["labels"].items())
    if raw["n"] != sum(label.n for label in labels):
        raise ValueError("the counts do not add up")
    return RulePrice(**texts, threshold=float(raw["threshold"]), labels=labels)


def _label(name: str, raw: Mapping[str, Any]) -> LabelPrice:
    n, harmful = raw["n"], raw["harmful"]
    missed, green, right = (
        _counts(raw[key], n) for key in ("no_disease", "no_disease_green", "right")
    )
    fits = all(
        g <= m and r <= n - m for m, g, r in zip(missed, green, right, strict=True)
    ) and list(missed) == sorted(missed)
    if not isinstance(harmful, bool) or not fits:
        raise ValueError(f"the counts of {name!r} do not fit together")
    return LabelPrice(name, harmful, n, missed, green, right)


def _counts(raw: Sequence[Any], n: int) -> tuple[int, ...]:
    if len(raw) != len(THRESHOLDS) or not all(type(one) is int and 0 <= one <= n for one in raw):
        raise ValueError("not one count for each threshold")
    return tuple(raw)


def _check(price: RulePrice, manifest: Manifest, metrics: Numbers) -> None:
    """Against the pictures and the numbers of the bundle; raises :class:`BundleError`."""
    own = {"data_hash": price.data_hash, "split_hash": price.split_hash}
    pictures = frozen_set(own, {"part": price.part})
    if not pictures or pictures != frozen_set(manifest.training, metrics):
        raise BundleError(f"{RULE} was measured on other pictures than the bundle's numbers.")
    counts = {label.name: label.n for label in price.labels}
    harmful = {label.name for label in price.harmful}
    at = place_of(price.threshold)
    if counts != metrics.get("classes") or harmful != set(manifest.harmful) or at is None:
        raise BundleError(f"{RULE} and the bundle's numbers are not of the same pictures.")
    _check_right(price, manifest, metrics)
    shipped = metrics.get("rule")
    told = {
        label.name: (label.n, label.no_disease[at], label.no_disease_green[at])
        for label in price.harmful
    }
    keys = ("n", "no_disease", "no_disease_green")
    said = (
        {name: tuple(row.get(key) for key in keys) for name, row in shipped.items()}
        if isinstance(shipped, dict) and all(isinstance(row, dict) for row in shipped.values())
        else {}
    )
    if price.threshold != manifest.threshold or told != said:
        raise BundleError(f"{RULE} and the bundle's numbers differ at the shipped threshold.")


def _check_right(price: RulePrice, manifest: Manifest, metrics: Numbers) -> None:
    """At every threshold, against what no threshold moves; raises :class:`BundleError`.

    Whatever the network is right about is named or it is not: as many as on the diagonal of the
    confusion, between them. And no more harmful pictures are GREEN than end there at all.
    """
    table = metrics.get("confusion")
    try:
        right = {name: table[i][i] for i, name in enumerate(manifest.labels)}  # type: ignore[index]
        fits = all(
            named <= right[label.name] <= named + missed
            for label in price.labels
            for named, missed in zip(label.right, label.no_disease, strict=True)
        )
        green = sum(label.no_disease_green[-1] for label in price.harmful)
        fits = fits and green <= metrics["green_malignant"]
    except (KeyError, IndexError, TypeError) as error:
        raise BundleError(f"{RULE} cannot be held against the bundle's numbers.") from error
    if not fits:
        raise BundleError(f"{RULE} and the bundle's numbers differ in what is right or GREEN.")
